"""The real Label Studio on loopback, with SQLite, in an environment of its own: its requirements conflict with ours.

`python tests/labeling/label_studio_server.py --environment FOLDER --files FOLDER` installs it once (about 1 GB), starts
it, prints its address and a token, and stops it at Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "1.23.2"
USER, PASSWORD = "labeler@example.com", "not-a-secret-on-loopback"
_SILENT = {  # nothing leaves the machine: no analytics, no crash reports of server and browser, no look for updates
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LATEST_VERSION_CHECK": "false",
    "FEATURE_FLAGS_OFFLINE": "true",
}
_ON_LOOPBACK = {"USE_DEFAULT_BANNED_SUBNETS": "false"}  # else it calls no webhook and no model on this machine


@dataclass(frozen=True)
class LabelStudioServer:
    """A server that runs.

    Attributes:
        url: of the server.
        token: a legacy token of its only user.
        files: the folder below which it serves files.
        pid: of its process.
    """

    url: str
    token: str
    files: Path
    pid: int


def install(environment: Path) -> Path:
    """Install the server into an environment of its own, unless it is there; returns its program."""
    program = environment / "bin" / "label-studio"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        command = [environment / "bin" / "python", "-m", "pip", "install", "-q", f"label-studio=={VERSION}"]
        subprocess.run(command, check=True)
    return program


@contextmanager
def label_studio(program: Path, place: Path, files: Path, *, port: int = 0) -> Iterator[LabelStudioServer]:
    """Run the server until the end of the block.

    Args:
        program: as `install` returned it.
        place: folder of its database and log; what is there from an earlier time is kept.
        files: folder below which it may serve files.
        port: of loopback; 0 takes a free one.
    """
    from processes import free_port, wait_for

    port = port or free_port()
    url, token_file = f"http://127.0.0.1:{port}", place / "token"
    place.mkdir(parents=True, exist_ok=True)
    if not token_file.exists():
        token_file.write_text(secrets.token_hex(20))
    token = token_file.read_text()
    command = [program, "start", "--init", "--no-browser", "--data-dir", place / "data"]
    command += ["--internal-host", "127.0.0.1", "--port", str(port), "--host", url, "--enable-legacy-api-token"]
    command += ["--username", USER, "--password", PASSWORD, "--user-token", token]
    settings = {
        "LOCAL_FILES_SERVING_ENABLED": "true",
        "LOCAL_FILES_DOCUMENT_ROOT": str(files),
        **_SILENT,
        **_ON_LOOPBACK,
    }
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    with (place / "server.log").open("a") as log:
        process = subprocess.Popen(command, env={**kept, **settings}, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def is_ready() -> bool:
        assert process.poll() is None, (place / "server.log").read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_for(is_ready, 600)  # the first start makes the database
        yield LabelStudioServer(url, token, files, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """Run it until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, required=True, help="where it is installed, or will be")
    parser.add_argument("--files", type=Path, required=True, help="folder below which it may serve files")
    parser.add_argument("--place", type=Path, help="folder of its database; by default one that is deleted at the end")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as temporary:
        place = options.place or Path(temporary)
        with label_studio(install(options.environment), place, options.files.resolve(), port=options.port) as server:
            print(f"{server.url}\ntoken {server.token}\nuser {USER}, password {PASSWORD}", flush=True)
            try:
                signal.pause()
            except KeyboardInterrupt:
                print("stopped")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()

"""The real Label Studio on loopback, with SQLite, in an environment of its own: its requirements conflict with ours.

`python tests/label_studio_server.py --environment FOLDER --files FOLDER` installs it once (about 1 GB), starts
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
from typing import Any

import pytest

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


def installed() -> Path | None:
    """The program in AUTOML_VISION_LABEL_STUDIO or beside this environment; None where it is not installed."""
    environment = Path(os.environ.get("AUTOML_VISION_LABEL_STUDIO", Path(sys.prefix) / "label-studio"))
    program = environment / "bin" / "label-studio"
    return program if program.exists() else None


@contextmanager
def label_studio(
    program: Path, place: Path, files: Path, *, port: int = 0, public_url: str | None = None
) -> Iterator[LabelStudioServer]:
    """Run the server until the end of the block.

    Args:
        program: as `install` returned it.
        place: folder of its database and log; what is there from an earlier time is kept.
        files: folder below which it may serve files.
        port: of loopback; 0 takes a free one.
        public_url: where people reach it, through a proxy; None where it listens.
    """
    from processes import free_port, wait_for

    port = port or free_port()
    url, token_file = f"http://127.0.0.1:{port}", place / "token"
    place.mkdir(parents=True, exist_ok=True)
    if not token_file.exists():
        token_file.write_text(secrets.token_hex(20))
    token = token_file.read_text()
    command = [program, "start", "--init", "--no-browser", "--data-dir", place / "data"]
    command += [
        "--internal-host",
        "127.0.0.1",
        "--port",
        str(port),
        "--host",
        public_url or url,
        "--enable-legacy-api-token",
    ]
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
        yield LabelStudioServer(public_url or url, token, files, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def label_studio_program() -> Path:
    """The server's program, where it is installed: in AUTOML_VISION_LABEL_STUDIO, or beside this environment."""
    program = installed()
    if program is None:
        pytest.skip("Label Studio is not installed beside this environment; `make check` does it")
    return program


@pytest.fixture(scope="session")
def real(label_studio_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioServer]:
    """A server that all tests share, with a user each of them may use."""
    place = tmp_path_factory.mktemp("label-studio")
    with label_studio(label_studio_program, place, place / "files") as server:
        yield server


@contextmanager
def signed_up(server: LabelStudioServer, email: str) -> Iterator[Any]:
    """A further user of the server, who signs up as in a browser; yields the browser's session, an HTTP client."""
    import httpx2

    with httpx2.Client(base_url=server.url, follow_redirects=True, trust_env=False) as browser:
        browser.get("/user/signup/").raise_for_status()
        values = {"email": email, "password": PASSWORD}
        browser.post("/user/signup/", data=values, headers=_form(browser)).raise_for_status()
        yield browser


def token_of(browser: Any, *, personal: bool = False) -> str:
    """A token of the user of a session: a legacy one, or a personal one, which is exchanged for short-lived ones."""
    path = "/api/token/" if personal else "/api/current-user/token"
    answer = browser.post(path, headers=_form(browser)) if personal else browser.get(path)
    return str(answer.raise_for_status().json()["token"])


def _form(browser: Any) -> dict[str, str]:
    """What a browser adds to what it sends."""
    return {"X-CSRFToken": browser.cookies["csrftoken"], "Referer": str(browser.base_url)}


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
    main()

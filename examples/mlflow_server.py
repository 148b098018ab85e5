"""An MLflow server on PostgreSQL, on this machine alone: `python examples/mlflow_server.py`, then Ctrl-C.

It prints the line that makes it the store of every workspace, and runs until it is ended, when it ends both servers.
PostgreSQL comes from Debian's package, which `--install` installs as root, and its driver from
`pip install "psycopg[binary]"`.
"""

from __future__ import annotations

import argparse
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"
NOT_INSTALLED = 3
"""Exit code where PostgreSQL is not installed."""

_USER = "mlflow"  # of the database
_PATIENCE = 120.0  # seconds that a server may take to answer


def programs() -> Path | None:
    """The folder of PostgreSQL's newest installed programs; Debian does not put `initdb` on the path."""
    folders = [file.parent for file in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    newest = max(folders, key=lambda folder: float(folder.parent.name), default=None)
    return newest or (Path(on_path).parent if on_path else None)


def install() -> None:
    """Install Debian's package, without the server that it would start for the whole machine."""
    settings = Path("/etc/postgresql-common/createcluster.conf")
    if not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text("create_main_cluster = false\n")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
    subprocess.run(["apt-get", "install", "-y", "-qq", "postgresql"], check=True, env=environment)


@contextmanager
def postgresql(folder: Path, bin_folder: Path) -> Iterator[str]:
    """A PostgreSQL server with its data in a folder; yields the URI of its database.

    PostgreSQL refuses to run as root, so root starts it as Debian's user `postgres`.
    """
    account = _unprivileged()
    password, port, data = secrets.token_urlsafe(24), _free_port(), folder / "postgresql"
    data.mkdir(mode=0o700)
    password_file = data.with_suffix(".password")
    password_file.write_text(password)
    password_file.chmod(0o600)
    if account is not None:
        for path in (data, password_file):
            os.chown(path, account.pw_uid, account.pw_gid)
    as_account = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    subprocess.run(
        [
            bin_folder / "initdb", "-D", data, "-U", _USER, "-E", "UTF8", "--auth=scram-sha-256",
            f"--pwfile={password_file}",
        ],
        check=True, stdout=subprocess.DEVNULL, cwd=folder, **as_account,
    )  # fmt: skip
    password_file.unlink()
    command = [
        bin_folder / "postgres", "-D", data, "-p", str(port), "-c", f"listen_addresses={LOOPBACK}",
        "-c", "unix_socket_directories=",
    ]  # fmt: skip
    with _running(command, folder / "postgresql.log", signal.SIGINT, cwd=folder, **as_account) as server:
        _wait(server, lambda: socket.create_connection((LOOPBACK, port), 1).close(), folder / "postgresql.log")
        yield f"postgresql+psycopg://{_USER}:{password}@{LOOPBACK}:{port}/postgres"


@contextmanager
def mlflow_server(folder: Path, store: str, port: int) -> Iterator[str]:
    """An MLflow server with its artifacts in a folder; yields its address.

    Args:
        folder: for artifacts and the log.
        store: URI of the database, handed over in the environment, where other users cannot see its password.
        port: to listen on.
    """
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1",
        "--artifacts-destination", folder / "artifacts",
    ]  # fmt: skip
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": store, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    address, log = f"http://{LOOPBACK}:{port}", folder / "mlflow.log"
    with _running(command, log, signal.SIGTERM, env=environment) as server:
        _wait(server, lambda: urllib.request.urlopen(f"{address}/health", timeout=1).close(), log)
        yield address


@contextmanager
def _running(command: list[object], log: Path, ends_by: int, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a session of its own, which is ended by its process id."""
    with log.open("ab") as output:
        server = subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=output, start_new_session=True, **options
        )  # type: ignore[call-overload]
    try:
        yield server
    finally:
        server.send_signal(ends_by)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait(server: subprocess.Popen[bytes], answers: Callable[[], None], log: Path) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return answers()
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                tail = log.read_text(errors="replace")[-2000:]
                sys.exit(f"{Path(str(server.args[0])).name} does not answer:\n{tail}")  # type: ignore[index]
            time.sleep(0.2)


def _unprivileged() -> pwd.struct_passwd | None:
    """The account that PostgreSQL runs as; None for the one that runs this program."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _end(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run both servers until this program is ended."""
    parser = argparse.ArgumentParser(description="An MLflow server on PostgreSQL, on this machine alone.")
    parser.add_argument("--port", type=int, default=0, help="of the MLflow server; a free one by default")
    parser.add_argument(
        "--install", action="store_true", help="install Debian's package of PostgreSQL if it is missing"
    )
    options = parser.parse_args()
    if programs() is None and options.install:
        install()
    found = programs()
    if found is None:
        sys.stderr.write("PostgreSQL is not installed; as root: python examples/mlflow_server.py --install\n")
        sys.exit(NOT_INSTALLED)
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="mlflow-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)  # PostgreSQL's account must reach its own folder
        try:
            with (
                postgresql(folder, found) as store,
                mlflow_server(folder, store, options.port or _free_port()) as address,
            ):
                print(f"export MLFLOW_TRACKING_URI={address}", flush=True)
                signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()

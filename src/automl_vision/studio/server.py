"""Serves the studio: on loopback, and opens the browser."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_vision.core.errors import AutoMLVisionError

if TYPE_CHECKING:
    from automl_vision.workspace.workspace import Workspace

DEFAULT_PORT = 8787


class AddressTakenError(AutoMLVisionError):
    """Another program listens on the studio's port."""


def serve(
    workspaces: Sequence[Workspace],
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    root_path: str = "",
    data_roots: Sequence[Path] = (),
    max_upload_gb: float = 10.0,
    open_browser: bool = True,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the studio until it is interrupted.

    Args:
        workspaces: that it shows, at least one.
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        root_path: the path under which a reverse proxy shows the studio.
        data_roots: folders in which data may be, besides the user's, the current one and the workspaces'.
        max_upload_gb: most that can be uploaded at once.
        open_browser: open the studio in the browser once it answers.
        announce: called with the studio's address.

    Raises:
        AddressTakenError: another program listens on the port.
    """
    import uvicorn

    from automl_vision.studio.app import create_app

    with _listening(host, port) as listener:
        address = f"http://{_shown(host)}:{listener.getsockname()[1]}{root_path}/"
        config = uvicorn.Config(
            create_app(workspaces, root_path=root_path, data_roots=data_roots, max_upload_gb=max_upload_gb),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,  # live views never end by themselves
        )
        announce(address)
        if open_browser:
            threading.Timer(0.5, webbrowser.open, [address]).start()
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressTakenError(
            f"the studio cannot listen on {host}:{port} ({error.strerror}); choose another port with --port"
        ) from error
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host

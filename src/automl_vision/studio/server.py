"""Serves the studio: on loopback unless told otherwise, and opens the browser."""

from __future__ import annotations

import gc
import secrets
import threading
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_vision.studio.access import Access
from automl_vision.web.listening import address_of, is_loopback, listening_socket

if TYPE_CHECKING:
    from automl_vision.studio.places import NewData
    from automl_vision.workspace.workspace import Workspace

DEFAULT_PORT = 8787


@dataclass(frozen=True)
class Address:
    """Where the studio is served.

    Attributes:
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        root_path: the path under which a reverse proxy shows the studio, such as "/studio".
        hosts: further names under which a proxy shows it.
        certificate, key: PEM files for HTTPS; without them HTTP is spoken.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    root_path: str = ""
    hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None


def serve(
    workspaces: Sequence[Workspace],
    address: Address = Address(),
    *,
    new_data: NewData | None = None,
    token: str | None = None,
    open_browser: bool = True,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the studio until it is interrupted.

    Args:
        workspaces: that it shows, at least one.
        address: where; on any other than loopback the studio wants a token.
        new_data: where it may come from.
        token: that callers need; where one is needed and none is given, a new one is made and announced.
        open_browser: open the studio in the browser once it answers.
        announce: called with what the user should read: the address, the token, and a warning where HTTP is spoken to
            other machines.

    Raises:
        AddressTakenError: another program listens on the port.
        TokenError: the token is too short.
    """
    gc.disable()  # what imports make stays, and looking through it again and again took a tenth of the start
    import uvicorn

    from automl_vision.studio.app import create_app
    from automl_vision.studio.memory import keep_small

    gc.enable()
    gc.freeze()
    keep_small()

    is_local = is_loopback(address.host)
    made = secrets.token_urlsafe(24) if token is None and not is_local else None
    access = Access(token or made, address.hosts)
    with listening_socket(address.host, address.port) as listener:
        here = address_of(listener, address.host, is_encrypted=address.certificate is not None)
        url = f"{here}{address.root_path}/"
        config = uvicorn.Config(
            create_app(workspaces, access=access, root_path=address.root_path, new_data=new_data),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,  # live views never end by themselves
            ssl_certfile=address.certificate,
            ssl_keyfile=address.key,
        )
        announce(f"studio  {url}  (Ctrl-C ends it)")
        if made is not None:
            announce(f"token   {made}")
        if not is_local and address.certificate is None:
            announce(
                "warning: tokens and images travel unencrypted; give --certificate and --key, or use an SSH tunnel"
            )
        if open_browser:
            threading.Timer(0.5, webbrowser.open, [url]).start()
        uvicorn.Server(config).run(sockets=[listener])

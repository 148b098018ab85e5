"""The command that serves the studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_TOKEN_VARIABLE = "AUTOML_VISION_STUDIO_TOKEN"


def studio(  # noqa: PLR0913, PLR0917 - each is an option
    workspace: Annotated[
        list[Path] | None,
        typer.Option("--workspace", "-w", help="Folder of a workspace; may be given several times."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than loopback, a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8787,
    root_path: Annotated[str, typer.Option(help="Path under which a reverse proxy shows the studio.")] = "",
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name under which a proxy shows it; may be given several times.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar=_TOKEN_VARIABLE, show_envvar=True, help="Token that callers need.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(exists=True, help="PEM file of the certificate, for HTTPS.")
    ] = None,
    key: Annotated[Path | None, typer.Option(exists=True, help="PEM file of the certificate's key.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the studio in the browser.")] = True,
) -> None:
    """Show runs, data and models in the browser."""
    from automl_vision.studio.server import Address, serve
    from automl_vision.workspace.workspace import Workspace

    spaces = [Workspace(path) for path in workspace] if workspace else [Workspace()]
    address = Address(host, port, root_path.rstrip("/"), tuple(allow_host or ()), certificate, key)
    serve(spaces, address, token=token, open_browser=browser, announce=typer.echo)

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
    data_root: Annotated[
        list[Path] | None, typer.Option(help="A further folder in which data may be; may be given several times.")
    ] = None,
    max_upload_gb: Annotated[float, typer.Option(min=0.01, help="Most that can be uploaded at once.")] = 10.0,
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
    from automl_vision.studio.places import NewData
    from automl_vision.studio.server import Address, serve
    from automl_vision.workspace.workspace import Workspace

    spaces = [Workspace(path) for path in workspace] if workspace else [Workspace()]
    address = Address(host, port, root_path.rstrip("/"), tuple(allow_host or ()), certificate, key)
    data = NewData(tuple(data_root or ()), max_upload_gb)
    serve(spaces, address, new_data=data, token=token, open_browser=browser, announce=typer.echo)

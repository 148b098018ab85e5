"""The command that serves the studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def studio(
    workspace: Annotated[
        list[Path] | None,
        typer.Option("--workspace", "-w", help="Folder of a workspace; may be given several times."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8787,
    root_path: Annotated[str, typer.Option(help="Path under which a reverse proxy shows the studio.")] = "",
    data_root: Annotated[
        list[Path] | None, typer.Option(help="A further folder in which data may be; may be given several times.")
    ] = None,
    max_upload_gb: Annotated[float, typer.Option(min=0.01, help="Most that can be uploaded at once.")] = 10.0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the studio in the browser.")] = True,
) -> None:
    """Show runs, data and models in the browser, on this machine alone."""
    from automl_vision.studio.server import serve
    from automl_vision.workspace.workspace import Workspace

    spaces = [Workspace(path) for path in workspace] if workspace else [Workspace()]
    serve(
        spaces,
        host=host,
        port=port,
        root_path=root_path,
        data_roots=data_root or [],
        max_upload_gb=max_upload_gb,
        open_browser=browser,
        announce=lambda address: typer.echo(f"studio  {address}  (Ctrl-C ends it)"),
    )

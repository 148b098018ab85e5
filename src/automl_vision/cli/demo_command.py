"""The command that shows the main job on real images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl_vision.cli.options import WorkspaceOption, open_workspace


def demo(
    data: Annotated[
        Path | None, typer.Option(exists=True, help="Labelled images; by default photos of textiles, from PyPI.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Time for the whole run.")] = 4.0,
    picture: Annotated[Path, typer.Option(help="File that the predictions are drawn into.")] = Path(
        "demo-predictions.png"
    ),
    workspace: WorkspaceOption = None,
) -> None:
    """Train on real photos within minutes, and show what the model says of photos that it has not seen."""
    from automl_vision.cli.tables import print_table
    from automl_vision.experiment.demo import run_demo

    space = open_workspace(workspace)
    done = run_demo(space, data, minutes=minutes, picture=picture, say=typer.echo)
    board = done.run.leaderboard()
    typer.echo()
    print_table(board.columns(), board.cells())
    typer.echo("\nPredictions on images that the model was not trained on:")
    for each in done.predictions:
        mark = {True: "right", False: "wrong", None: ""}[each.is_right]
        typer.echo(f"  {each.image}: {each.said}, labelled {each.truth}  {mark}")
    typer.echo(f"\npicture  {done.picture.resolve()}")
    typer.echo(f"model    {done.run.model_path}")
    typer.echo(f"predict  automl-vision predict {done.run.model_path} IMAGES...")
    typer.echo(f"details  automl-vision leaderboard {done.run.id} -w {space.path}")
    typer.echo(f"studio   automl-vision studio -w {space.path}   # then http://127.0.0.1:8787/runs/{done.run.id}")

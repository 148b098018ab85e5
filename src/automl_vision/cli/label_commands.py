"""The commands under `automl-vision label`: what to label next."""

from __future__ import annotations

import typer

from automl_vision.cli.label_next_command import add_queues


def add_labeling(app: typer.Typer) -> None:
    """Add the commands under `label`."""
    group = typer.Typer(help="Choose what to label next.", no_args_is_help=True)
    add_queues(group)
    app.add_typer(group, name="label")

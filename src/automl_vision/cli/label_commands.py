"""The commands under `automl-vision label`: projects of Label Studio, and what to label next."""

from __future__ import annotations

from collections.abc import Callable

import typer

_COMMANDS: tuple[Callable[..., None], ...] = ()


def add_labeling(app: typer.Typer) -> None:
    """Add the commands under `label`."""
    group = typer.Typer(help="Label images in Label Studio, and choose what to label next.", no_args_is_help=True)
    for command in _COMMANDS:
        group.command(command.__name__)(command)
    app.add_typer(group, name="label")

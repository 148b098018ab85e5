"""`automl-vision plan`: what different times would buy, before anything is trained."""

from __future__ import annotations

from typing import Annotated

import typer

from automl_vision.cli.options import (
    AllowOutsideOption,
    DataArgument,
    JsonOption,
    ReadOption,
    WorkspaceOption,
    open_dataset,
    open_workspace,
    reading,
)
from automl_vision.cli.several_values import several_values

_MINUTES = (1.0, 5.0, 20.0, 120.0)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


SeveralMinutes = several_values("--minutes", _is_number)
"""The data may stand after the times."""


def plan(
    path: DataArgument,
    *,
    minutes: Annotated[
        list[float] | None, typer.Option(min=0.1, help="Times to compare, such as --minutes 1 5 20 120, the default.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="The task; default: as the labels suggest.")] = None,
    read: ReadOption = None,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Tell what different times would buy: epochs, trials, and for classes the score to expect. Nothing is trained."""
    from automl_vision.cli.progress import progress_bar
    from automl_vision.experiment.budgets import forecast_budgets
    from automl_vision.experiment.experiment import Experiment
    from automl_vision.experiment.job_file import DEFAULT_EXPERIMENT

    dataset = open_dataset(path, workspace, task=task, **reading(read, allow_outside=allow_outside))
    experiment = Experiment(open_workspace(workspace), DEFAULT_EXPERIMENT)
    with progress_bar("images") as progress:
        found = forecast_budgets(experiment, dataset, minutes or _MINUTES, progress=progress)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    for budget in found.budgets:
        typer.echo(budget.sentence)
    for reason in found.basis:
        typer.echo(f"  {reason}")

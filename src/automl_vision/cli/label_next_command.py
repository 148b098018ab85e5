"""The commands that choose images: those to label next, and those whose labels are probably wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_vision.cli.options import (
    DATA_HELP,
    DataArgument,
    JsonOption,
    WorkspaceOption,
    open_dataset,
    open_model,
    open_workspace,
)

if TYPE_CHECKING:
    from automl_vision.labeling.queue import LabelingQueue

_SHOWN = 10  # images, in the terminal

CountOption = Annotated[int, typer.Option(min=1, help="How many images, at most.")]
OutOption = Annotated[
    Path | None, typer.Option(metavar="QUEUE.parquet", help="Write the queue: image, rank, reason, group, score, tile.")
]
ModelOption = Annotated[str | None, typer.Option(help="A model folder, or NAME:VERSION or NAME@ALIAS.")]


def next_(
    data: Annotated[
        str, typer.Argument(help="Images without labels, and perhaps some with: folder, list, archive or URL.")
    ],
    *,
    model: ModelOption = None,
    labelled: Annotated[str | None, typer.Option(help=f"What is labelled already. {DATA_HELP}")] = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="All images wait for a label, whatever their folders are called.")
    ] = False,
    count: CountOption = 100,
    out: OutOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Choose the images to label next, each with the reason; with a model, labels, or neither."""
    from automl_vision.cli.progress import progress_bar
    from automl_vision.labeling.next_images import label_next

    location = open_workspace(workspace).datasets.resolve(data)
    with progress_bar("images") as progress:
        queue = label_next(
            location,
            model=None if model is None else open_model(model, workspace),
            labelled=None if labelled is None else open_dataset(labelled, workspace, max_bad_share=1.0),
            unlabelled=unlabelled,
            count=count,
            progress=progress,
        )
    _finish(queue, out, as_json=as_json)


def again(
    data: DataArgument,
    *,
    model: ModelOption = None,
    count: CountOption = 100,
    out: OutOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Choose labelled images whose labels are probably wrong; boxes are judged by a model."""
    from automl_vision.cli.progress import progress_bar
    from automl_vision.experiment.fixes import reviews_of
    from automl_vision.labeling.suspects import label_again

    dataset = open_dataset(data, workspace, max_bad_share=1.0)
    with progress_bar("images") as progress:
        queue = label_again(
            dataset,
            model=None if model is None else open_model(model, workspace),
            reviews=reviews_of(open_workspace(workspace), dataset),
            count=count,
            progress=progress,
        )
    _finish(queue, out, as_json=as_json)


def _finish(queue: LabelingQueue, out: Path | None, *, as_json: bool) -> None:
    from automl_vision.cli.tables import print_table
    from automl_vision.core.numbers import json_text
    from automl_vision.core.text import visible

    if out is not None:
        queue.save(out)
    if as_json:
        rows: list[dict[str, Any]] = queue.to_table().to_pylist()
        typer.echo(json_text({"task": queue.task, "images": rows, "notes": list(queue.notes)}, indent=2))
        return
    for note in queue.notes[:_SHOWN]:
        typer.echo(visible(note), err=True)
    rows_shown = [
        [str(i), visible(each.image), each.group, each.reason] for i, each in enumerate(queue.images[:_SHOWN])
    ]
    print_table(["rank", "image", "group", "reason"], rows_shown)
    more = f"; shown are the first {_SHOWN}" if len(queue) > _SHOWN else ""
    groups = ", ".join(f"{count} {group}" for group, count in queue.groups.items()) or "none"
    typer.echo(f"{len(queue)} images: {groups}{more}")
    if out is not None:
        typer.echo(f"written  {out}")


def add_queues(group: typer.Typer) -> None:
    """Add these commands to the group `label`."""
    group.command("next")(next_)
    group.command("again")(again)

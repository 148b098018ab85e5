"""The command that predicts any number of images into one file, or into a version of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_vision.cli.options import (
    AllowOutsideOption,
    JsonOption,
    ModelFolderArgument,
    PrecisionOption,
    RuntimeOption,
    Unreadable,
    UnreadableOption,
    WorkspaceOption,
    open_model,
    open_workspace,
)

if TYPE_CHECKING:
    from automl_vision.data.image_list import ImageList
    from automl_vision.deployment.batch import ScoreReport

DATASET = "dataset"
_SHOWN_NOTES = 3


def score(  # noqa: PLR0913 - each one is an option of the command
    model: ModelFolderArgument,
    data: Annotated[
        str,
        typer.Argument(help="Folder, image, list, annotation file, archive, URL, or NAME:VERSION; labelled or not."),
    ],
    *,
    out: Annotated[str, typer.Option(help="The file to write; for --format dataset the dataset's name.")],
    format: Annotated[
        str | None, typer.Option(help="parquet, jsonl, csv, coco or dataset; by default as the suffix says.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start again, and overwrite what is there.")] = False,
    all_images: Annotated[
        bool, typer.Option("--all-images", help="Score every image, not only those that annotations name.")
    ] = False,
    split: Annotated[
        str | None,
        typer.Option(help="Of labelled data, what metrics are shown of; the test images by default, if any, or all."),
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="For --format dataset: drop labels that are less certain.")
    ] = 0.0,
    compute: Annotated[
        str | None, typer.Option(help="Where to work, such as ray or ray://HOST:PORT; here by default.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Cores to use, or cores per job; 0 uses all.")] = 0,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    on_unreadable: UnreadableOption = Unreadable.SKIP,
    allow_outside: AllowOutsideOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict any number of images into a file; after a crash the same command goes on where it was."""
    from automl_vision.cli.progress import progress_bar
    from automl_vision.core.numbers import json_text
    from automl_vision.deployment.batch import score as score_images
    from automl_vision.formats.listing import list_images

    folder = open_model(model, workspace)
    location = open_workspace(workspace).datasets.resolve(data)
    images = list_images(location, labels=not all_images, allow_outside=allow_outside)
    _show_notes(images)
    path = open_workspace(workspace).path / "scoring" / f"{out}.parquet" if format == DATASET else Path(out)
    with progress_bar("images") as progress:
        report = score_images(
            folder,
            images,
            path,
            format="parquet" if format == DATASET else format,
            resume=not restart,
            compute=compute,
            threads=threads,
            runtime=runtime,
            precision=precision,
            unreadable=on_unreadable.value,
            keep_outputs=images.labelled,
            progress=progress,
        )
    facts: dict[str, Any] = {
        "path": str(report.path), "images": report.images, "unreadable": report.unreadable,
        "resumed": report.resumed, "seconds": report.seconds,
    }  # fmt: skip
    if format == DATASET:
        facts["dataset"] = _register(folder, images, path, out, min_confidence, workspace)
    if images.labelled:
        from automl_vision.experiment.model_evaluation import scored_metrics

        facts["metrics"] = scored_metrics(report, location, split=split)
    if as_json:
        typer.echo(json_text(facts, indent=2))
    else:
        _show(report, facts)
    if report.unreadable:
        raise typer.Exit(2)


def _show_notes(images: ImageList) -> None:
    """Say on standard error what was left aside."""
    for note in images.notes[:_SHOWN_NOTES]:
        typer.echo(note, err=True)
    if len(images.notes) > _SHOWN_NOTES:
        typer.echo(f"and {len(images.notes) - _SHOWN_NOTES:,} more such notes", err=True)


def _register(
    model: Path, images: ImageList, scored: Path, name: str, min_confidence: float, workspace: Path | None
) -> str:
    """Register the predictions as a version; returns its name and number."""
    from automl_vision.cli.progress import progress_bar
    from automl_vision.deployment.prelabels import predicted_dataset, register_predictions
    from automl_vision.serving.model_folder import ModelDescription

    with progress_bar("reading images") as progress:
        description = ModelDescription.load(model)
        dataset = predicted_dataset(scored, images, description, min_confidence=min_confidence, progress=progress)
    typer.echo(f"{dataset!r}", err=True)
    about = f"predicted by {description.model_name} in {model.resolve()}"
    return register_predictions(dataset, open_workspace(workspace).datasets, name, description=about).id


def _show(report: ScoreReport, facts: dict[str, Any]) -> None:
    from automl_vision.cli.tables import print_table
    from automl_vision.evaluation.intervals import Interval

    metrics = facts.get("metrics", {})
    if values := metrics.get("values"):
        cells = [[name, Interval(**value).text(4)] for name, value in values.items()]
        print_table(["metric", f"{metrics['split']} images"], cells)
    if reason := metrics.get("reason"):
        typer.echo(f"no metrics: {reason.splitlines()[0]}")
    for sentence in report.sentences:
        typer.echo(sentence)
    if "dataset" in facts:
        typer.echo(f"registered as {facts['dataset']}")

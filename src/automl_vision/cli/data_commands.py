"""The commands under `automl-vision data`: check, show, convert and compare datasets, and keep their versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from automl_vision.cli.options import (
    AllowOutsideOption,
    DataArgument,
    ExifOption,
    JsonOption,
    ReadOption,
    ValueRangeOption,
    WorkspaceOption,
    open_dataset,
    open_workspace,
    reading,
)
from automl_vision.cli.tables import moment, print_table
from automl_vision.data.defaults import MAX_BAD_SHARE, SPLIT_RATIO

BadShareOption = Annotated[
    float, typer.Option(min=0, max=1, help="Maximum fraction of images, and of objects, that may be unusable.")
]

_PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_LISTED = 50  # records that were left out, in the terminal


def check(  # noqa: PLR0913 - each one is an option of the command
    path: DataArgument,
    *,
    task: Annotated[str | None, typer.Option(help="The task; default: as the labels suggest.")] = None,
    format_: Annotated[str | None, typer.Option("--format", help="The format; default: detected.")] = None,
    max_bad_share: BadShareOption = MAX_BAD_SHARE,
    exif: ExifOption = "auto",
    value_range: ValueRangeOption = "auto",
    report: Annotated[Path | None, typer.Option(help="Write the findings, with pictures, to an HTML file.")] = None,
    features: Annotated[bool, typer.Option(help="Find outliers and wrong labels by a network's features.")] = True,
    apply_to: Annotated[
        Path | None,
        typer.Option(metavar="FILE.parquet", help="Apply the proposals and write the next version of the dataset."),
    ] = None,
    notes: Annotated[
        bool, typer.Option("--notes", help="List all notes of the import, not the first of a kind.")
    ] = False,
    read: ReadOption = None,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Check every image and annotation: what cannot be used, what is odd, and what to do about it."""
    from automl_vision.core.errors import DataError
    from automl_vision.data.usability import require_usable
    from automl_vision.doctor.actions import UNREADABLE

    if apply_to is not None and apply_to.suffix != ".parquet":
        raise DataError(f"--apply-to writes a manifest, a file that ends in .parquet, not {apply_to}")
    # the worst data need the report most
    settings = reading(read, allow_outside=allow_outside)
    dataset = open_dataset(
        path, workspace, task=task, format=format_, max_bad_share=1.0, exif=exif, value_range=value_range, **settings
    )
    found = dataset.check(features=features)
    if report is not None:
        with _writing(report):
            found.save_html(report)
    readable = dataset.apply(
        found, {f.check: "exclude" for f in found.findings if f.check in UNREADABLE and f.rows.size}
    )
    if as_json:
        typer.echo(json.dumps({**readable.summary(), "report": found.to_json()}, indent=2, ensure_ascii=False))
    else:
        _print_summary(readable, all_notes=notes)
        typer.echo("\n".join(["", *found.lines()]))
    require_usable(readable, max_bad_share=max_bad_share)
    if apply_to is not None:
        cured = dataset.apply(found)
        require_usable(cured, max_bad_share=max_bad_share)
        with _writing(apply_to):
            cured.save(apply_to)


def advise(
    path: DataArgument,
    read: ReadOption = None,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Advise which input size and tiles suit the objects of a dataset, and what they cost."""
    from automl_vision.recipes.advisor import advise as advice_on

    advice = advice_on(open_dataset(path, workspace, **reading(read, allow_outside=allow_outside)))
    if as_json:
        typer.echo(json.dumps(vars(advice), indent=2))
        return
    for sentence in advice.sentences:
        typer.echo(sentence)


def show(  # noqa: PLR0913 - each one is an option of the command
    path: DataArgument,
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .jpg or .webp.")] = Path("data.png"),
    *,
    n: Annotated[int, typer.Option("-n", min=1, max=400, help="Maximum number of images.")] = 12,
    split: Annotated[str | None, typer.Option(help="Only images of this split.")] = None,
    label: Annotated[str | None, typer.Option(help="Only images with this class.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed shows other images.")] = 0,
    exif: ExifOption = "auto",
    value_range: ValueRangeOption = "auto",
    read: ReadOption = None,
    allow_outside: AllowOutsideOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Draw some images with their labels, boxes and masks."""
    from automl_vision.core.errors import DataError
    from automl_vision.core.files import atomic_path

    format_ = _PICTURES.get(out.suffix.lower())
    if format_ is None:
        raise DataError(f"--out writes a picture that ends in {', '.join(_PICTURES)}, not {out}")
    dataset = open_dataset(
        path, workspace, exif=exif, value_range=value_range, **reading(read, allow_outside=allow_outside)
    )
    picture = dataset.show(n, split=split, label=label, seed=seed)
    with _writing(out), atomic_path(out) as temporary:
        picture.save(temporary, format_)
    typer.echo(f"written  {out}")


def register(  # noqa: PLR0913, PLR0917 - each one is an option of the command
    path: DataArgument,
    name: Annotated[str, typer.Argument(help="Letters, digits, -, _ and ., at most 60.")],
    description: Annotated[str, typer.Option(help="A note for people.")] = "",
    split_ratio: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Fraction of the images without a split that is held out.")
    ] = SPLIT_RATIO,
    exif: ExifOption = "auto",
    value_range: ValueRangeOption = "auto",
    read: ReadOption = None,
    allow_outside: AllowOutsideOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Register a dataset as the next version of a name; unchanged data keeps its version."""
    registry = open_workspace(workspace).datasets
    dataset = open_dataset(
        path, workspace, exif=exif, value_range=value_range, **reading(read, allow_outside=allow_outside)
    )
    version = registry.register(dataset, name, description=description, split_ratio=split_ratio)
    images = ", ".join(f"{count} {split}" for split, count in version.summary["images"].items())
    typer.echo(f"{version.id}  {images}  {version.fingerprint}")


def versions(
    name: Annotated[str | None, typer.Argument(help="Name of a registered dataset; default: all.")] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List registered datasets and their versions."""
    registry = open_workspace(workspace).datasets
    names = registry.names() if name is None else [registry.get(name).name]
    found = [version for one in names for version in registry.versions(one)]
    if as_json:
        typer.echo(json.dumps([vars(version) for version in found], indent=2, ensure_ascii=False))
        return
    rows = [
        [
            version.id,
            moment(version.created),
            ", ".join(f"{count} {split}" for split, count in version.summary["images"].items()),
            str(len(version.summary["classes"])),
            version.description,
        ]
        for version in found
    ]
    print_table(["version", "registered", "images", "classes", "description"], rows)


def compare(
    old: DataArgument,
    new: DataArgument,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show what was added, removed, relabelled and moved to another split between two datasets or versions."""
    before, after = (open_dataset(path, workspace, allow_outside=allow_outside) for path in (old, new))
    changes = after.changes_since(before)
    typer.echo(json.dumps(changes.to_json(), indent=2, ensure_ascii=False) if as_json else str(changes))


def what_if(
    old: DataArgument,
    new: DataArgument,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Tell what a change of a dataset would bring, by a linear probe with and without it; nothing is trained."""
    from automl_vision.experiment.what_if import what_if as compare_probes

    before, after = (open_dataset(path, workspace, allow_outside=allow_outside) for path in (old, new))
    found = compare_probes(before, after)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
        return
    typer.echo(found.sentence)
    typer.echo(f"{found.training[0]} and {found.training[1]} training images, {found.relabelled} with other labels")
    if found.changed is not None:
        old_labels, new_labels = found.changed.old_labels, found.changed.new_labels
        typer.echo(
            f"apart: {found.changed.images} validation images have other labels; {found.metric} by the old ones "
            f"{old_labels[0]:.3f} and {old_labels[1]:.3f}, by the new ones {new_labels[0]:.3f} and {new_labels[1]:.3f}"
        )


def plan(  # noqa: PLR0913 - each one is an option of the command
    path: DataArgument,
    *,
    model: Annotated[
        str | None, typer.Option(help="Train this algorithm a few times; default: a linear probe, which takes seconds.")
    ] = None,
    gain: Annotated[float, typer.Option(min=0.1, max=50, help="Points of the metric to gain.")] = 2.0,
    level: Annotated[float, typer.Option(min=0.5, max=0.99, help="How often an interval holds what comes out.")] = 0.8,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter of the trainings.")
    ] = None,
    read: ReadOption = None,
    allow_outside: AllowOutsideOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Tell how many more labels bring a gain, overall and for each class, with intervals."""
    import yaml

    from automl_vision.cli.progress import progress_bar
    from automl_vision.core.numbers import json_text

    dataset = open_dataset(path, workspace, **reading(read, allow_outside=allow_outside))
    settings = {name: yaml.safe_load(value) for name, _, value in (text.partition("=") for text in set_ or ())}
    with progress_bar("images" if model is None else "trainings") as progress:
        found = dataset.learning_curve(model=model, settings=settings, level=level, progress=progress)
    if as_json:
        typer.echo(json_text(found.to_json(gain / 100), indent=2))
        return
    typer.echo(f"measured on {found.images} validation images with {found.how}")
    for sentence in found.sentences(gain / 100):
        typer.echo(sentence)


def convert(  # noqa: PLR0913 - each one is an option of the command
    path: DataArgument,
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    *,
    format_: Annotated[
        str | None, typer.Option("--format", help="The format to write; default: csv for classes, coco for objects.")
    ] = None,
    images: Annotated[str, typer.Option(help="copy, link, or none: refer to the originals.")] = "copy",
    task: Annotated[str | None, typer.Option(help="The task; default: as the labels suggest.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="The format to read; default: detected.")] = None,
    max_bad_share: BadShareOption = MAX_BAD_SHARE,
    exif: ExifOption = "auto",
    value_range: ValueRangeOption = "auto",
    read: ReadOption = None,
    allow_outside: AllowOutsideOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a dataset in another format; what the format cannot hold is listed."""
    from automl_vision.cli.import_report import note_lines
    from automl_vision.formats.export import export_dataset, usual_format

    settings = reading(read, allow_outside=allow_outside)
    dataset = open_dataset(
        path,
        workspace,
        task=task,
        format=from_,
        max_bad_share=max_bad_share,
        exif=exif,
        value_range=value_range,
        **settings,
    )
    format_ = format_ or usual_format(dataset)
    report = export_dataset(dataset, out, format_, images=images)
    for problem in dataset.report.problems:
        typer.echo(f"left out  {problem.place}: {problem.reason}")
    for line in note_lines(dataset.report.notes):
        typer.echo(line)
    for note in report.notes:
        typer.echo(f"changed   {note.place}: {note.reason}")
    typer.echo(f"{report.total} images of {dataset.task} from {dataset.format} to {format_} in {out}")
    if images != "copy":
        typer.echo(f"its images lie elsewhere; open it with: automl-vision data check {out} --allow-outside")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise `DataError` when a file that the user named cannot be written."""
    from automl_vision.core.errors import DataError

    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror or error})") from None


def _print_summary(dataset: Any, *, all_notes: bool) -> None:
    """Print images per class and split, the first records that were left out, and what was noted."""
    from automl_vision.cli.import_report import note_lines, unvalidated_lines
    from automl_vision.core.text import visible

    summary, problems = dataset.summary(), dataset.report.problems
    typer.echo(f"{summary['task']}, format {summary['format']}, {dataset.report}")
    splits = list(summary["images"])
    rows = [["(images)", *[str(summary["images"][s]) for s in splits]]]
    rows += [[name, *[str(counts[s]) for s in splits]] for name, counts in summary["classes"].items()]
    print_table(["class", *splits], rows)
    for problem in problems[:_LISTED]:
        typer.echo(visible(f"left out  {problem.place}: {problem.reason}"))
    if len(problems) > _LISTED:
        typer.echo(f"left out  and {len(problems) - _LISTED:,} more, which --json lists")
    for line in (*note_lines(dataset.report.notes, all_places=all_notes), *unvalidated_lines(dataset)):
        typer.echo(line)


def add_data(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (check, show, advise, convert, register, versions, compare, what_if, plan):
        app.command()(command)

"""The commands under `automl-vision label`: projects of Label Studio, and what to label next."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_vision.cli.label_next_command import add_queues
from automl_vision.cli.options import DATA_HELP, JsonOption, WorkspaceOption, open_workspace
from automl_vision.cli.several_values import several_values

if TYPE_CHECKING:
    from automl_vision.labeling.project import LabelingProject
    from automl_vision.labeling.records import ProjectStatus, Pulled, Pushed

ENDPOINT_KEY = "AUTOML_VISION_ENDPOINT_KEY"
"""Names the key of an endpoint, which would be seen among the arguments of a process."""

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="Name of a labelling project.")]
_SHOWN = 10  # problems, in the terminal


def create(  # noqa: PLR0913 - each one is an option of the command
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="Name of the project to make.")],
    *,
    data: Annotated[
        str | None,
        typer.Option(help=f"Labelled images. {DATA_HELP} Other data than a version is registered as PROJECT."),
    ] = None,
    images: Annotated[str | None, typer.Option(help="Images without labels: folder, list, archive or URL.")] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="Without --data: what people choose from, as in --classes cat dog; the dataset is PROJECT."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Without --data: the task, such as image-classification.")] = None,
    only: Annotated[
        Path | None, typer.Option(metavar="QUEUE.parquet", help="Show these images in this order, not all.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Whose predictions people see: NAME:VERSION, NAME@ALIAS, or a model folder.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Address of Label Studio; default: LABEL_STUDIO_URL or http://127.0.0.1:8080.")
    ] = None,
    files: Annotated[
        Path | None,
        typer.Option(
            help="Folder below which Label Studio serves files, its LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT; default: "
            "the folder above the data."
        ),
    ] = None,
    people: Annotated[int, typer.Option(min=1, help="How many people label each image.")] = 1,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Make a project in Label Studio with a dataset's images and a model's predictions; again goes on after a crash.

    Where no image has a label yet, name --images, --classes and --task; the first pull registers the dataset.

    The token of a user of Label Studio is read from LABEL_STUDIO_API_KEY.
    """
    from automl_vision.cli.progress import progress_bar
    from automl_vision.labeling.project import LabelingProject

    with progress_bar("images") as progress:
        made, pushed = LabelingProject.create(
            project, data, images=images, classes=classes or (), task=task, only=only, model=model, files=files,
            server=server, people=people, workspace=open_workspace(workspace), progress=progress,
        )  # fmt: skip
    found = made.status()
    if as_json:
        typer.echo(json.dumps({"pushed": vars(pushed), "status": found.to_json()}, indent=2))
        return
    _print_pushed(pushed)
    _print_status(found)


def status(project: ProjectArgument, as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Tell how far people are with a project, and how far they agree."""
    found = _project(project, workspace).status()
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
        return
    _print_status(found)


def pull(project: ProjectArgument, as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Register the next version of the dataset, with the labels that people submitted; again gives the same version."""
    pulled = _project(project, workspace).pull()
    if as_json:
        typer.echo(json.dumps(pulled.to_json(), indent=2))
        return
    _print_pulled(pulled)


def connect(
    project: ProjectArgument,
    url: Annotated[str, typer.Argument(help="Of an endpoint that `automl-vision serve` serves.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Let Label Studio ask an endpoint for predictions while people label.

    The endpoint's key is read from AUTOML_VISION_ENDPOINT_KEY; its definition names Label Studio under labeling.
    """
    _project(project, workspace).connect_model(url, key=os.environ.get(ENDPOINT_KEY, ""))
    typer.echo(f"Label Studio asks {url} for predictions of {project}")


def sync(
    project: ProjectArgument,
    serve: Annotated[
        bool, typer.Option("--serve", help="Stay, and sync whenever Label Studio says that labels changed.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --serve: address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --serve: port; 0 takes a free one.")] = 8085,
    public_url: Annotated[
        str | None, typer.Option(help="With --serve: where Label Studio reaches this; default: host and port.")
    ] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Pull what people labelled, and send what the dataset has and Label Studio lacks."""
    found = _project(project, workspace)
    pulled, pushed = found.sync()
    if as_json:
        typer.echo(json.dumps({"pulled": pulled.to_json(), "pushed": vars(pushed)}, indent=2))
    else:
        _print_pulled(pulled)
        _print_pushed(pushed)
    if serve:
        from automl_vision.labeling.receiver import serve_receiver

        serve_receiver(found, host=host, port=port, public_url=public_url, announce=typer.echo)


def _project(name: str, workspace: Path | None) -> LabelingProject:
    from automl_vision.labeling.project import LabelingProject

    return LabelingProject(name, workspace=open_workspace(workspace))


def _print_pushed(pushed: Pushed) -> None:
    typer.echo(f"{pushed.tasks} images and {pushed.predictions} further predictions were sent")
    if pushed.renewed:
        typer.echo(f"{pushed.renewed} links were signed anew")
    _print_problems(pushed.problems, "cannot be shown")


def _print_status(found: ProjectStatus) -> None:
    typer.echo(f"{found.name}  {found.url}")
    typer.echo(
        f"{found.tasks} of {found.images} images are there; {found.submitted} submitted, {found.unpulled} unpulled"
    )
    if found.drafts or found.skipped:
        typer.echo(f"{found.drafts} only begun, {found.skipped} skipped: these change nothing")
    if found.foreign:
        typer.echo(f"{found.foreign} tasks were made by others; they are left alone")
    if found.agreement.sentence:
        typer.echo(f"{found.agreement.sentence}; {found.disputed} images are disputed")


def _print_pulled(pulled: Pulled) -> None:
    if pulled.version is None:
        from automl_vision.data.usability import MIN_IMAGES

        typer.echo(f"no version yet: the first one needs {MIN_IMAGES} images with submitted labels")
        _print_status(pulled.status)
        _print_problems(pulled.problems, "cannot be used")
        return
    what = "is new" if pulled.is_new else "has all labels already"
    typer.echo(f"{pulled.version} {what}: {pulled.changed} images with other labels, {pulled.added} new images")
    _print_status(pulled.status)
    _print_problems(pulled.problems, "cannot be used")


def _print_problems(problems: dict[str, str], what: str) -> None:
    for place, reason in list(problems.items())[:_SHOWN]:
        typer.echo(f"{what}  {place}: {reason}")
    if len(problems) > _SHOWN:
        typer.echo(f"{what}  and {len(problems) - _SHOWN:,} more, which --json lists")


_COMMANDS: tuple[Callable[..., None], ...] = (status, pull, sync, connect)


def add_labeling(app: typer.Typer) -> None:
    """Add the commands under `label`."""
    group = typer.Typer(help="Label images in Label Studio, and choose what to label next.", no_args_is_help=True)
    group.command(create.__name__, cls=several_values("--classes"))(create)
    for command in _COMMANDS:
        group.command(command.__name__)(command)
    add_queues(group)
    app.add_typer(group, name="label")

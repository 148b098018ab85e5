"""Options that commands share, and those of `train`, derived from the config's fields."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from automl_vision.core.tasks import TASKS

if TYPE_CHECKING:
    from automl_vision.data.dataset import Dataset
    from automl_vision.experiment.job_file import Job
    from automl_vision.experiment.run import Run
    from automl_vision.workspace.workspace import Workspace

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder of the workspace; default: AUTOML_VISION_WORKSPACE or .automl-vision.",
    ),
]
DATA_HELP = "Folder, annotation file, archive, URL, or NAME:VERSION."
DataArgument = Annotated[str, typer.Argument(help=DATA_HELP)]
ModelFolderArgument = Annotated[
    str, typer.Argument(help="A model folder, or a registered model as NAME:VERSION or NAME@ALIAS.")
]
ExifOption = Annotated[
    str,
    typer.Option(
        help="How photos with an EXIF rotation were annotated: annotated-raw before it, annotated-upright after it, "
        "auto as the annotations state."
    ),
]
ValueRangeOption = Annotated[
    str,
    typer.Option(
        metavar="LOW:HIGH",
        help="Values of black and white in images of more than 8 bits; file: what the files state; auto: those of the "
        "training images.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


AllowOutsideOption = Annotated[
    bool, typer.Option("--allow-outside", help="Follow links and paths that lead out of the data's folder.")
]
ReadOption = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="NAME=VALUE",
        help="How the data is read: image_column, label_column, split_column, group_column, encoding, or fields, the "
        'names of all columns of files without a header, as in fields="x1 y1 x2 y2 label"; may be repeated.',
    ),
]


class Unreadable(StrEnum):
    """What to do with images that cannot be read."""

    SKIP = "skip"
    ERROR = "error"


RuntimeOption = Annotated[
    str | None, typer.Option(help="onnx, openvino, cuda or tensorrt; by default the fastest that is proven.")
]
PrecisionOption = Annotated[
    str | None, typer.Option(help="fp32, bf16, fp16 or int8; by default what the model folder proves.")
]
UnreadableOption = Annotated[Unreadable, typer.Option(help="Go on without images that cannot be read, or stop.")]

_READING = ("image_column", "label_column", "split_column", "group_column", "fields", "encoding")
_WITHOUT_OPTION = ("arguments", "hyperparameter_sampling", "policy")  # given by --set, and in a job file


def open_workspace(path: Path | None) -> Workspace:
    """The workspace of a command."""
    from automl_vision.workspace.workspace import Workspace

    return Workspace(path)


def open_run(run_id: str, workspace: Path | None) -> Run:
    """The run of a command."""
    from automl_vision.experiment.run import Run

    return Run(open_workspace(workspace), run_id)


def with_config_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its parameter `settings` replaced by an option for each field of `AutoMLVisionConfig`.

    Loading the config takes a fifth of a second, so only `train` is decorated, and only when it is called.
    """
    from automl_vision.experiment.config import AutoMLVisionConfig

    fields = {name: f for name, f in AutoMLVisionConfig.model_fields.items() if name not in _WITHOUT_OPTION}
    declared = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]
    derived = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_option(name, field),
        )
        for name, field in fields.items()
    ]

    def wrapper(**values: Any) -> None:
        settings = {name: values.pop(name) for name in fields}
        command(**values, settings={name: value for name, value in settings.items() if value is not None})

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in declared] + derived
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    return wrapper


_TEXTS = {
    "task": "<task>",
    "primary_metric": "<metric>",
    "compute_target": "<target>",
    "model_name": "<name>",
    "exif": "<reading>",
    "value_range": "<low:high>",
}
_BOUNDS = {"ge": "at least {:,}", "gt": "above {:,}", "le": "at most {:,}", "lt": "below {:,}"}


def _option(name: str, field: Any) -> Any:
    """The type of a derived option: a number or a text; the config checks its range and values."""
    types = get_args(field.annotation) or (field.annotation,)
    if bool in types:
        flag = f"--{name.replace('_', '-')}"
        return Annotated[bool | None, typer.Option(flag, help=_help(name, field), rich_help_panel="Configuration")]
    number = next((each for each in (int, float) if each in types), None)
    metavar = f"<{number.__name__}>" if number else _TEXTS.get(name, "<path>")
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=_help(name, field),
        metavar=metavar,
        parser=_parser(number) if number else None,
        rich_help_panel="Configuration",
    )
    return Annotated[(number or str) | None, option]


def _parser(number: type[int | float]) -> Callable[[str], int | float]:
    def parse(text: str) -> int | float:
        try:
            return number(text)
        except ValueError:
            raise typer.BadParameter(f'"{text}" is not a {"whole " if number is int else ""}number') from None

    return parse


def _help(name: str, field: Any) -> str:
    """What a field means, with its values or range and its default."""
    limits = [(words, getattr(limit, bound, None)) for limit in field.metadata for bound, words in _BOUNDS.items()]
    notes = [words.format(value) for words, value in limits if value is not None]
    if name == "primary_metric":
        notes += dict.fromkeys(task.primary_metric for task in TASKS.values())
    if not field.is_required() and field.default is not None:
        notes.append(f"default: {field.default}")
    return f"{field.description} ({', '.join(notes)})" if notes else f"{field.description}"


def config_from(
    job: Path | None, experiment: str | None, options: dict[str, Any], settings: list[str], workspace: Path | None
) -> Job:
    """Experiment and config from a job file or from options.

    Without a task the data is opened to see which one its labels suggest, and the config holds it opened.

    Raises:
        ConfigError: both are given, or what is given breaks the config's rules.
        DataError: the data cannot be opened.
    """
    import yaml

    from automl_vision.core.errors import ConfigError
    from automl_vision.experiment.config import AutoMLVisionConfig
    from automl_vision.experiment.job_file import DEFAULT_EXPERIMENT, Job, read_job

    if job is not None:
        if options or settings:
            raise ConfigError(["give a job file or options, not both"], subject="The command")
        found = read_job(job)
        return found if experiment is None else found._replace(experiment=experiment)
    bad = [text for text in settings if "=" not in text]
    if bad:
        raise ConfigError([f'--set takes NAME=VALUE, not "{text}"' for text in bad], subject="The command")
    values: dict[str, Any] = dict(options)
    if "task" not in options and "training_data" in options:
        how = {name: options[name] for name in ("exif", "value_range", "allow_outside") if name in options}
        # submitting checks the share
        dataset = open_dataset(options["training_data"], workspace, max_bad_share=1.0, **how)
        values |= {"task": dataset.task, "training_data": dataset}
    values["arguments"] = {name: yaml.safe_load(value) for name, _, value in (text.partition("=") for text in settings)}
    return Job(experiment or DEFAULT_EXPERIMENT, AutoMLVisionConfig(**values))


def open_dataset(path: str, workspace: Path | None, **settings: Any) -> Dataset:
    """The dataset at a path, or a registered version by its name; see `Dataset.open`.

    Raises:
        DataError: it cannot be opened.
    """
    from automl_vision.data.dataset import Dataset

    return Dataset.open(_location(path, workspace), **settings)


def _location(path: str, workspace: Path | None) -> str:
    """The path itself where something is there, which needs no workspace; else what a registered name means."""
    is_path = "/" in path or os.path.exists(path)  # noqa: PTH110 - pathlib raises for a path that is too long
    return path if is_path else open_workspace(workspace).datasets.resolve(path)


def reading(read: list[str] | None, *, allow_outside: bool) -> dict[str, Any]:
    """How data is read, as arguments of `Dataset.open`.

    Raises:
        DataError: a text is not NAME=VALUE, or there is no such name.
    """
    from automl_vision.core.errors import DataError
    from automl_vision.core.text import did_you_mean

    settings: dict[str, Any] = {"allow_outside": allow_outside}
    for text in read or ():
        name, _, value = text.partition("=")
        if name not in _READING or not value:
            known = ", ".join(_READING)
            raise DataError(f'--read takes NAME=VALUE, not "{text}".{did_you_mean(name, _READING)} Names: {known}')
        settings[name] = value
    return settings


def open_model(model: str, workspace: Path | None) -> Path:
    """The model folder at a path, or of a registered version as in `clothing:2` or `clothing@champion`.

    Raises:
        ModelNotFoundError: the path does not exist and has the form of an address, which does not exist either.
    """
    from automl_vision.workspace.model_version import is_model_address

    if Path(model).exists() or not is_model_address(model):
        return Path(model)
    return open_workspace(workspace).models.resolve(model)

"""A job while it is written: its mistakes by field, the ranges of its search space, its texts, and its plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from automl_vision.core.errors import AutoMLVisionError, ConfigError, Problem, RunFailedError, RunNotFoundError
from automl_vision.core.records import Record
from automl_vision.core.tasks import normalize_task
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.experiment.experiment import Experiment
from automl_vision.experiment.job_file import DEFAULT_EXPERIMENT
from automl_vision.experiment.job_texts import job_command, job_python, job_yaml
from automl_vision.experiment.start import start_of
from automl_vision.recipes.catalog import own_models
from automl_vision.runs.plan import Plan
from automl_vision.search.describe import range_text
from automl_vision.search.distributions import DISTRIBUTIONS
from automl_vision.search.space import Path as SpacePath
from automl_vision.workspace.workspace import Workspace


class JobProblem(Record):
    """A mistake in a job."""

    path: tuple[str | int, ...] = Field(description="keys and indices that lead to the value; empty for the whole")
    sentence: str = Field(description="the rule, what came, and the way out")


class SpaceRange(Record):
    """What a distribution of the search space means."""

    path: tuple[str | int, ...] = Field(description="keys and indices from the space on")
    text: str = Field(description="the range of its values", examples=["0.0001 to 0.01 on a logarithmic scale"])


class JobTexts(Record):
    """A job as others can use it."""

    yaml: str
    python: str
    command: str


class JobCheck(Record):
    """What can be said of a job before it is started."""

    problems: list[JobProblem] = Field(description="all mistakes; empty if the job can be started")
    ranges: list[SpaceRange]
    mode: str = Field(description='"one trial", "sweep" or "AutoMode"; empty while there are mistakes')
    texts: JobTexts | None = Field(description="null while there are mistakes")
    plan: Plan | None = Field(description="null while there are mistakes, or the images are not counted")
    algorithm: str = Field(description="the first one that is tried; empty while there are mistakes")


def parse_job(values: Mapping[str, Any]) -> tuple[str, AutoMLVisionConfig]:
    """Experiment name and config of a job's values.

    Raises:
        ConfigError: they break the config's rules; all mistakes.
    """
    given = dict(values)
    return str(given.pop("experiment", DEFAULT_EXPERIMENT)), AutoMLVisionConfig(**given)


def check_job(values: Mapping[str, Any], workspace: Workspace, *, images: int | None = None) -> JobCheck:
    """Everything that can be said of a job's values, which may have mistakes.

    Args:
        values: as a job file holds them.
        workspace: where it would run.
        images: of its data; without them there is no plan.
    """
    problems: list[Problem] = []
    try:
        experiment = Experiment(workspace, str(values.get("experiment", DEFAULT_EXPERIMENT)))
    except ConfigError as error:
        problems += [Problem(("experiment",), problem.sentence) for problem in error.problems]
    try:
        name, config = parse_job(values)
        if not problems:
            return _described(name, config, experiment, images, _ranges(values))
    except ConfigError as error:
        problems += error.problems
    return _faulty(problems, _ranges(values))


def _faulty(problems: Sequence[Problem], ranges: list[SpaceRange]) -> JobCheck:
    found = [JobProblem(path=problem.path, sentence=problem.sentence) for problem in problems]
    return JobCheck(problems=found, ranges=ranges, mode="", texts=None, plan=None, algorithm="")


def _described(
    name: str, config: AutoMLVisionConfig, experiment: Experiment, images: int | None, ranges: list[SpaceRange]
) -> JobCheck:
    path = experiment.workspace.path
    texts = JobTexts(
        yaml=job_yaml(config, name),
        python=job_python(config, name, workspace=path),
        command=job_command(config, name, workspace=path),
    )
    try:
        plan = None if images is None else experiment.plan(config, images=images)
    except (RunNotFoundError, RunFailedError) as error:
        return _faulty([Problem(("arguments", "checkpoint_run_id"), str(error))], ranges)
    mode = "AutoMode" if config.automode else "one trial" if config.hyperparameter_sampling is None else "sweep"
    return JobCheck(problems=[], ranges=ranges, mode=mode, texts=texts, plan=plan, algorithm=start_of(config).model)


def _ranges(values: Mapping[str, Any]) -> list[SpaceRange]:
    sampling = values.get("hyperparameter_sampling", values.get("sampling"))
    space = sampling.get("space") if isinstance(sampling, Mapping) else None
    return [SpaceRange(path=path, text=text) for path, text in _space_ranges(space, ())]


def _space_ranges(space: Any, path: SpacePath) -> Iterator[tuple[SpacePath, str]]:
    """The ranges of the distributions that are right, others are left out."""
    if isinstance(space, Sequence) and not isinstance(space, str):
        for i, alternative in enumerate(space):
            yield from _space_ranges(alternative, (*path, i))
    for name, entry in space.items() if isinstance(space, Mapping) else ():
        if isinstance(entry, Mapping):
            options = entry.get("values", ())
            if isinstance(options, Sequence) and any(isinstance(option, Mapping) for option in options):
                yield from _space_ranges(options, (*path, str(name), "values"))
            try:
                yield (*path, str(name)), range_text(DISTRIBUTIONS.parse(entry))
            except AutoMLVisionError:
                continue


def needs_timm(values: Mapping[str, Any]) -> bool:
    """Whether a job names an algorithm that is looked up in timm, which loads torch."""
    try:
        task = normalize_task(str(values.get("task")))
    except ValueError:
        return False
    known = set(own_models(task))
    return any(name not in known for name in _named(values))


def _named(value: Any) -> Iterator[str]:
    """Whatever stands under `model_name`, at any depth."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name == "model_name":
                options = part.get("values") if isinstance(part, Mapping) else [part]
                yield from (str(option) for option in (options if isinstance(options, list) else []) if option)
            else:
                yield from _named(part)
    elif isinstance(value, list):
        for part in value:
            yield from _named(part)


def check_job_here(values: dict[str, Any], workspace: str, images: int | None) -> dict[str, Any]:
    """`check_job` with and from JSON values, for another process."""
    return check_job(values, Workspace(workspace), images=images).model_dump(mode="json")


def submit_job(values: dict[str, Any], workspace: str, *, queue: bool = True) -> str:
    """Start the run of a job's values; returns its id.

    Raises:
        ConfigError: the job has mistakes.
        DataError: its data cannot be used.
        ComputeError: its compute target is not available.
    """
    name, config = parse_job(values)
    return Experiment(Workspace(Path(workspace)), name).submit(config, queue=queue).id

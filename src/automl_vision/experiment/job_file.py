"""A job as YAML: the config's fields with an experiment's name; mistakes are reported with their lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from automl_vision.core.errors import ConfigError
from automl_vision.core.validation import names_of
from automl_vision.data.dataset import Dataset
from automl_vision.experiment.azure_job import is_azure_job, translate
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.experiment.yaml_lines import read_mapping, read_settings, with_line
from automl_vision.recipes.catalog import families
from automl_vision.storage.azure_paths import asset_name, local_copy
from automl_vision.storage.urls import is_url

DEFAULT_EXPERIMENT = "default"


class Job(NamedTuple):
    """What a job file says.

    Attributes:
        experiment: its name.
        config: of the run.
        notes: what of a job of Azure's has no meaning here, and what happens instead.
    """

    experiment: str
    config: AutoMLVisionConfig
    notes: tuple[str, ...] = ()


def read_job(path: str | Path) -> Job:
    """The experiment and the config of a job file: ours, or an image job of Azure Machine Learning's version 2.

    Relative data paths are taken from the file's folder.

    Raises:
        ConfigError: the file cannot be read, or breaks the config's rules; each mistake with its line.
        DataError: data that a job of Azure's names has no copy here.
    """
    path = Path(path)
    subject = f"The job {path}"
    folder = path.parent.resolve()
    values, root = read_mapping(read_settings(path, subject), subject)
    names = names_of(AutoMLVisionConfig)
    if is_azure_job(values):
        try:
            return job_of_azure(values, folder, subject=subject)
        except ConfigError as error:
            problems = [with_line(problem, root, names) for problem in error.problems]
            raise ConfigError(problems, subject=error.subject) from None
    experiment, values = _ours(values, folder)
    try:
        return Job(experiment, AutoMLVisionConfig(**values))
    except ConfigError as error:
        raise ConfigError([with_line(problem, root, names) for problem in error.problems], subject=subject) from None


def read_job_values(text: str, folder: Path) -> dict[str, Any]:
    """The values of a job file's text, which need not keep the config's rules.

    Args:
        text: of the file.
        folder: that relative data paths are taken from.

    Raises:
        ConfigError: the text is not valid YAML, or not a mapping.
    """
    experiment, values = _ours(read_mapping(text, "The job")[0], folder)
    return {"experiment": experiment, **values}


def job_of_azure(values: Mapping[str, Any], folder: Path, *, subject: str = "The job") -> Job:
    """A job of Azure's in our words.

    Args:
        values: of its file; data may be opened datasets.
        folder: that relative data paths are taken from, and that copies of data in stores are looked for in.
        subject: what mistakes are said of.

    Raises:
        ConfigError: the job cannot be read, or breaks the config's rules.
        DataError: data that it names has no copy here.
    """
    found = translate(values, subject=subject)
    given, notes = dict(found.values), list(found.notes)
    for name in ("training_data", "validation_data"):
        if not isinstance(given.get(name), str):
            continue
        text = str(given[name])
        asset = asset_name(text)
        given[name] = asset if asset is not None else data_beside(local_copy(text, folder), folder)
        if asset is not None:
            notes.append(f"{name}: {text} is looked for among the data sets that are registered here")
        elif found.label_column is not None:
            given[name] = Dataset.open(given[name], task=given["task"], label_column=found.label_column)
    try:
        config = AutoMLVisionConfig(**given)
    except ConfigError as error:
        raise ConfigError(error.problems, subject=f"{subject}, in our words,") from None
    return Job(found.experiment or DEFAULT_EXPERIMENT, config, tuple(notes))


def _ours(values: dict[str, Any], folder: Path) -> tuple[str, dict[str, Any]]:
    """Experiment name and values, with whole paths of data."""
    experiment = str(values.pop("experiment", DEFAULT_EXPERIMENT))
    for name in ("training_data", "validation_data"):
        if isinstance(values.get(name), str):
            values[name] = data_beside(values[name], folder)
    return experiment, values


def data_beside(text: str, folder: Path) -> str:
    """Data that a file names: a path relative to the file, unless it is a URL or a registered dataset."""
    beside = folder / Path(text).expanduser()
    return text if is_url(text) or ("/" not in text and not beside.exists()) else str(beside)


def job_schema() -> dict[str, Any]:
    """JSON Schema of a job file, derived from the config and the hyperparameters."""
    schema = AutoMLVisionConfig.model_json_schema(by_alias=False)
    properties = schema["properties"]
    hyperparameters = _hyperparameter_schema()
    hyperparameters["model_name"] = {"type": "string", "description": "the algorithm"}
    properties["arguments"] = {
        "anyOf": [
            {"type": "object", "properties": hyperparameters, "additionalProperties": False},
            {"type": "array", "description": 'pairs of "--name" and value'},
        ],
        "description": "fixed hyperparameters",
    }
    properties["experiment"] = {
        "type": "string",
        "default": DEFAULT_EXPERIMENT,
        "description": "name of the experiment",
    }
    schema.pop("$defs", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "AutoML Vision job",
        "description": "What to learn, from what, how, and for how long.",
    }


def _hyperparameter_schema() -> dict[str, Any]:
    """What each hyperparameter may be; where families differ, any of their values."""
    found: dict[str, list[dict[str, Any]]] = {}
    for family in families():
        fields = family.model_json_schema(by_alias=False)["properties"]
        for name, field in fields.items():
            found.setdefault(name, []).append(field)
        for old_name in sorted(names_of(family).keys() - fields):
            found.setdefault(old_name, []).append({"description": "an old name", "type": ["integer", "number"]})
    schema = {}
    for name, fields_of_name in found.items():
        distinct = [field for i, field in enumerate(fields_of_name) if field not in fields_of_name[:i]]
        schema[name] = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
    return schema

"""Hyperparameters as users give them: checked, typed by task and algorithm, mistakes told in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import AliasChoices, ValidationError

from automl_vision.core.errors import ConfigError
from automl_vision.core.text import did_you_mean
from automl_vision.recipes.catalog import families, family_of
from automl_vision.recipes.hyperparameters import Hyperparameters, accepted_names


def hyperparameter_names(task: str, model_name: str | None = None) -> list[str]:
    """Every accepted name, old names included."""
    return accepted_names(family_of(task, model_name))


def own_name(task: str, name: str) -> str:
    """The name of a hyperparameter that is given by this name or by an old one."""
    for family in families(task):
        for own, field in family.model_fields.items():
            alias = field.validation_alias
            if isinstance(alias, AliasChoices) and name in alias.choices:
                return own
    return name


def parse_arguments(arguments: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Settings from a mapping or from `["--early_stopping", 1, "--evaluation_frequency", 2]`.

    Raises:
        ConfigError: the list is not made of pairs of `--name` and value.
    """
    if arguments is None:
        return {}
    if isinstance(arguments, Mapping):
        return {str(name).removeprefix("--").replace("-", "_"): value for name, value in arguments.items()}
    problems = []
    if len(arguments) % 2:
        problems.append(f'arguments must be pairs of "--name" and value; {arguments[-1]!r} has no partner')
    names = list(arguments[::2])
    problems += [
        f'arguments: {name!r} stands where a "--name" is expected'
        for name in names
        if not (isinstance(name, str) and name.startswith("--"))
    ]
    if problems:
        raise ConfigError(problems)
    return {name[2:].replace("-", "_"): value for name, value in zip(names, arguments[1::2], strict=False)}


def check_hyperparameters(
    task: str, values: Mapping[str, Any], model_name: str | None = None
) -> tuple[Hyperparameters | None, list[str]]:
    """Typed hyperparameters with all defaults filled in, or one sentence per mistake.

    Args:
        task: the product's name of the task.
        values: by name.
        model_name: the algorithm; it decides which hyperparameters there are.
    """
    try:
        return family_of(task, model_name).model_validate(dict(values)), []
    except ValidationError as error:
        return None, validation_sentences(error, hyperparameter_names(task, model_name), noun="hyperparameter")


def with_family(task: str, trial: Any) -> Any:
    """A trial's values with its hyperparameters typed by task and model name, as they are read back from JSON.

    Args:
        task: the product's name of the task.
        trial: a mapping with `model_name` and `hyperparameters`; anything else is given back as it is.
    """
    if not isinstance(trial, Mapping) or not isinstance(trial.get("hyperparameters"), Mapping):
        return trial
    family = family_of(task, trial.get("model_name"))
    return {**trial, "hyperparameters": family.model_validate(dict(trial["hyperparameters"]))}


def validation_sentences(error: ValidationError, known: Sequence[str], *, noun: str) -> list[str]:
    """One sentence per mistake: the rule, what came, and the near match of a misspelt name."""
    sentences = []
    for detail in error.errors():
        place = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden" and place in known:
            sentences.append(f"{place} is another name of a {noun} that is given too; keep one of them")
        elif detail["type"] == "extra_forbidden":
            sentences.append(f'no {noun} is named "{place}".{did_you_mean(place, known)}')
        elif detail["type"] == "missing":
            sentences.append(f"{place} is required")
        elif detail["type"] == "value_error":
            message = detail["msg"].removeprefix("Value error, ")
            sentences.append(f"{place}: {message}" if place else message)
        else:
            sentences.append(f"{place}: {detail['msg'].lower()}, not {detail['input']!r}")
    return sentences

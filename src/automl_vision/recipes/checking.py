"""Hyperparameters as users give them: checked, typed by task and algorithm, mistakes told in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from automl_vision.core.errors import InvalidValueError, Problem
from automl_vision.core.validation import names_of, problems_of
from automl_vision.recipes.catalog import families, family_of
from automl_vision.recipes.hyperparameters import Hyperparameters


def own_name(task: str, name: str) -> str:
    """The name of a hyperparameter that is given by this name or by an old one."""
    return next((own for family in families(task) if (own := names_of(family).get(name))), name)


def parse_arguments(arguments: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Settings from a mapping or from `["--early_stopping", 1, "--evaluation_frequency", 2]`.

    Raises:
        InvalidValueError: the list does not consist of pairs of `--name` and value.
    """
    if arguments is None:
        return {}
    if isinstance(arguments, Mapping):
        return {str(name).removeprefix("--").replace("-", "_"): value for name, value in arguments.items()}
    if isinstance(arguments, str) or not isinstance(arguments, Sequence):
        sentence = f'a mapping, or a list of pairs of "--name" and value, is expected, not {arguments!r}'
        raise InvalidValueError([Problem((), sentence)], subject="The arguments")
    problems = []
    if len(arguments) % 2:
        sentence = f'pairs of "--name" and value are expected; {arguments[-1]!r} has no partner'
        problems.append(Problem((len(arguments) - 1,), sentence))
    names = list(arguments[::2])
    problems += [
        Problem((2 * i,), f'a "--name" is expected, not {name!r}')
        for i, name in enumerate(names)
        if not (isinstance(name, str) and name.startswith("--"))
    ]
    if problems:
        raise InvalidValueError(problems, subject="The arguments")
    return {name[2:].replace("-", "_"): value for name, value in zip(names, arguments[1::2], strict=False)}


def check_hyperparameters(
    task: str, values: Mapping[str, Any], model_name: str | None = None
) -> tuple[Hyperparameters | None, list[Problem]]:
    """Typed hyperparameters with all defaults filled in, or one problem per mistake.

    Args:
        task: the product's name of the task.
        values: by name.
        model_name: the algorithm; it decides which hyperparameters there are.
    """
    family = family_of(task, model_name)
    try:
        return family.model_validate(dict(values)), []
    except ValidationError as error:
        return None, problems_of(error, list(names_of(family)), noun="hyperparameter")


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

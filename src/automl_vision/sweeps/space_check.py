"""Checks a search space against the typed hyperparameters of its algorithms, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any

import numpy as np
from pydantic import AliasChoices, TypeAdapter, ValidationError

from automl_vision.core.errors import ConfigError
from automl_vision.core.names import did_you_mean
from automl_vision.sweeps.distributions import Bell, Choice, Numbers, RandInt, Range, ends, is_whole
from automl_vision.sweeps.space import Entry, SearchSpace
from automl_vision.tasks.hyperparameters import (
    TrainingHyperparameters,
    accepted_names,
    check_hyperparameters,
    family_of,
)

_TRIED = 200  # configurations that are checked as a whole; more of a large space are checked when they are drawn
_MOST_TOLD = 5  # mistakes of whole configurations; the others are alike

ModelProblems = Callable[[str, str], list[str]]
"""Task and name of an algorithm to sentences on what is wrong with the name."""


def space_problems(
    space: SearchSpace,
    task: str,
    *,
    model_name: str,
    arguments: Mapping[str, Any],
    model_problems: ModelProblems,
) -> list[str]:
    """One sentence per mistake of a space.

    Args:
        space: to check.
        task: the product's name of the task.
        model_name: the algorithm where the space names none.
        arguments: fixed hyperparameters of every trial.
        model_problems: checks names of algorithms.
    """
    checker = _Checker(task, arguments, model_problems)
    checker.check(space.entries, "", [model_name], frozenset())
    return checker.problems or list(islice(_whole_problems(space, task, model_name, arguments), _MOST_TOLD))


class _Checker:
    """Checks every dimension on its own, in every algorithm that it may meet."""

    def __init__(self, task: str, arguments: Mapping[str, Any], model_problems: ModelProblems) -> None:
        self.task, self.arguments, self._model_problems = task, arguments, model_problems
        self.problems: list[str] = []

    def check(
        self, entries: Sequence[tuple[str, Entry]], place: str, models: Sequence[str], outer: frozenset[str]
    ) -> None:
        """Check the entries of a space, or of one alternative in it.

        Args:
            entries: by name.
            place: where they stand.
            models: the algorithms that they may meet.
            outer: names that stand further out.
        """
        named = dict(entries).get("model_name")
        if named is not None:
            models = [str(name) for name in (named.values if isinstance(named, Choice) else [named])]
        names = {name for name, entry in entries if not _is_label(entry)}
        for name, entry in entries:
            path = f"{place}{name}"
            if _is_label(entry):
                for i, option in enumerate(entry.values):
                    self.check(list(option.items()), f"{path}[{i}].", models, outer | names)
                continue
            if name in outer:
                self.problems.append(f"{path} stands further out in the space too; keep one of them")
            if name in self.arguments:
                self.problems.append(f"{path} is fixed in arguments and searched in the space; keep one of them")
            if name == "model_name":
                self.problems += [
                    f"{path}: {p.removeprefix('model_name: ')}"
                    for model in models
                    for p in self._model_problems(self.task, model)
                ]
            else:
                self._check_entry(path, name, entry, models)

    def _check_entry(self, path: str, name: str, entry: Entry, models: Sequence[str]) -> None:
        told = set()
        for model in models:
            family = family_of(self.task, model)
            known = accepted_names(family)
            if name not in known:
                owner = f"{model} has" if len(models) > 1 else "there is"
                way_out = " Put it into the alternative of the algorithm that has it." if len(models) > 1 else ""
                told.add(f'{path}: {owner} no hyperparameter "{name}".{did_you_mean(name, known)}{way_out}')
            else:
                told |= {f"{path}: {problem}" for problem in _value_problems(family, name, entry)}
        self.problems += sorted(told)


def _is_label(entry: Entry) -> bool:
    return isinstance(entry, Choice) and entry.is_conditional


def _value_problems(family: type[TrainingHyperparameters], name: str, entry: Entry) -> list[str]:
    """What is wrong with the values of one dimension."""
    adapter, whole = _field_adapter(family, name)
    if isinstance(entry, Range | Bell | RandInt):
        if whole and not is_whole(entry):
            hint = "randint, or a q-form with a whole q"
            return [f"{entry.kind} gives fractions, and {name} is a whole number; use {hint}"]
        return list(_end_problems(adapter, name, entry))
    values = entry.values if isinstance(entry, Choice) else [entry]
    return [problem for value in values if (problem := _problem(adapter, value)) is not None]


def _end_problems(adapter: TypeAdapter[Any], name: str, entry: Numbers) -> Iterator[str]:
    """Sentences on the ends of a distribution that the hyperparameter does not take."""
    low, high = ends(entry)
    for value in dict.fromkeys([low, high]):
        problem = _problem(adapter, value)
        if problem is not None:
            hint = ""
            if isinstance(entry, Range) and entry.log and entry.low > 0:
                hint = f"; the bounds of {entry.kind} are logarithms, such as {np.log(1e-4):.2f} for 0.0001"
            yield f"{entry.kind} gives {low:.4g} to {high:.4g}, and {name}: {problem}{hint}"
            return


def _problem(adapter: TypeAdapter[Any], value: Any) -> str | None:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        shown = f"{value:.4g}" if isinstance(value, float) else repr(value)
        return f"{error.errors()[0]['msg'].lower()}, not {shown}"
    return None


@lru_cache(maxsize=512)
def _field_adapter(family: type[TrainingHyperparameters], name: str) -> tuple[TypeAdapter[Any], bool]:
    """The validator of one hyperparameter, and whether it is a whole number."""
    for own, field in family.model_fields.items():
        alias = field.validation_alias
        if name == own or (isinstance(alias, AliasChoices) and name in alias.choices):
            rule: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            return TypeAdapter(rule), field.annotation in (int, int | None)
    raise ConfigError([f'no hyperparameter is named "{name}"'])


def _whole_problems(space: SearchSpace, task: str, model_name: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with configurations as a whole, where each value alone is right."""
    seen = set()
    for values in _some_configurations(space):
        settings = {**arguments, **values}
        name = str(settings.pop("model_name", model_name))
        _, mistakes = check_hyperparameters(task, settings, name)
        for mistake in mistakes:
            if mistake not in seen and not _is_rare(mistake, values, space):
                seen.add(mistake)
                shown = ", ".join(f"{key} {value!r}" for key, value in values.items())
                yield f"{mistake} (with {shown})"


def _some_configurations(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """The first combinations where all are choices; otherwise random draws."""
    if all(isinstance(distribution, Choice) for _, distribution in space.dimensions()):
        yield from (space.values_at(point) for point in islice(space.combinations(), 5 * _TRIED))
        return
    random = np.random.default_rng(0)
    for _ in range(_TRIED):
        yield space.walk(
            lambda _, d: int(random.integers(len(d.values))) if isinstance(d, Choice) else float(random.random())
        )[0]


def _is_rare(mistake: str, values: Mapping[str, Any], space: SearchSpace) -> bool:
    """Whether a mistake comes from the far tail of a normal distribution, whose draws are repeated."""
    bells = {path.rpartition(".")[2] for path, d in space.dimensions() if isinstance(d, Bell)}
    return mistake.partition(":")[0] in bells & values.keys()

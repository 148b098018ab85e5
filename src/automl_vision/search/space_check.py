"""Checks a search space against the typed hyperparameters of its algorithms, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from automl_vision.core.errors import Problem
from automl_vision.core.text import did_you_mean
from automl_vision.core.validation import names_of
from automl_vision.recipes.catalog import family_of
from automl_vision.recipes.checking import check_hyperparameters, own_name
from automl_vision.recipes.hyperparameters import TrainingHyperparameters
from automl_vision.search.distributions import Choice, Distribution, Numbers, Range
from automl_vision.search.space import Entry, Path, SearchSpace, place_of

_MAX_TRIED = 200  # configurations checked as a whole; others of a large space are checked when they are sampled
_MAX_SHOWN = 5  # mistakes of whole configurations; the others are alike

_WHOLE = (int, int | None)
_OF_THE_RUN = ("split_ratio", "checkpoint_run_id", "checkpoint_filename")  # settled before the first trial

Entries = Sequence[tuple[str, Entry]]

ModelProblems = Callable[[str, str], list[str]]
"""Task and name of an algorithm to sentences on what is wrong with the name."""


def space_problems(
    space: SearchSpace,
    task: str,
    *,
    model_name: str,
    arguments: Mapping[str, Any],
    model_problems: ModelProblems,
    known: Collection[Problem] = (),
) -> list[Problem]:
    """The mistakes of a space, with paths from the space on.

    Args:
        space: to check.
        task: the product's name of the task.
        model_name: the algorithm where the space names none.
        arguments: fixed hyperparameters of every trial.
        model_problems: checks names of algorithms.
        known: mistakes of the arguments, which each configuration of the space repeats.
    """
    checker = _Checker(task, arguments, model_problems)
    checker.check(space.entries, (), [model_name], {})
    whole = _whole_problems(space, task, model_name, arguments, known)
    return checker.problems or list(islice(whole, _MAX_SHOWN))


def algorithms(space: SearchSpace, default: str | None = None) -> list[str]:
    """The algorithms that a space names, and the default where an alternative of it names none."""
    return _models(space.entries, [] if default is None else [default])


class _Checker:
    """Checks every dimension on its own, in every algorithm that it may meet."""

    def __init__(self, task: str, arguments: Mapping[str, Any], model_problems: ModelProblems) -> None:
        self.task, self._model_problems = task, model_problems
        self._fixed = {own_name(task, name) for name in arguments}
        self.problems: list[Problem] = []

    def check(self, entries: Entries, place: Path, models: Sequence[str], outer: Mapping[str, Path]) -> None:
        """Check the entries of a space, or of one alternative in it.

        Args:
            entries: by name.
            place: path to them.
            models: the algorithms that they may be combined with.
            outer: paths of the hyperparameters that they are combined with, by name.
        """
        models = _models(entries, models)
        met = dict(outer)
        for name, entry in entries:
            path = (*place, name)
            for own, where in self._brought(name, entry, path):
                if own in met:
                    both = f"{place_of(where)} and {place_of(met[own])}"
                    self.problems.append(Problem(where, f"{both} set the same hyperparameter; keep one of them"))
            if _is_label(entry):
                for i, option in enumerate(entry.values):
                    self.check(list(option.items()), (*path, "values", i), models, {})
            else:
                self._check_entry(path, name, entry, models)
            met |= dict(self._brought(name, entry, path))

    def _brought(self, name: str, entry: Entry, path: Path) -> Iterator[tuple[str, Path]]:
        """The hyperparameters that an entry sets, with their paths."""
        if not _is_label(entry):
            yield own_name(self.task, name), path
            return
        for i, option in enumerate(entry.values):
            for inner, part in option.items():
                yield from self._brought(inner, part, (*path, "values", i, inner))

    def _check_entry(self, path: Path, name: str, entry: Entry, models: Sequence[str]) -> None:
        place = place_of(path)
        if name == "model_name":
            self.problems += [Problem(path, f"{place}: {problem}") for problem in self._name_problems(entry, models)]
            return
        own = own_name(self.task, name)
        if own in self._fixed:
            sentence = f"{place} is fixed in arguments and searched in the space; keep one of them"
            self.problems.append(Problem(path, sentence))
        if own in _OF_THE_RUN:
            sentence = f"{place} is the same for all trials of a run; set it in arguments"
            self.problems.append(Problem(path, sentence))
        sentences = set()
        for model in models:
            family = family_of(self.task, model)
            known = names_of(family)
            if name not in known:
                owner = f"{model} has" if len(models) > 1 else "there is"
                way_out = " Put it into the alternative of the algorithm that has it." if len(models) > 1 else ""
                sentences.add(f'{place}: {owner} no hyperparameter "{name}".{did_you_mean(name, known)}{way_out}')
            else:
                sentences |= {f"{place}: {problem}" for problem in _value_problems(family, name, entry)}
        self.problems += [Problem(path, sentence) for sentence in sorted(sentences)]

    def _name_problems(self, entry: Entry, models: Sequence[str]) -> list[str]:
        """What is wrong with a choice of algorithms."""
        names = entry.values if isinstance(entry, Choice) else [entry]
        if not all(isinstance(name, str) for name in names):
            return [f"the name of an algorithm, or a choice of names, is expected, not {_shown(entry)}"]
        return [problem for model in models for problem in self._model_problems(self.task, model)]


def _models(entries: Entries, inherited: Sequence[str]) -> list[str]:
    """The algorithms that the entries may meet: those that they or their alternatives name, or the outer ones."""
    named = dict(entries).get("model_name")
    if named is not None and not _is_label(named):
        return [str(name) for name in (named.values if isinstance(named, Choice) else [named])]
    found = list(inherited)
    for _, entry in entries:
        if _is_label(entry):
            options = [_models(list(option.items()), []) or found for option in entry.values]
            found = list(dict.fromkeys(model for option in options for model in option))
    return found


def _shown(entry: Entry) -> str:
    if isinstance(entry, Choice):
        return ", ".join(map(repr, entry.values))
    return entry.type if isinstance(entry, Distribution) else repr(entry)


def _is_label(entry: Entry) -> bool:
    return isinstance(entry, Choice) and entry.is_conditional


def _value_problems(family: type[TrainingHyperparameters], name: str, entry: Entry) -> list[str]:
    """What is wrong with the values of one dimension."""
    adapter, annotation = _field(family, name)
    if isinstance(entry, Numbers):
        return list(_number_problems(adapter, annotation, name, entry))
    values = entry.values if isinstance(entry, Choice) else [entry]
    problems = [problem for value in values if (problem := _problem(adapter, annotation, value)) is not None]
    return problems or _repetitions(adapter, values)


def _number_problems(adapter: TypeAdapter[Any], annotation: Any, name: str, entry: Numbers) -> Iterator[str]:
    """What is wrong with a distribution of numbers: the first value that the hyperparameter does not take."""
    if annotation in _WHOLE and not entry.is_whole:
        yield f"{entry.type} gives fractions, and {name} is a whole number; use randint, or a q-form with a whole q"
        return
    places = entry.coordinates(_MAX_TRIED)
    if places is None and annotation not in (*_WHOLE, float, float | None):
        yield f"{entry.type} gives any number, and {name} takes only some values; use choice"
        return
    values = list(entry.ends()) if places is None else [entry.value(place) for place in places]
    for value in values:
        problem = _problem(adapter, annotation, value)
        if problem is not None:
            low, high = entry.ends()
            hint = ""
            if isinstance(entry, Range) and entry.is_log and entry.low > 0:
                hint = f"; the bounds of {entry.type} are logarithms, such as {np.log(1e-4):.2f} for 0.0001"
            yield f"{entry.type} gives {low:.4g} to {high:.4g}, and {name}: {problem}{hint}"
            return


def _repetitions(adapter: TypeAdapter[Any], values: Sequence[Any]) -> list[str]:
    """Values of a choice that the hyperparameter takes for the same, such as 5 and "5"."""
    by_meaning: dict[str, list[Any]] = {}
    for value in values:
        by_meaning.setdefault(repr(adapter.validate_python(value)), []).append(value)
    return [f"{', '.join(map(repr, same))} are the same value" for same in by_meaning.values() if len(same) > 1]


def _problem(adapter: TypeAdapter[Any], annotation: Any, value: Any) -> str | None:
    if isinstance(value, bool) and annotation in (*_WHOLE, float, float | None):
        return f"input should be a number, not {value!r}"
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        shown = f"{value:.4g}" if isinstance(value, float) else repr(value)
        return f"{error.errors()[0]['msg'].lower()}, not {shown}"
    return None


@lru_cache(maxsize=512)
def _field(family: type[TrainingHyperparameters], name: str) -> tuple[TypeAdapter[Any], Any]:
    """The validator of one hyperparameter, and its type."""
    field = family.model_fields[names_of(family)[name]]
    rule: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(rule), field.annotation


def _whole_problems(
    space: SearchSpace, task: str, model_name: str, arguments: Mapping[str, Any], known: Collection[Problem]
) -> Iterator[Problem]:
    """What is wrong with configurations as a whole, where each value alone is right."""
    seen = set(known)
    for values in _some_configurations(space):
        settings = {**arguments, **values}
        name = str(settings.pop("model_name", model_name))
        _, mistakes = check_hyperparameters(task, settings, name)
        for mistake in mistakes:
            if mistake not in seen and not _is_rare(mistake, values, space):
                seen.add(mistake)
                shown = ", ".join(f"{key} {value!r}" for key, value in values.items())
                yield Problem(mistake.path, f"{mistake} (with {shown})")


def _some_configurations(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """The first combinations of a finite space; otherwise random ones."""
    if space.is_finite:
        yield from (space.values_at(point) for point in islice(space.combinations(), 5 * _MAX_TRIED))
        return
    random = np.random.default_rng(0)
    for _ in range(_MAX_TRIED):
        yield space.walk(
            lambda _, d: int(random.integers(len(d.values))) if isinstance(d, Choice) else float(random.random())
        )[0]


def _is_rare(mistake: Problem, values: Mapping[str, Any], space: SearchSpace) -> bool:
    """Whether a mistake comes from the far tail of a distribution; such samples are replaced."""
    tailed = {path.rpartition(".")[2] for path, d in space.dimensions() if isinstance(d, Numbers) and d.has_tails}
    return mistake.path[:1] != () and mistake.path[0] in tailed & values.keys()

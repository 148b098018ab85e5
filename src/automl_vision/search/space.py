"""Search spaces: names of hyperparameters with what each may be, conditional where a choice is over mappings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from automl_vision.core.errors import ConfigError
from automl_vision.search.distribution_json import KINDS, distribution_from_json, distribution_to_json
from automl_vision.search.distributions import Bell, Choice, Distribution, RandInt, Range, coordinates, plain

Entry = Any
"""A distribution, or a constant."""

Point = dict[str, float]
"""Where a configuration lies: by dimension, the index of a choice, or a unit between 0 and 1."""

Draw = Callable[[str, Distribution], float]
"""Gives the index of a choice, or a unit, for the dimension of a name."""

ALTERNATIVES = "alternatives"
"""Name of the choice that a space given as a list of mappings becomes."""

_MOST_VALUES = 10_000  # of one dimension, up to which a space counts as finite


@dataclass(frozen=True)
class SearchSpace:
    """A search space; made from a mapping by `SearchSpace.of`.

    Attributes:
        entries: by name, a distribution or a constant. A choice over mappings brings the entries of the chosen one;
            its own name is only a label.
    """

    entries: tuple[tuple[str, Entry], ...]

    @staticmethod
    def of(value: SearchSpace | Mapping[str, Any] | Sequence[Any]) -> SearchSpace:
        """A space from a mapping of Python distributions, from what YAML or JSON hold, or from a list of alternatives.

        Raises:
            ConfigError: it breaks the rules; all mistakes at once.
        """
        if isinstance(value, SearchSpace):
            return value
        problems: list[str] = []
        if isinstance(value, Sequence) and not isinstance(value, str):
            problems = [f"alternative {i} is a mapping of names, not {v!r}" for i, v in enumerate(value)
                        if not isinstance(v, Mapping)]  # fmt: skip
            value = {ALTERNATIVES: {"type": "choice", "values": list(value)}} if not problems else {}
        entries = _entries(value, "", problems)
        if not problems and not any(isinstance(entry, Choice | Range | Bell | RandInt) for _, entry in entries):
            problems.append("the space has nothing to choose from")
        if problems:
            raise ConfigError(problems, subject="The search space")
        return SearchSpace(entries)

    def to_json(self) -> dict[str, Any]:
        """The space as plain values; `SearchSpace.of` reads them."""
        return {name: _entry_to_json(entry) for name, entry in self.entries}

    def dimensions(self) -> list[tuple[str, Distribution]]:
        """Every distribution by its name, those under all alternatives included."""
        return list(_dimensions("", self.entries))

    def walk(self, draw: Draw) -> tuple[dict[str, Any], Point]:
        """One configuration: what is drawn for each dimension that counts under the choices before it.

        Args:
            draw: called for one dimension after another.

        Returns:
            The hyperparameters, and the point that gives them.
        """
        values: dict[str, Any] = {}
        point: Point = {}
        _walk("", self.entries, draw, values, point)
        return values, point

    def values_at(self, point: Mapping[str, float]) -> dict[str, Any]:
        """The hyperparameters at a point."""
        return self.walk(lambda name, _: point[name])[0]

    def require_choices(self) -> None:
        """See that there are only choices.

        Raises:
            ConfigError: the space has other distributions.
        """
        others = [name for name, distribution in self.dimensions() if not isinstance(distribution, Choice)]
        if others:
            raise ConfigError(
                [f"{name}: a grid takes only choices; list the values, or sample at random" for name in others],
                subject="The search space",
            )

    @property
    def is_finite(self) -> bool:
        """Whether each dimension has a countable number of values: choices, whole numbers, multiples of q."""
        return all(coordinates(distribution, _MOST_VALUES) is not None for _, distribution in self.dimensions())

    def combinations(self) -> Iterator[Point]:
        """Every combination of the values of a finite space once, the last names changing fastest."""
        seen = set()
        for point in _combinations([("", name, entry) for name, entry in self.entries]):
            key = frozen(self.values_at(point))
            if key not in seen:  # two alternatives may hold the same configuration
                seen.add(key)
                yield point


def most_configurations(space: SearchSpace, limit: int) -> int:
    """How many configurations the space holds, counted up to a limit."""
    return sum(1 for _ in islice(space.combinations(), limit)) if space.is_finite else limit


def frozen(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """A key of hyperparameters that is equal for equal values."""
    return tuple(sorted((name, repr(value)) for name, value in values.items()))


def _entries(value: Any, place: str, problems: list[str]) -> tuple[tuple[str, Entry], ...]:
    """The entries of a mapping; what is wrong is added to the problems, with its place."""
    if not isinstance(value, Mapping):
        problems.append(f"{place or 'the space'}: a mapping of names is expected, not {value!r}")
        return ()
    entries = []
    for name, part in value.items():
        inner = _path(place, str(name))
        if not isinstance(name, str):
            problems.append(f"{inner}: the name of a hyperparameter is expected, not {name!r}")
            continue
        try:
            entries.append((name, _entry(part, inner, problems)))
        except ValueError as error:
            problems.append(f"{inner}: {error}")
    return tuple(entries)


def _entry(value: Any, place: str, problems: list[str]) -> Entry:
    """A distribution or a constant.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, Mapping):
        value = distribution_from_json(value)
    if isinstance(value, Choice):
        if not value.is_conditional:
            return value
        if any(option.get("type") in KINDS for option in value.values):
            raise ValueError("a choice holds values or mappings of hyperparameters, and no distributions")
        before = len(problems)
        options = [Alternative(_entries(option, f"{place}[{i}]", problems)) for i, option in enumerate(value.values)]
        return value if len(problems) > before else Choice(tuple(options))
    if isinstance(value, Range | Bell | RandInt):
        return value
    if isinstance(value, Collection) and not isinstance(value, str):
        raise ValueError(f"a distribution ({', '.join(KINDS)}) or a constant is expected, not {value!r}")
    return plain(value)


class Alternative(dict[str, Entry]):
    """The entries of one value of a conditional choice."""

    def __init__(self, entries: Sequence[tuple[str, Entry]]) -> None:
        super().__init__(entries)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Alternative, (tuple(self.items()),)


def _entry_to_json(entry: Entry) -> Any:
    if isinstance(entry, Choice) and entry.is_conditional:
        options = [{name: _entry_to_json(part) for name, part in option.items()} for option in entry.values]
        return {"type": "choice", "values": options}
    return distribution_to_json(entry) if isinstance(entry, Choice | Range | Bell | RandInt) else entry


def _path(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _dimensions(place: str, entries: Sequence[tuple[str, Entry]]) -> Iterator[tuple[str, Distribution]]:
    for name, entry in entries:
        if isinstance(entry, Choice | Range | Bell | RandInt):
            yield _path(place, name), entry
        if isinstance(entry, Choice) and entry.is_conditional:
            for i, option in enumerate(entry.values):
                yield from _dimensions(f"{_path(place, name)}[{i}]", list(option.items()))


def _walk(place: str, entries: Sequence[tuple[str, Entry]], draw: Draw, values: dict[str, Any], point: Point) -> None:
    for name, entry in entries:
        path = _path(place, name)
        if isinstance(entry, Choice):
            index = int(draw(path, entry))
            point[path] = index
            if entry.is_conditional:
                _walk(f"{path}[{index}]", list(entry.values[index].items()), draw, values, point)
            else:
                values[name] = entry.values[index]
        elif isinstance(entry, Range | Bell | RandInt):
            point[path] = float(draw(path, entry))
            values[name] = entry.value(point[path])
        else:
            values[name] = entry


def _combinations(entries: list[tuple[str, str, Entry]]) -> Iterator[Point]:
    """Points of all combinations of entries, each given as place, name and entry."""
    if not entries:
        yield {}
        return
    (place, name, entry), *rest = entries
    path = _path(place, name)
    if not isinstance(entry, Choice | Range | Bell | RandInt):
        yield from _combinations(rest)
        return
    for coordinate in coordinates(entry, _MOST_VALUES) or ():
        nested = []
        if isinstance(entry, Choice) and entry.is_conditional:
            inner = f"{path}[{coordinate}]"
            nested = [(inner, part_name, part) for part_name, part in entry.values[int(coordinate)].items()]
        for point in _combinations(nested + rest):
            yield {path: coordinate, **point}

"""Search spaces: names of hyperparameters with what each may be, conditional where a choice is over mappings."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from automl_vision.core.errors import InvalidValueError, Problem
from automl_vision.search.distributions import DISTRIBUTIONS, Choice, Distribution, Numbers, plain

Entry = Any
"""A distribution, or a constant."""

Path = tuple[str | int, ...]
"""Keys and indices that lead to an entry in the space's JSON."""

Point = dict[str, float]
"""Where a configuration lies: by dimension, the index of a choice, or a fraction between 0 and 1."""

Draw = Callable[[str, Distribution], float]
"""Returns the index of a choice, or a fraction, for the dimension of a name."""

ALTERNATIVES = "alternatives"
"""Name of the choice that a space given as a list of mappings becomes."""

_MAX_VALUES = 10_000  # of one dimension, up to which a space counts as finite


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
            InvalidValueError: it breaks the rules; all mistakes at once.
        """
        if isinstance(value, SearchSpace):
            return value
        problems: list[Problem] = []
        if isinstance(value, Sequence) and not isinstance(value, str):
            problems = [Problem((i,), f"alternative {i} is a mapping of names, not {v!r}") for i, v in enumerate(value)
                        if not isinstance(v, Mapping)]  # fmt: skip
            value = {ALTERNATIVES: {"type": "choice", "values": list(value)}} if not problems else {}
        entries = _entries(value, (), problems)
        if not problems and not any(isinstance(entry, Distribution) for _, entry in entries):
            problems.append(Problem((), "the space has nothing to choose from"))
        if problems:
            raise InvalidValueError(problems, subject="The search space")
        return SearchSpace(entries)

    def to_json(self) -> dict[str, Any]:
        """The space as plain values; `SearchSpace.of` reads them."""
        return {
            name: DISTRIBUTIONS.to_json(entry) if isinstance(entry, Distribution) else entry
            for name, entry in self.entries
        }

    def dimensions(self) -> list[tuple[str, Distribution]]:
        """Every distribution by its name, those under all alternatives included."""
        return list(_dimensions("", self.entries))

    def walk(self, draw: Draw) -> tuple[dict[str, Any], Point]:
        """One configuration: a value for each dimension that counts under the choices before it.

        Args:
            draw: called for one dimension after another.

        Returns:
            The hyperparameters, and their point.
        """
        values: dict[str, Any] = {}
        point: Point = {}
        _walk("", self.entries, draw, values, point)
        return values, point

    def values_at(self, point: Mapping[str, float]) -> dict[str, Any]:
        """The hyperparameters at a point."""
        return self.walk(lambda name, _: point[name])[0]

    def require_choices(self) -> None:
        """Check that all distributions are choices.

        Raises:
            InvalidValueError: the space has other distributions.
        """
        others = [name for name, distribution in self.dimensions() if not isinstance(distribution, Choice)]
        if others:
            raise InvalidValueError(
                [Problem(path_of(name), f"{name}: a grid takes only choices; list the values, or sample at random")
                 for name in others],
                subject="The search space",
            )  # fmt: skip

    @property
    def is_conditional(self) -> bool:
        """Whether a choice brings hyperparameters of its own."""
        return any(isinstance(d, Choice) and d.is_conditional for _, d in self.dimensions())

    @property
    def is_finite(self) -> bool:
        """Whether each dimension has a countable number of values: choices, whole numbers, multiples of q."""
        return all(distribution.coordinates(_MAX_VALUES) is not None for _, distribution in self.dimensions())

    def combinations(self) -> Iterator[Point]:
        """Every combination of the values of a finite space once, the last names changing fastest."""
        seen = set()
        for point in _combinations([("", name, entry) for name, entry in self.entries]):
            key = frozen(self.values_at(point))
            if key not in seen:  # two alternatives may hold the same configuration
                seen.add(key)
                yield point


def most_configurations(space: SearchSpace, limit: int) -> int:
    """The number of configurations in the space, counted up to a limit."""
    return sum(1 for _ in islice(space.combinations(), limit)) if space.is_finite else limit


def frozen(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """A key of hyperparameters that is equal for equal values."""
    return tuple(sorted((name, repr(value)) for name, value in values.items()))


def place_of(path: Path) -> str:
    """A path as messages say it, such as `model[1].drop_rate`."""
    text = ""
    for i, part in enumerate(path):
        if isinstance(part, int):
            text += f"[{part}]"
        elif not (part == "values" and i and isinstance((*path, "")[i + 1], int)):
            text += f".{part}" if text else part
    return text


def path_of(place: str) -> Path:
    """The path of a dimension's name; the inverse of `place_of`."""
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", place)
    return tuple(part for index, name in parts for part in (("values", int(index)) if index else (name,)))


def _entries(value: Any, path: Path, problems: list[Problem]) -> tuple[tuple[str, Entry], ...]:
    """The entries of a mapping; what is wrong is added to the problems, with its path."""
    place = place_of(path)
    if not isinstance(value, Mapping):
        problems.append(Problem(path, f"{place or 'the space'}: a mapping of names is expected, not {value!r}"))
        return ()
    entries = []
    for name, part in value.items():
        inner = (*path, str(name))
        if not isinstance(name, str):
            sentence = f"{place_of(inner)}: the name of a hyperparameter is expected, not {name!r}"
            problems.append(Problem(inner, sentence))
            continue
        try:
            entries.append((name, _entry(part, inner, problems)))
        except InvalidValueError as error:
            problems += [
                Problem((*inner, *problem.path), f"{place_of(inner)}: {problem.sentence}") for problem in error.problems
            ]
        except ValueError as error:
            problems.append(Problem(inner, f"{place_of(inner)}: {error}"))
    return tuple(entries)


def _entry(value: Any, path: Path, problems: list[Problem]) -> Entry:
    """A distribution or a constant.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, Mapping):
        value = DISTRIBUTIONS.parse(value)
    if isinstance(value, Choice) and value.is_conditional:
        if any(option.get("type") in DISTRIBUTIONS.types for option in value.values):
            raise ValueError("a choice holds values or mappings of hyperparameters, and no distributions")
        before = len(problems)
        options = [
            Alternative(_entries(option, (*path, "values", i), problems)) for i, option in enumerate(value.values)
        ]
        return value if len(problems) > before else Choice(tuple(options))
    if isinstance(value, Distribution):
        return value
    if isinstance(value, Collection) and not isinstance(value, str):
        raise ValueError(f"a distribution ({', '.join(DISTRIBUTIONS.types)}) or a constant is expected, not {value!r}")
    return plain(value)


class Alternative(dict[str, Entry]):
    """The entries of one value of a conditional choice."""

    def __init__(self, entries: Sequence[tuple[str, Entry]]) -> None:
        super().__init__(entries)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Alternative, (tuple(self.items()),)


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _dimensions(place: str, entries: Sequence[tuple[str, Entry]]) -> Iterator[tuple[str, Distribution]]:
    for name, entry in entries:
        if isinstance(entry, Distribution):
            yield _joined(place, name), entry
        if isinstance(entry, Choice) and entry.is_conditional:
            for i, option in enumerate(entry.values):
                yield from _dimensions(f"{_joined(place, name)}[{i}]", list(option.items()))


def _walk(place: str, entries: Sequence[tuple[str, Entry]], draw: Draw, values: dict[str, Any], point: Point) -> None:
    for name, entry in entries:
        path = _joined(place, name)
        if isinstance(entry, Choice):
            index = int(draw(path, entry))
            point[path] = index
            if entry.is_conditional:
                _walk(f"{path}[{index}]", list(entry.values[index].items()), draw, values, point)
            else:
                values[name] = entry.values[index]
        elif isinstance(entry, Numbers):
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
    path = _joined(place, name)
    if not isinstance(entry, Distribution):
        yield from _combinations(rest)
        return
    for coordinate in entry.coordinates(_MAX_VALUES) or ():
        nested = []
        if isinstance(entry, Choice) and entry.is_conditional:
            inner = f"{path}[{coordinate}]"
            nested = [(inner, part_name, part) for part_name, part in entry.values[int(coordinate)].items()]
        for point in _combinations(nested + rest):
            yield {path: coordinate, **point}

"""The front of several costs: what nothing else beats in all of them (Pareto 1906)."""

from __future__ import annotations

from collections.abc import Sequence

from automl_vision.core.numbers import finite


def on_front(costs: Sequence[Sequence[float | None]]) -> list[bool]:
    """Whether each candidate is on the front: no other one is at least as good in every cost and better in one.

    Equal candidates are on the front together. A candidate with an unknown cost (None, NaN or infinite) is not on the
    front and keeps no other one from it.

    Args:
        costs: of each candidate; of each cost lower is better.
    """
    known = {i: [cost for cost in map(finite, each) if cost is not None] for i, each in enumerate(costs)}
    complete = {i: each for i, each in known.items() if len(each) == len(costs[i])}
    front: list[list[float]] = []
    marks = [False] * len(costs)
    for i in sorted(complete, key=complete.__getitem__):  # whatever beats a candidate comes before it
        marks[i] = not any(_beats(one, complete[i]) for one in front)
        if marks[i] and (not front or front[-1] != complete[i]):
            front.append(complete[i])
    return marks


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the first costs are nowhere higher than the second, and somewhere lower."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))

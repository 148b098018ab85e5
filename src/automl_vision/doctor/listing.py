"""The checks by name. A decorator on the function registers a check; the tests run over the listing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.findings import ACTIONS, Severity

Needs = Literal["", "features", "predictions"]

_NOWHERE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Found:
    """The cases of a check, worst first; the fields are those of `Finding`.

    Attributes:
        summary: one sentence with the number of cases.
        rows, objects, partners, suggestions, renames, notes, places: as in `Finding`.
        proposed: the action to propose, where it is not the check's first one.
    """

    summary: str
    rows: NDArray[np.intp] = field(default_factory=lambda: _NOWHERE)
    objects: NDArray[np.intp] = field(default_factory=lambda: _NOWHERE)
    partners: NDArray[np.intp] = field(default_factory=lambda: _NOWHERE)
    suggestions: tuple[str, ...] = ()
    renames: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    proposed: str | None = None

    @property
    def count(self) -> int:
        """Number of cases."""
        return (len(self.objects) or len(self.rows)) + len(self.places) or len(self.notes)


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: of the check.
        title: what it finds.
        severity: of what it finds.
        actions: what can be done, the proposed action first.
        advice: one sentence on what to do.
        needs: "features" or "predictions" when it works only with these.
        find: examines the evidence; returns None if nothing is odd.
    """

    name: str
    title: str
    severity: Severity
    actions: tuple[str, ...]
    advice: str
    needs: Needs
    find: Callable[[Evidence], Found | None]


CHECKS: dict[str, Check] = {}
"""All checks by name, in the order in which they run."""

Find = Callable[[Evidence], Found | None]


def check(
    name: str,
    severity: Severity,
    *,
    title: str,
    advice: str,
    actions: tuple[str, ...] = ("none",),
    needs: Needs = "",
) -> Callable[[Find], Find]:
    """Register the function below as a check."""
    unknown = set(actions) - set(ACTIONS)
    if unknown or name in CHECKS:
        raise ValueError(f"the check {name} is there already or has unknown actions {sorted(unknown)}")

    def register(find: Find) -> Find:
        CHECKS[name] = Check(name, title, severity, actions, advice, needs, find)
        return find

    return register


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    *before, last = noun.split(" ")
    many = {"copy": "copies", "box": "boxes", "class": "classes"}.get(last, f"{last}s")
    return f"{count:,} {' '.join([*before, last if count == 1 else many])}"

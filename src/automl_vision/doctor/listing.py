"""The checks by name. A decorator registers them; the tests run over the listing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.findings import ACTIONS, Cases, Severity

Needs = Literal["", "features", "predictions"]


@dataclass(frozen=True, kw_only=True)
class Found(Cases):
    """The cases of a check, as the check returns them.

    Attributes:
        proposed: the action to propose, if it is not the check's first one.
    """

    proposed: str | None = None

    @property
    def count(self) -> int:
        """Number of cases."""
        return (len(self.objects) or len(self.rows)) + len(self.places) or len(self.notes)


Find = Callable[[Evidence], Found | None]


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: of the check.
        title: what it finds.
        severity: of what it finds.
        actions: what can be done, the proposed action first.
        advice: one sentence on what to do.
        needs: "features" or "predictions" if it works only with these.
        find: examines the evidence; returns None if it cannot judge it.
    """

    name: str
    title: str
    severity: Severity
    actions: tuple[str, ...]
    advice: str
    needs: Needs
    find: Find


CHECKS: dict[str, Check] = {}
"""All checks by name, in the order in which they run."""


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
        raise ValueError(f"the check {name} is registered already or has unknown actions: {sorted(unknown)}")

    def register(find: Find) -> Find:
        CHECKS[name] = Check(name, title, severity, actions, advice, needs, find)
        return find

    return register


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    *before, last = noun.split(" ")
    many = {"copy": "copies", "box": "boxes", "class": "classes"}.get(last, f"{last}s")
    return f"{count:,} {' '.join([*before, last if count == 1 else many])}"

"""What an import left out or found odd, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

_OF_OBJECTS = frozenset({
    "bad annotation", "bad box", "inverted box", "empty box", "box outside", "bad mask", "no mask",
})  # fmt: skip
"""Kinds of problems that leave out a single object, and not its image."""


@dataclass(frozen=True)
class Problem:
    """A record, object or image that was left out, or kept with a remark.

    Attributes:
        place: where it is, such as `labels.csv:17` or the image's path.
        reason: why it was left out, or what was odd.
        kind: short name of the rule, for counting.
    """

    place: str
    reason: str
    kind: str


@dataclass
class ImportReport:
    """The number of records read, the records left out, and remarks on records that were kept.

    Attributes:
        total: records read, usable or not; each object counts as one.
        objects: how many of them are objects.
        problems: records left out, in the order in which they were read.
        notes: remarks on records that were kept: a clipped box, a shape that no task here uses.
    """

    total: int = 0
    objects: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def add(self, place: str, reason: str, kind: str) -> None:
        """Add a record that is left out."""
        self.problems.append(Problem(place, reason, kind))

    def note(self, place: str, reason: str, kind: str) -> None:
        """Add a remark on a record that is kept."""
        self.notes.append(Problem(place, reason, kind))

    def with_problems(self, problems: Sequence[Problem]) -> ImportReport:
        """A report with further records left out."""
        return replace(self, problems=[*self.problems, *problems], notes=list(self.notes))

    def joined(self, other: ImportReport) -> ImportReport:
        """This report and another one."""
        return ImportReport(
            self.total + other.total,
            self.objects + other.objects,
            self.problems + other.problems,
            self.notes + other.notes,
        )

    def count(self, *, images: int = 0, objects: int = 0) -> None:
        """Count records that were read."""
        self.total += images + objects
        self.objects += objects

    def reject(self, place: str, reason: str, kind: str) -> None:
        """Add a record that is left out before it was counted."""
        is_object = kind in _OF_OBJECTS
        self.count(images=not is_object, objects=is_object)
        self.add(place, reason, kind)

    @property
    def left_out(self) -> dict[str, tuple[int, int]]:
        """How many "images" and "objects" were left out, and of how many: each is judged for itself."""
        of_objects = sum(problem.kind in _OF_OBJECTS for problem in self.problems)
        images = (len(self.problems) - of_objects, self.total - self.objects)
        return {"images": images, "objects": (of_objects, self.objects)}

    @property
    def bad_share(self) -> float:
        """Fraction of images or of objects left out, whichever is larger, 0 to 1."""
        return max(bad / total if total else 0.0 for bad, total in self.left_out.values())

    def counts(self) -> dict[str, int]:
        """Number of records left out per kind, most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "total": self.total,
            "objects": self.objects,
            "problems": [vars(problem) for problem in self.problems],
            "notes": [vars(problem) for problem in self.notes],
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> ImportReport:
        """The report back from JSON values."""
        problems, notes = ([Problem(**problem) for problem in value.get(name, ())] for name in ("problems", "notes"))
        return ImportReport(value["total"], value.get("objects", 0), problems, notes)

    def __str__(self) -> str:
        left_out = f"{len(self.problems)} left out ({counts_by_kind(self.problems)})"
        noted = f", {len(self.notes)} noted ({counts_by_kind(self.notes)})" if self.notes else ""
        return f"{self.total} records, {left_out if self.problems else 'none left out'}{noted}"


def counts_by_kind(problems: Sequence[Problem]) -> str:
    """The number of problems of each kind as text, most frequent first."""
    return ", ".join(f"{count} {kind}" for kind, count in Counter(p.kind for p in problems).most_common())

"""What an import left out or found odd, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One record, object or image that was left out, or kept with a remark.

    Attributes:
        place: where it stands, as `labels.csv:17` or the image's path.
        reason: why it was left out, or what was odd.
        kind: short name of the rule, for counting.
    """

    place: str
    reason: str
    kind: str


@dataclass
class ImportReport:
    """How many records came, each one that was left out, and what was kept although something was odd.

    Attributes:
        total: records met, usable or not; an object counts as one.
        problems: the records left out, in the order in which they were met.
        notes: remarks on records that were kept: a clipped box, a shape that no task here uses.
    """

    total: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def add(self, place: str, reason: str, kind: str) -> None:
        """Note one record that is left out."""
        self.problems.append(Problem(place, reason, kind))

    def note(self, place: str, reason: str, kind: str) -> None:
        """Note one record that is kept."""
        self.notes.append(Problem(place, reason, kind))

    def joined(self, other: ImportReport) -> ImportReport:
        """This report and another one."""
        return ImportReport(self.total + other.total, self.problems + other.problems, self.notes + other.notes)

    @property
    def bad_share(self) -> float:
        """Share of records left out, 0 to 1."""
        return len(self.problems) / self.total if self.total else 0.0

    def counts(self) -> dict[str, int]:
        """Number of records left out by kind, most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "total": self.total,
            "problems": [vars(problem) for problem in self.problems],
            "notes": [vars(problem) for problem in self.notes],
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> ImportReport:
        """The report back from JSON values."""
        problems, notes = ([Problem(**problem) for problem in value.get(name, ())] for name in ("problems", "notes"))
        return ImportReport(value["total"], problems, notes)

    def __str__(self) -> str:
        text = f"{self.total} records, none left out"
        if self.problems:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.counts().items())
            text = f"{self.total} records, {len(self.problems)} left out ({kinds})"
        if self.notes:
            kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(p.kind for p in self.notes).most_common())
            text += f", {len(self.notes)} noted ({kinds})"
        return text

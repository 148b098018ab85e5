"""What an import left out, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One record or image that was left out.

    Attributes:
        place: where it stands, as `labels.csv:17` or the image's path.
        reason: why it was left out.
        kind: short name of the rule, for counting.
    """

    place: str
    reason: str
    kind: str


@dataclass
class ImportReport:
    """How many records came, and each one that was left out.

    Attributes:
        total: records met, usable or not.
        problems: the records left out, in the order in which they were met.
    """

    total: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, place: str, reason: str, kind: str) -> None:
        """Note one record that is left out."""
        self.problems.append(Problem(place, reason, kind))

    @property
    def bad_share(self) -> float:
        """Share of records left out, 0 to 1."""
        return len(self.problems) / self.total if self.total else 0.0

    def counts(self) -> dict[str, int]:
        """Number of records left out by kind, most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {"total": self.total, "problems": [vars(problem) for problem in self.problems]}

    @staticmethod
    def from_json(value: dict[str, Any]) -> ImportReport:
        """The report back from JSON values."""
        return ImportReport(value["total"], [Problem(**problem) for problem in value["problems"]])

    def __str__(self) -> str:
        if not self.problems:
            return f"{self.total} records, none left out"
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.counts().items())
        return f"{self.total} records, {len(self.problems)} left out ({kinds})"

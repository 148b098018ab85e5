"""What a check found: images or objects, severity, examples, and the possible actions."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from automl_vision.core.errors import DataError

Severity = Literal["error", "warning", "hint"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "hint")

ACTIONS = {
    "none": "leave everything as it is",
    "exclude": "remove the images from their split",
    "drop": "remove the objects",
    "relabel": "assign the suggested class to the images or objects",
    "rename": "merge the classes under one name",
    "fit box": "fit the boxes to the masks",
    "group": "put the images into one group, which always shares a split",
}
"""What `Dataset.apply` can do about a finding; no file is ever changed or deleted."""

Numbers = NDArray[np.integer[Any]]

_NOWHERE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Outline:
    """An object drawn on an example.

    Attributes:
        label: its class.
        bbox: x1, y1, x2, y2 in pixels.
        segments: its polygons x, y, x, y, ..., in pixels.
        marked: whether it is what the finding is about.
    """

    label: str
    bbox: tuple[float, float, float, float]
    segments: tuple[tuple[float, ...], ...] = ()
    marked: bool = False


@dataclass(frozen=True)
class Picture:
    """One image of an example.

    Attributes:
        image: path or URL as in the manifest.
        width, height: in pixels.
        split: "" if it has none.
        labels: of the image.
        outlines: objects to draw.
    """

    image: str
    width: int
    height: int
    split: str = ""
    labels: tuple[str, ...] = ()
    outlines: tuple[Outline, ...] = ()


@dataclass(frozen=True)
class Example:
    """One case of a finding.

    Attributes:
        note: what is odd about it.
        pictures: the image; for copies, the image that is kept comes first.
    """

    note: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Cases:
    """The cases of a check.

    Attributes:
        summary: one sentence with the number of cases.
        rows: the images, worst first; without those that were left out when the data was opened.
        objects: numbers of the objects, when the cases are objects; `rows` are then their images.
        partners: for copies, the image that each of `rows` is a copy of.
        suggestions: a class for each of `rows` or `objects`, when another one is likely.
        renames: new name by old name of a class.
        notes: what is odd about each of `rows` or `objects`, or about each place.
        places: where to find the records that were left out.
    """

    summary: str
    rows: Numbers = field(default_factory=lambda: _NOWHERE)
    objects: Numbers = field(default_factory=lambda: _NOWHERE)
    partners: Numbers = field(default_factory=lambda: _NOWHERE)
    suggestions: tuple[str, ...] = ()
    renames: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding(Cases):
    """What one check found: its cases, and what to do about them.

    Attributes:
        check: name of the check.
        severity: "error" for what cannot be used, "warning" for what probably hurts, "hint" for what to review.
        title: what the check finds.
        advice: one sentence on what to do.
        count: images, objects or records.
        actions: what `Dataset.apply` can do, the proposed action first.
        examples: the first cases, to look at.
    """

    check: str
    severity: Severity
    title: str
    advice: str
    count: int
    actions: tuple[str, ...] = ("none",)
    examples: tuple[Example, ...] = ()

    @property
    def action(self) -> str:
        """The proposed action."""
        return self.actions[0]

    def only(self, kept: NDArray[np.bool_]) -> Finding:
        """The finding about some of its images or objects.

        Args:
            kept: a truth value for each of `objects`, or of `rows` where it is not about objects.

        Raises:
            DataError: `kept` has another length, or holds something else.
        """
        kept = np.asarray(kept)
        if kept.dtype != bool or kept.shape != self.rows.shape:
            raise DataError(
                f'"{self.check}" is narrowed by {len(self.rows)} truth values, one per case, '
                f"not by {kept.dtype} of shape {kept.shape}"
            )

        def part(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(
                value for value, keep in zip(values, kept.tolist(), strict=False) if keep
            )  # notes of places follow

        return replace(
            self,
            summary=f"{int(kept.sum()):,} of: {self.summary}",
            count=int(kept.sum()),
            rows=self.rows[kept],
            objects=self.objects[kept] if len(self.objects) else self.objects,
            partners=self.partners[kept] if len(self.partners) else self.partners,
            suggestions=part(self.suggestions),
            notes=part(self.notes),
            places=(),
            examples=(),
        )

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON values."""
        arrays = {name: getattr(self, name).tolist() for name in ("rows", "objects", "partners")}
        return {**vars(self), **arrays, "examples": [asdict(example) for example in self.examples]}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Finding:
        """The finding back from JSON values."""
        arrays = {name: np.asarray(value[name], np.int64) for name in ("rows", "objects", "partners")}
        texts = {name: tuple(value[name]) for name in ("actions", "suggestions", "notes", "places")}
        examples = TypeAdapter(tuple[Example, ...]).validate_python(value["examples"])
        return Finding(**{**value, **arrays, **texts, "examples": examples})

"""What a check found: which images or objects, how bad, examples, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError

Severity = Literal["error", "warning", "hint"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "hint")

ACTIONS = {
    "none": "leave everything as it is",
    "exclude": "take the images out of their split",
    "drop": "take the objects out",
    "relabel": "assign the suggested class to the images or objects",
    "rename": "merge the classes under one name",
    "fit box": "set the boxes around the masks",
    "group": "put the images into one group, which no split divides",
}
"""What `Dataset.apply` can do about a finding; no file is ever changed or deleted."""

_NOWHERE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Outline:
    """An object drawn on an example.

    Attributes:
        label: its class.
        bbox: x1, y1, x2, y2 in pixels.
        segments: its polygons x, y, x, y, ..., in pixels.
        marked: whether the finding is about it.
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
        split: "" when it has none.
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
        pictures: the image; for copies the one that is kept first.
    """

    note: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: name of the check.
        severity: "error" for what cannot be used, "warning" for what probably hurts, "hint" for what to review.
        title: what the check finds.
        summary: one sentence with the count.
        advice: one sentence on what to do.
        count: images, objects or records.
        actions: what `Dataset.apply` can do, the proposed action first.
        rows: the images, worst first; without those that were left out when the data was opened.
        objects: numbers of the objects, when the finding is about objects; `rows` are then their images.
        partners: for copies, the image that each of `rows` is a copy of.
        suggestions: a class for each of `rows` or `objects`, when another one is likely.
        renames: new name by old name of a class.
        notes: what is odd about each of `rows` or `objects`, or about each place.
        places: where the records that were left out stand.
        examples: the first cases, to look at.
    """

    check: str
    severity: Severity
    title: str
    summary: str
    advice: str
    count: int
    actions: tuple[str, ...] = ("none",)
    rows: NDArray[np.int64] = field(default_factory=lambda: _NOWHERE)
    objects: NDArray[np.int64] = field(default_factory=lambda: _NOWHERE)
    partners: NDArray[np.int64] = field(default_factory=lambda: _NOWHERE)
    suggestions: tuple[str, ...] = ()
    renames: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
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
                f'"{self.check}" is narrowed by {len(self.rows)} truth values, one a case, '
                f"not by {kept.dtype} of shape {kept.shape}"
            )

        def part(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(value for value, keep in zip(values, kept.tolist(), strict=False) if keep)  # then come places

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
        return {**vars(self), **arrays, "examples": [_example_json(example) for example in self.examples]}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Finding:
        """The finding back from JSON values."""
        arrays = {name: np.asarray(value[name], np.int64) for name in ("rows", "objects", "partners")}
        texts = {name: tuple(value[name]) for name in ("actions", "suggestions", "notes", "places")}
        examples = tuple(_example_of(example) for example in value["examples"])
        return Finding(**{**value, **arrays, **texts, "examples": examples})


def _example_json(example: Example) -> dict[str, Any]:
    pictures = [{**vars(p), "outlines": [vars(o) for o in p.outlines]} for p in example.pictures]
    return {"note": example.note, "pictures": pictures}


def _example_of(value: dict[str, Any]) -> Example:
    pictures = []
    for picture in value["pictures"]:
        outlines = tuple(
            Outline(o["label"], tuple(o["bbox"]), tuple(map(tuple, o["segments"])), o["marked"])
            for o in picture["outlines"]
        )
        pictures.append(Picture(**{**picture, "labels": tuple(picture["labels"]), "outlines": outlines}))
    return Example(value["note"], tuple(pictures))

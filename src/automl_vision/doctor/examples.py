"""Examples of a finding: its first cases, as images with their labels and objects."""

from __future__ import annotations

import numpy as np

from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.findings import Example, Outline, Picture
from automl_vision.doctor.listing import Found

MAX_EXAMPLES = 8  # per finding
_MAX_OUTLINES = 60  # per image; more would hide it
_MAX_POINTS = 200  # per polygon


def examples_of(evidence: Evidence, found: Found) -> tuple[Example, ...]:
    """The first cases of a check."""
    examples = []
    notes = found.notes or ("",) * (len(found.rows) + len(found.places))
    for i in range(min(len(found.rows), MAX_EXAMPLES)):
        row = int(found.rows[i])
        marked = {int(found.objects[i])} if len(found.objects) else set()
        pictures = [_picture(evidence, row, marked)]
        if len(found.partners):
            pictures.insert(0, _picture(evidence, int(found.partners[i]), set()))
        examples.append(Example(notes[i], tuple(pictures)))
    if not len(found.rows):
        for i, note in enumerate(notes[:MAX_EXAMPLES]):
            place = f"{found.places[i]}: " if found.places else ""
            examples.append(Example(f"{place}{note}"))
    return tuple(examples)


def _picture(evidence: Evidence, row: int, marked: set[int]) -> Picture:
    width, height = evidence.data.sizes[row].tolist()
    outlines = []
    if evidence.has_objects:
        objects = evidence.data.objects
        numbers = sorted(objects.rows_of(row), key=lambda i: (i not in marked, i))[:_MAX_OUTLINES]
        for i in reversed(numbers):  # the marked ones are drawn last, on top
            segments = tuple(tuple(np.round(s[: 2 * _MAX_POINTS], 1).tolist()) for s in objects.segments(i))
            x1, y1, x2, y2 = np.round(objects.bbox[i], 1).tolist()
            outlines.append(Outline(objects.names[objects.label[i]], (x1, y1, x2, y2), segments, i in marked))
    labels = tuple(evidence.data.table["labels"][row].as_py() or ())
    return Picture(evidence.images[row], width, height, str(evidence.splits[row]), labels, tuple(outlines))

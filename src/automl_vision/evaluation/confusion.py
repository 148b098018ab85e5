"""Confusion of objects: which class a detector shows where an object is, and where it shows or sees nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.detection import DetectionCases, overlap_table


def object_confusion(cases: DetectionCases) -> NDArray[np.intp]:
    """Counts (true class, shown class) at the operating threshold, (classes + 1, classes + 1).

    The last column counts objects that nothing is shown at, the last row what is shown where no object is. Each
    detection, best first, takes the free object of its own class that it overlaps most, by at least the asked overlap;
    what is left over then takes free objects of other classes. Crowds and difficult objects are no objects to find, and
    what is shown at one of its own class is not counted.

    Args:
        cases: detections beside their truth.
    """
    found, true, classes = cases.found, cases.true, cases.thresholds.classes
    shown, plain = found.scores >= cases.thresholds.score, ~(true.crowd | true.difficult)
    matrix = np.zeros((classes + 1, classes + 1), np.intp)
    for image in range(len(cases)):
        mine = np.arange(*np.searchsorted(found.image, [image, image + 1]))
        mine = mine[shown[mine]]
        mine = mine[np.argsort(-found.scores[mine], kind="stable")]
        theirs = np.arange(*np.searchsorted(true.image, [image, image + 1]))
        overlap = overlap_table(found, true, mine, theirs)
        reached = overlap >= cases.thresholds.iou
        same = found.labels[mine][:, None] == true.labels[theirs]
        partner = _partners(np.where(reached & plain[theirs], overlap, -1.0), same)
        excused = (partner < 0) & (reached & same & ~plain[theirs]).any(axis=1)
        labels = np.append(true.labels[theirs], classes)[partner]  # -1 is the background
        np.add.at(matrix, (labels[~excused], found.labels[mine][~excused]), 1)
        missed = np.setdiff1d(np.flatnonzero(plain[theirs]), partner)
        np.add.at(matrix[:, classes], true.labels[theirs][missed], 1)
    return matrix


def _partners(overlap: NDArray[np.float64], same: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The object of each detection, -1 for none; first among those of its class, then among the others.

    Args:
        overlap: (detections, objects), best detection first, negative where a pair is not possible.
        same: (detections, objects), whether the class is the same.
    """
    partner = np.full(len(overlap), -1)
    free = overlap.copy()
    for allowed in (same, ~same):
        for i in np.flatnonzero((partner < 0) & ((free >= 0) & allowed).any(axis=1)).tolist():
            row = np.where(allowed[i], free[i], -1.0)
            best = int(row.argmax())
            if row[best] >= 0:
                partner[i] = best
                free[:, best] = -1.0
    return partner

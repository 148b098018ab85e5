"""What a detector is unsure about in images without labels: boxes that may be wrong, and objects that it may miss.

A detection above its threshold is wrong with a probability of 1 less its score; one below it is an object that is
missed with the probability of its score. The sum is how many corrections an image probably needs. Errors of classes
with many objects per image count less, so that a crowd of one class does not hide a rare one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.detections import Detections
from automl_vision.serving.objects import TileGrid

Floats = NDArray[np.float64]
Tile = tuple[float, float, float, float]

LEAST_SCORE = 0.05  # detections below it are noise
UNCERTAIN, MISSED = "uncertain boxes", "suspected missed objects"

_LARGE = 2.0  # an image this many times larger than the model's input is looked at in tiles
_OVERLAP = 0.25
_NAMED = 3


@dataclass(frozen=True)
class Doubts:
    """What a detector is unsure about.

    Attributes:
        found: the detections, with low scores too.
        doubt: (n,), by which each detection raises the doubt about its image.
        is_missed: (n,), whether a detection lies below its threshold.
        classes: names.
    """

    found: Detections
    doubt: Floats
    is_missed: NDArray[np.bool_]
    classes: Sequence[str]

    @staticmethod
    def of(found: Detections, thresholds: Sequence[float], classes: Sequence[str]) -> Doubts:
        """The doubts about detections.

        Args:
            found: of all images that wait for labels, with low scores too.
            thresholds: (classes,), score from which the model shows an object.
            classes: names.
        """
        found = found.above(LEAST_SCORE)
        missed = found.scores < np.asarray(thresholds, np.float64)[found.labels]
        wrong = np.where(missed, found.scores, 1 - found.scores)
        per_image = np.bincount(found.labels, found.scores, minlength=len(classes)) / max(found.images, 1)
        return Doubts(found, wrong / (1 + per_image[found.labels]), missed, classes)

    def of_images(self) -> Floats:
        """(images,), the doubt about each image."""
        return np.bincount(self.found.image, self.doubt, minlength=self.found.images)

    def group(self, image: int) -> str:
        """Which doubt weighs more in an image."""
        rows = self.found.image == image
        missed = float(self.doubt[rows & self.is_missed].sum())
        return MISSED if missed > float(self.doubt[rows & ~self.is_missed].sum()) else UNCERTAIN

    def reason(self, image: int) -> str:
        """What the detector is unsure about in an image, as a sentence."""
        missed = self.group(image) == MISSED
        rows = np.flatnonzero((self.found.image == image) & (self.is_missed == missed))
        rows = rows[np.argsort(-self.doubt[rows], kind="stable")]
        if not len(rows):
            return "the model finds nothing here"
        names = Counter(self.classes[label] for label in self.found.labels[rows].tolist())
        listed = ", ".join(f"{count} {name}" for name, count in names.most_common(_NAMED))
        expected = float(self.doubt[rows] @ np.ones(len(rows)))
        best = f"{self.found.scores[rows[0]]:.0%}"
        if missed:
            return f"probably misses objects: faint signs of {listed}, the strongest {best} (doubt {expected:.1f})"
        return f"uncertain boxes: {listed}, the least certain {best} (doubt {expected:.1f})"

    def tile(self, image: int, size: tuple[int, int], canvas: tuple[int, int]) -> Tile | None:
        """The part of a large image that has most of its doubt; None for an image that the model sees whole.

        Args:
            image: its position.
            size: width and height in pixels.
            canvas: height and width of the model's input.
        """
        across, down = (ceil(side / max(own, 1)) for side, own in zip(size, canvas[::-1], strict=True))
        rows = np.flatnonzero(self.found.image == image)
        if max(size[0] / max(canvas[1], 1), size[1] / max(canvas[0], 1)) <= _LARGE or not len(rows):
            return None
        boxes = np.array(TileGrid(across, down, _OVERLAP).boxes(size[1], size[0]), np.float64)
        middle = (self.found.boxes[rows, :2] + self.found.boxes[rows, 2:]) / 2
        inside = ((middle[None] >= boxes[:, None, :2]) & (middle[None] < boxes[:, None, 2:])).all(axis=2)
        x1, y1, x2, y2 = boxes[int((inside @ self.doubt[rows]).argmax())].tolist()
        return x1, y1, x2, y2

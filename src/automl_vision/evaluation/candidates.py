"""The answers that a threshold on their score shows or hides, in one form for all tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.score_map import ScoreMap
from automl_vision.evaluation.intervals import Floats


@dataclass(frozen=True)
class Candidates:
    """Answers with their scores, and what there was to find; the length is the number of images.

    Of an image with one class it is the class with the highest probability, of an image with many labels each label,
    of a detector each detection that Pascal VOC's rule counts. An answer with a NaN score is never shown.

    Attributes:
        image, label: (n,), positions of image and class.
        score: (n,), in [0, 1].
        right: (n,), whether the answer is right.
        positives: (images, classes), how many of each class there were to find in each image.
    """

    image: NDArray[np.intp]
    label: NDArray[np.intp]
    score: Floats
    right: NDArray[np.bool_]
    positives: NDArray[np.int64] | NDArray[np.bool_]

    def __post_init__(self) -> None:
        known = np.isfinite(self.score)
        if not known.all():
            for name in ("image", "label", "score", "right"):
                object.__setattr__(self, name, getattr(self, name)[known])

    def __len__(self) -> int:
        return len(self.positives)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.positives.shape[1])

    def take(self, chosen: NDArray[np.bool_]) -> Candidates:
        """Some of the answers, (n,); what there was to find stays."""
        return Candidates(
            self.image[chosen], self.label[chosen], self.score[chosen], self.right[chosen], self.positives
        )

    def shown(self, thresholds: Floats) -> Candidates:
        """The answers whose score is at least the threshold of their class, (classes,)."""
        return self.take(self.score >= thresholds[self.label])

    def mapped(self, score_map: ScoreMap) -> Candidates:
        """The same answers with mapped scores."""
        return replace(self, score=score_map(self.score, self.label))

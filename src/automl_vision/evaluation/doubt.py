"""The one of several models to keep where few images can hardly tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray

from automl_vision.evaluation.paired import compare

Option = TypeVar("Option")


@dataclass(frozen=True)
class Judged:
    """How good a model is on validation images.

    Attributes:
        quality: higher is better.
        arrays: by which it is compared with others.
    """

    quality: float
    arrays: Mapping[str, NDArray[Any]]

    def is_clearly_above(self, other: Judged) -> bool:
        """Whether it is better than another one at 95 %, paired by image."""
        compared = compare(other.arrays, self.arrays)
        if compared is None or not self.quality > other.quality:
            return False
        return not compared.difference.low <= 0 <= compared.difference.high


def in_doubt_the_first(options: Sequence[Option], judge: Callable[[Option], Judged]) -> Option:
    """The first of some options, unless others are clearly better: then the best of those.

    A few dozen validation images tell the contrary of the truth too often: the best of 16 epochs on 50 images is mostly
    the luckiest one (docs/decisions/0070), and an average of networks that is better than each of them may look worse
    (docs/decisions/0071).

    Args:
        options: the one that is usually the best comes first.
        judge: on validation images.
    """
    judged = [judge(option) for option in options]
    clear = [i for i in range(1, len(options)) if judged[i].is_clearly_above(judged[0])]
    return options[max(clear, key=lambda i: judged[i].quality, default=0)]

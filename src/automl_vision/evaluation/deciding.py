"""How many images would settle what a paired test leaves open."""

from __future__ import annotations

import math

from automl_vision.evaluation.intervals import Interval

_MOST = 10_000_000  # more than anybody gathers: the difference is as good as the bound


def further_images(difference: Interval, images: int, bound: float) -> int | None:
    """About how many more images would make an interval exclude a bound, if the difference stays what it is.

    A standard error falls with the square root of the number of images, and so does an interval's width. The end that
    lies towards the bound has to come as near to the value as the bound is, which takes (reach / distance)^2 times the
    images: the sample size for a wanted precision (Cochran, Sampling Techniques, 3rd edition 1977, chapter 4). It is a
    plan and no promise: with so many new images the difference itself moves, so that about half of the attempts
    settle it.

    Args:
        difference: of two models, with its interval.
        images: that it was measured on.
        bound: that is to be excluded, such as 0, or the loss that is allowed.

    Returns:
        Further images; 0 if the interval excludes the bound, and None if no number of images would, because the value
        is the bound or is not known.
    """
    distance = difference.value - bound
    reach = difference.value - difference.low if distance > 0 else difference.high - difference.value
    if not (math.isfinite(distance) and math.isfinite(reach)) or distance == 0:
        return None
    needed = images * (reach / abs(distance)) ** 2
    return None if needed > _MOST else max(0, math.ceil(needed) - images)

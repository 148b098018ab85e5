"""From which score people are shown objects: where that costs them least, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from automl_vision.evaluation.goals import NOTHING, Curve
from automl_vision.evaluation.labeling_cost import labeling_cost

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5])


@pytest.mark.parametrize(
    ("kind", "right", "threshold"),
    [
        ("boxes", [1, 1, 0, 1, 0], 0.6),  # at 0.8: 2 missed, 10.4 s; at 0.6: 1 wrong and 1 missed, 9.9 s
        ("boxes", [1, 1, 0, 0, 1], 0.8),  # at 0.5: 2 wrong and 1 missed, 14.6 s
        ("boxes", [0, 0, 0, 0, 1], NOTHING),
        ("masks", [0, 0, 0, 0, 1], 0.5),  # to draw one mask costs more than to delete four
    ],
)
def test_the_threshold_costs_least(kind: str, right: list[int], threshold: float) -> None:
    curve = Curve.of(SCORES, np.array(right, bool), 4)
    assert labeling_cost(kind).choose(curve) == threshold  # type: ignore[arg-type]


def test_showing_is_worth_it_from_a_share_of_right_ones() -> None:
    shares = {kind: labeling_cost(kind) for kind in ("boxes", "masks")}  # type: ignore[arg-type]
    assert {kind: round(cost.false / (cost.false + cost.missed), 2) for kind, cost in shares.items()} == {
        "boxes": 0.47,
        "masks": 0.06,
    }

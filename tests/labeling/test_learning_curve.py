"""How many more labels: the law is found again, its interval holds what comes, and what cannot be told is not told."""

from __future__ import annotations

import numpy as np
import pytest

from automl_vision.core.errors import DataError
from automl_vision.experiment.probed import Probed
from automl_vision.labeling.learning_curve import Curve, sizes_of
from automl_vision.labeling.power_law import Measurement, PowerLaw
from automl_vision.labeling.probed_curve import probed_curve


def _law(labels: float) -> float:
    return 1 - 0.05 - 1.2 * labels**-0.4


def _measured(sizes: list[int], noise: float, seed: int) -> list[Measurement]:
    random = np.random.default_rng(seed)
    largest = max(sizes)
    return [
        Measurement(
            n, tuple(_law(n) + noise * (largest / n) ** 0.5 * random.normal(size=1 if n == largest else 6))
        )
        for n in sizes
    ]  # fmt: skip


def test_the_interval_of_a_known_law_holds_its_continuation_about_as_often_as_it_says() -> None:
    held = []
    for seed in range(60):
        law = PowerLaw.fit(_measured(sizes_of(400, least=20), 0.01, seed))
        low, high = law.predict(800, 0.8)[1:]
        held.append(low <= _law(800) + 0.007 * np.random.default_rng(seed + 500).normal() <= high)
    assert 0.7 <= np.mean(held) <= 1.0
    assert law.predict(800, 0.95)[2] - law.predict(800, 0.95)[1] > high - low


def test_more_labels_for_a_gain_come_with_an_interval() -> None:
    curve = Curve("rust", "F1 of rust", tuple(_measured(sizes_of(400, least=20), 0.003, 0)), unit="labels")
    needed = curve.needed(0.02)
    error = 1.2 * 400**-0.4
    true = 400 * ((error - 0.02) / error) ** (-1 / 0.4) - 400
    assert needed.more is not None and needed.low <= true <= needed.high
    assert curve.sentence(0.02).startswith("about ") and "more labels of rust for +2 points" in curve.sentence(0.02)
    assert "80% interval" in curve.sentence(0.02)
    beyond = curve.needed(0.2)
    assert beyond.more is None and beyond.reason.startswith("3 times as many labels bring")
    with pytest.raises(DataError, match="up to 3 times as many"):
        curve.predict(1201)


def test_a_flat_curve_tells_nothing() -> None:
    random = np.random.default_rng(0)
    points = tuple(Measurement(n, tuple(0.9 + 0.01 * random.normal(size=4))) for n in (50, 100, 200, 400))
    curve = Curve("", "accuracy", points)
    assert "cannot be told: the curve is flat" in curve.sentence()
    assert "too few labels" in Curve("", "accuracy", points[:1]).sentence()


@pytest.mark.parametrize("one_label", [True, False])
def test_a_probe_measures_parts_and_single_classes(one_label: bool) -> None:
    random = np.random.default_rng(0)
    label = random.integers(3, size=360)
    truth = np.eye(3, dtype=bool)[label]
    if not one_label:
        truth[::2] |= np.eye(3, dtype=bool)[random.integers(3, size=180)]
    inputs = truth @ random.normal(size=(3, 12)) * 0.6 + random.normal(size=(360, 12))
    images = Probed(inputs, truth, np.arange(240), np.arange(240, 360), one_label)
    found = probed_curve(images, ("a", "b", "c"))
    assert found.overall.metric == ("accuracy" if one_label else "iou")
    assert found.overall.labels == 240 and [len(point.values) for point in found.overall.points[-2:]] == [6, 1]
    assert set(found.classes) == {"a", "b", "c"} and found.classes["a"].labels == truth[:240, 0].sum()
    assert np.mean(found.overall.points[0].values) < found.overall.value
    assert found.to_json()["overall"]["points"][-1]["labels"] == 240
    assert len(found.sentences()) >= 1

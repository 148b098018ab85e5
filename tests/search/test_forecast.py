"""What training will make of a probe's score: from other sets, from the user's own, and with an interval that holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from automl_vision.core.records import DataFacts, PastTrial
from automl_vision.evaluation.posterior import Posterior
from automl_vision.search.forecast import OTHER_SETS, forecast, gain_per_doubling

FACTS = DataFacts(images=400, classes=5, largest_share=0.3, side=300.0)
TASK = "image-classification"


def past(data: str, score: float | None, **values: Any) -> PastTrial:
    known = {
        "run": data, "trial": 0, "ended": 1.0, "task": TASK, "data": data, "facts": FACTS, "model_name": "m",
        "metric": "accuracy", "scores": {0: 0.8, 3: 0.8}, "score": score, "epochs": 3, "seconds": 9.0, "cores": 2,
    }  # fmt: skip
    return PastTrial.model_validate(known | values)


def test_without_own_runs_other_sets_are_the_basis():
    rate, sets = gain_per_doubling([], FACTS, TASK, "m")
    assert (rate.mean, rate.deviation, sets) == pytest.approx((OTHER_SETS.mean, OTHER_SETS.deviation, 0))


def test_own_runs_pull_the_rate_and_make_it_surer():
    # the error halves in two doublings: a rate of 0.35
    rate, sets = gain_per_doubling([past("a", 0.9), past("b", 0.9)], FACTS, TASK, "m")
    assert sets == 2 and OTHER_SETS.mean < rate.mean < math.log(2) / 2
    assert rate.deviation < OTHER_SETS.deviation
    far = FACTS.model_copy(update={"images": 10**6, "classes": 1000})
    unlike, _ = gain_per_doubling([past("a", 0.9), past("b", 0.9)], far, TASK, "m")
    assert unlike.mean == pytest.approx(OTHER_SETS.mean, abs=0.01)


def test_trials_that_tell_nothing_are_left_out():
    useless = [
        past("a", None),
        past("b", 0.9, scores={}),
        past("c", 0.9, ended_early=True),
        past("d", 0.9, lower_is_better=True),
        past("e", 0.9, epochs=0),
        past("f", 0.9, model_name="other"),
        past("g", 0.9, task="image-classification-multi-label"),
    ]
    assert gain_per_doubling(useless, FACTS, TASK, "m") == gain_per_doubling([], FACTS, TASK, "m")


def test_more_epochs_promise_more_and_are_less_sure():
    found = [forecast(0.8, 200, epochs, Posterior(0.1, 0.05)) for epochs in (0, 3, 15, 40)]
    assert found[0].value == pytest.approx(0.8)
    values, widths = [each.value for each in found], [each.high - each.low for each in found]
    assert values == sorted(values) and widths == sorted(widths)
    assert found[2].value == pytest.approx(1 - 0.2 * math.exp(-0.1 * 4))
    perfect = forecast(1.0, 200, 15, Posterior(0.1, 0.05))
    assert perfect.value == 1.0 and 0.98 < perfect.low < 1.0 == perfect.high


def test_the_interval_holds_what_is_drawn_from_the_model():
    """Sets whose rate and measured probe vary as assumed: 80 % of their scores lie inside."""
    random, inside, draws = np.random.default_rng(0), 0, 2000
    for _ in range(draws):
        true = random.uniform(0.6, 0.9)
        probe = random.binomial(300, true) / 300
        score = 1 - (1 - true) * math.exp(-random.normal(0.1, 0.06) * 4)
        found = forecast(probe, 300, 15, Posterior(0.1, 0.06))
        inside += found.low <= score <= found.high
    assert 0.77 < inside / draws < 0.84

"""What earlier runs say of AutoMode's candidates: gains by likeness of the sets, and the order that follows."""

from __future__ import annotations

from typing import Any

import pytest

from automl_vision.core.records import DataFacts, PastTrial
from automl_vision.search.experience import DEFAULT_ROLE, Experience, experience, likeness

FACTS = DataFacts(images=400, classes=5, largest_share=0.3, side=300.0)
TASK = "image-classification"
ROLES = ["enlarged", "lite1", "lite2", "rate"]


def past(run: str, trial: int, score: float | None, **values: Any) -> PastTrial:
    known = {
        "run": run, "trial": trial, "ended": 1.0, "task": TASK, "data": run, "facts": FACTS, "model_name": "m",
        "role": DEFAULT_ROLE if trial == 0 else "rate", "metric": "accuracy", "score": score, "epochs": 3,
        "seconds": 9.0, "cores": 2,
    }  # fmt: skip
    return PastTrial.model_validate(known | values)


def test_without_experience_the_order_stays():
    known = experience([], FACTS, TASK)
    assert known.ordered(ROLES) == ROLES and known.sentence(ROLES) is None


def test_a_gain_on_a_like_set_moves_a_candidate_forward():
    known = experience([past("a", 0, 0.80), past("a", 1, 0.84)], FACTS, TASK)
    assert known.gains["rate"].mean == pytest.approx(1.0)  # 4 points are two usual gains; the prior halves them
    assert known.gains["rate"].deviation == pytest.approx(0.5**0.5)
    assert known.ordered(ROLES) == ["rate", "enlarged", "lite1", "lite2"]
    assert known.sentence(ROLES) == (
        "earlier runs, in multiples of a usual gain over the default recipe: rate (+1.0 on 1 set)"
    )


def test_a_loss_moves_it_back_and_other_sets_count_less():
    far = FACTS.model_copy(update={"images": 400 * 16, "classes": 80})
    losses = [past("a", 0, 0.80), past("a", 1, 0.76, role="enlarged")]
    assert experience(losses, FACTS, TASK).ordered(ROLES)[-1] == "enlarged"
    assert abs(experience(losses, far, TASK).gains["enlarged"].mean) < 0.1
    assert experience(losses, far, TASK).ordered(ROLES) == ROLES
    assert likeness(FACTS, FACTS) == 1.0 > likeness(FACTS, far) > 0.0


def test_a_set_that_was_run_often_counts_once():
    once = experience([past("a", 0, 0.80), past("a", 1, 0.84)], FACTS, TASK)
    often = [past(run, trial, score, data="a") for run in "abc" for trial, score in ((0, 0.80), (1, 0.84))]
    assert experience(often, FACTS, TASK) == once
    three = experience([each.model_copy(update={"data": each.run}) for each in often], FACTS, TASK)
    assert three.sets == {"rate": 3} and three.gains["rate"].mean == pytest.approx(1.5)


def test_a_trial_that_was_ended_early_is_compared_at_its_last_epoch():
    default = past("a", 0, 0.90, scores={0: 0.5, 1: 0.6, 2: 0.8, 3: 0.9})
    early = past("a", 1, 0.70, scores={0: 0.5, 1: 0.62}, ended_early=True)
    assert experience([default, early], FACTS, TASK).gains["rate"].mean == pytest.approx(0.5)


def test_what_cannot_be_compared_says_nothing():
    for trials in (
        [past("a", 1, 0.9)],  # no default
        [past("a", 0, None), past("a", 1, 0.9)],
        [past("a", 0, 0.8), past("b", 1, 0.9)],
        [past("a", 0, 0.8), past("a", 1, 0.9, metric="log_loss")],
        [past("a", 0, 0.8, task="other"), past("a", 1, 0.9, task="other")],
        [past("a", 0, 0.8), past("a", 1, 0.9, role="")],  # of a sweep
    ):
        assert experience(trials, FACTS, TASK) == Experience()


def test_a_metric_of_which_less_is_better():
    lower = {"metric": "log_loss", "lower_is_better": True}
    found = experience([past("a", 0, 1.0, **lower), past("a", 1, 0.8, **lower)], FACTS, TASK)
    assert found.gains["rate"].mean == pytest.approx(0.5)  # a fifth less is the usual gain

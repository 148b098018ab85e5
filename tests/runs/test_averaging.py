"""AutoMode's last trial: the average of networks that were trained, in one network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Predictor, Workspace
from automl_vision.core.files import read_json, write_json
from automl_vision.core.records import RESULT_FILE, RunStatus, TrialResult, TrialStatus
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.packaging.package import package
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.runs.automode import Opinion
from automl_vision.runs.averaging import DefaultTiming, chosen_shares, is_mirrored, planned_average
from automl_vision.runs.budget import Timing
from automl_vision.runs.spec import read_run_spec
from automl_vision.runs.trial_sources import TrialState
from automl_vision.search.planned_trial import PlannedTrial, planned_trial
from automl_vision.training.combination import combine
from automl_vision.training.trial import train
from automl_vision.workspace.trial_folder import PLAN_FILE
from conftest import RecordingReporter, small_hyperparameters, write_shape_folders
from runs_here import resume_here, work_here

Logits = np.ndarray

SIZES = ("training_crop_size", "validation_resize_size", "validation_crop_size")


@pytest.fixture
def scored(tmp_path: Path) -> tuple[Dataset, Logits]:
    """A set, and for each image logits that are right and not sure of it."""
    dataset = Dataset.open(write_shape_folders(tmp_path / "data")).with_validation(0.5)
    return dataset, np.where(dataset.targets, 1.0, 0.0)


def test_networks_with_different_mistakes_are_averaged_and_bad_ones_are_not(scored: tuple[Dataset, Logits]):
    dataset, right = scored
    rows = np.flatnonzero(dataset.splits == "val")
    random = np.random.default_rng(0)
    outputs = {number: right[rows] + random.normal(0, 0.8, right[rows].shape) for number in (0, 3)}
    outputs[5] = random.normal(0, 5, right[rows].shape)
    shares = chosen_shares(outputs, dict.fromkeys(outputs, 1.0), create_scoring(CLASSIFICATION, dataset), rows)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[0] == pytest.approx(shares[3], abs=0.2)
    assert shares.get(5, 0.0) < 0.1


def test_one_network_that_is_clearly_better_stays_alone(scored: tuple[Dataset, Logits]):
    dataset, right = scored
    rows = np.flatnonzero(dataset.splits == "val")
    noise = np.random.default_rng(0).normal(0, 1, right[rows].shape)
    prior, scoring = {0: 2.0, 1: 1.0}, create_scoring(CLASSIFICATION, dataset)
    assert chosen_shares({0: 300 * noise, 1: 50 * right[rows]}, prior, scoring, rows) == {1: 1.0}
    harmless = chosen_shares({0: noise, 1: 50 * right[rows]}, prior, scoring, rows)
    assert harmless[1] > 0.8  # it changes no answer, so nothing is clear


def test_time_is_kept_for_it_while_the_default_recipe_is_trained():
    own, largest = opinions = [
        Opinion(PlannedTrial(model_name="a", hyperparameters=small_hyperparameters()), cost) for cost in (1, 3)
    ]
    timing = Timing(setup=20.0, epoch=10.0, finish=24.0, features=12.0, predictions=4.0, steps=10)
    seconds = DefaultTiming.of(timing)
    needed = {count: seconds.needed(some) for count, some in ((1, [own]), (2, [largest]), (3, opinions))}
    assert 6 * seconds.predictions < needed[1] < needed[2] < needed[3]
    assert seconds.affordable(opinions, needed[3]) == opinions
    assert seconds.affordable(opinions, needed[3] - 1) == [largest]
    assert seconds.affordable(opinions, needed[2] - 1) == [own]
    assert seconds.affordable(opinions, needed[1] - 1) == []
    assert seconds.kept(opinions, 6 * needed[3]) == needed[3]
    mirrored = seconds.of_average([])
    assert seconds.predictions < mirrored < needed[1]
    assert seconds.kept(opinions, 4.9 * needed[1]) == mirrored  # a head would take more than a fifth
    assert seconds.kept([], 10 * mirrored) == mirrored
    assert seconds.kept([], 9 * mirrored) == 0.0
    slow = replace(seconds, epoch=100.0)
    in_three_epochs = slow.setup + slow.finish + 3 * slow.epoch
    assert replace(slow, steps=33).kept(opinions, in_three_epochs) == needed[3]  # it would hardly be trained
    assert replace(slow, steps=34).kept(opinions, in_three_epochs) == needed[1]  # what a fifth of the time suffices for


def test_what_the_default_recipe_needed_counts_once_it_is_known():
    opinion = Opinion(PlannedTrial(model_name="a", hyperparameters=small_hyperparameters()), 2.0)
    timing = Timing(setup=20.0, epoch=10.0, finish=24.0, features=12.0, predictions=4.0)
    values = {"best_epoch": 1, "fine_tuned_share": 1.0, "epochs": 1, "primary_metric": "accuracy", "score": 0.5}
    result = TrialResult(**values, seconds=60.0, weights_source="package: a", final_seconds=14.0)
    guessed = DefaultTiming.of(timing)
    known = guessed.corrected(result, probed=guessed.features + 7.0)
    assert known.of_opinion(opinion) == pytest.approx(guessed.of_opinion(opinion) + 2 * (10 + 7))
    assert known.of_average([opinion]) == pytest.approx(guessed.of_average([opinion]) + 1.5 * 2 * 10)


@pytest.mark.parametrize("side", [32, 64])
def test_a_trial_of_trials_answers_their_mean_and_is_packaged(
    tmp_path: Path, make_spec: Callable[..., TrialSpec], side: int
):
    """Packaging proves that the one network answers what is reported, part of which its members had predicted."""
    dataset = Dataset.open(write_shape_folders(tmp_path / "data", per_class=12)).with_validation(0.3)
    members = []
    for number in (0, 1):
        sizes = dict.fromkeys(SIZES, side if number else 32)
        spec = make_spec(dataset, number_of_epochs=1, folder=str(tmp_path / str(number)), seed=number, **sizes)
        train(spec, RecordingReporter())
        write_json(Path(spec.folder) / "spec.json", spec.model_dump())
        members.append(spec)

    def calibrated(place: str) -> Logits:
        found = Predictions.load(Path(place) / PREDICTIONS_FILE).of_split("val")
        return found.logits / found.calibration.temperature

    mean = sum(share * calibrated(each.folder) for share, each in zip((0.75, 0.25), members, strict=True))
    alone = read_json(Path(members[0].folder) / "result.json")
    for mirrored in ((), (True, False)):
        folder = tmp_path / f"average {any(mirrored)}"
        spec = members[1].model_copy(
            update={
                "folder": str(folder),
                "members": tuple(each.folder for each in members),
                "shares": (0.75, 0.25),
                "mirrored": mirrored,
            }
        )
        result = combine(spec, RecordingReporter())
        write_json(folder / "spec.json", spec.model_dump())
        found = Predictions.load(folder / PREDICTIONS_FILE).of_split("val").logits
        is_asked_again = bool(mirrored) or side != 32  # of one of them
        assert (np.abs(found - mean).max() > 1e-4) == is_asked_again
        assert np.abs(found - mean).max() < 0.3
        assert result.parameters > 1.9 * alone["parameters"]
        assert result.final_seconds > 0
        model = package(folder, tmp_path / f"model {any(mirrored)}")
        assert Predictor(model).description.parity["largest_difference"] < 1e-4


def test_automode_averages_what_it_trained_and_an_interrupted_run_does_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With the pretrained weights that are installed, on small drawn shapes, whatever their loss."""
    sizes = dict.fromkeys(SIZES, 64)
    settings = ClassificationHyperparameters.model_validate({**sizes, "precision": "fp32"})
    head = PlannedTrial(model_name="efficientnet_lite1", hyperparameters=settings, head_only=True, role="head only")
    monkeypatch.setattr("automl_vision.runs.automode_search.second_opinion_trials", lambda _: [Opinion(head, 1.5)])
    monkeypatch.setattr(
        "automl_vision.runs.averaging.chosen_shares", lambda outputs, *_: dict.fromkeys(outputs, 1 / len(outputs))
    )
    config = AutoMLVisionConfig(
        task=CLASSIFICATION,
        training_data=write_shape_folders(tmp_path / "data"),
        iterations=2,
        arguments={**sizes, "number_of_epochs": 1, "precision": "fp32"},
    )
    run = work_here(Experiment(Workspace(tmp_path / "workspace"), "auto"), config)
    _, second, average = run.get_children()
    assert second.get_details()["role"] == "head only"
    assert second.get_details()["result"]["epochs"] == 0
    assert average.get_details()["role"] == "average of trials 0 and 1 with mirror images"
    assert average.model_name == "efficientnet_lite0 + efficientnet_lite1"
    assert average.get_status() == "Completed"
    assert "average of trials 0 and 1" in repr(run.leaderboard())
    (average.folder.path / RESULT_FILE).unlink()  # as if it had been killed before its end
    average.folder.update(status=TrialStatus.RUNNING)
    run.folder.update(decision=None, status=RunStatus.RUNNING)
    resume_here(run)
    assert len(run.get_children()) == 3
    assert average.get_status() == "Completed"
    assert (average.folder.path / RESULT_FILE).exists()
    assert run.get_details()["decision"]["trial"] in (0, 1, 2)

    spec, dataset = read_run_spec(run.folder.id, run.folder.spec()), Dataset.load(run.folder.manifest)

    def planned(*numbers: int, may_fit: Callable[..., bool] = lambda *_: True) -> PlannedTrial | str | None:
        plans = {number: read_json(run.folder.trial(number).path / PLAN_FILE) for number in numbers}
        states = [
            TrialState(number, planned_trial(CLASSIFICATION, plan), TrialStatus.COMPLETED)
            for number, plan in plans.items()
        ]
        return planned_average(run.folder, spec, dataset, states, may_fit)

    alone = planned(0)
    assert isinstance(alone, PlannedTrial)
    assert (alone.members, alone.shares, alone.mirrored) == ((0,), (1.0,), (True,))
    assert alone.role == "average of trial 0 with mirror images"
    assert planned(1) == "trial 1 alone is kept"  # of which the head was trained
    both = planned(0, 1, may_fit=lambda *trials: len(trials) < 3)
    assert isinstance(both, PlannedTrial)
    assert both.mirrored == (False, False)  # which would take too long
    unflipped = settings.model_copy(update={"augmentation": "none"})
    assert not is_mirrored(PlannedTrial(model_name="a", hyperparameters=unflipped))

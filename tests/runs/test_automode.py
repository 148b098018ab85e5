"""The search without a search space: the default first, a portfolio around it, and a test before it is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Workspace
from automl_vision.compute.compute import Failure, Job, Slot
from automl_vision.compute.local import LocalCompute
from automl_vision.core.files import read_json, write_json
from automl_vision.core.records import Message, Ranking, TrialStatus
from automl_vision.core.tasks import CLASSIFICATION, TASKS
from automl_vision.experiment.experiment import run_spec
from automl_vision.recipes.catalog import family_of
from automl_vision.recipes.network_costs import network_costs
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.runs.automode import automode_policy, candidate_trials, default_trial, second_opinion_trials
from automl_vision.runs.default_gate import decide
from automl_vision.runs.jobs import Jobs
from automl_vision.runs.probing import probe_candidates, probing_seconds
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.timing import timing_seconds
from automl_vision.runs.trial_sources import TrialState
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.policies import (
    POLICIES,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    SuccessiveHalvingPolicy,
)
from automl_vision.search.portfolio import Candidate, planned_candidate, portfolio, probed_candidates
from automl_vision.training.trial import train
from automl_vision.workspace.run_folder import RunFolder
from conftest import RecordingReporter, write_shape_folders
from runs_here import work_here

DETECTION = "image-object-detection"
ACCURACY = Ranking("accuracy")


def base_trial(task: str = CLASSIFICATION, **settings: object) -> PlannedTrial:
    name = TASKS[task].default_model
    return PlannedTrial(model_name=name, hyperparameters=family_of(task, name).model_validate(settings))


def spec(**changes: object) -> RunSpec:
    values = {
        "experiment": "e",
        "task": CLASSIFICATION,
        "manifest": "m",
        "max_bad_share": 0.2,
        "primary_metric": "accuracy",
        "trials": [base_trial()],
        "budget_seconds": 100.0,
        "seed": 0,
        "threads": 0,
        "workspace": "w",
        "iterations": 20,
        "automode": True,
    }
    return RunSpec(**{**values, **changes})  # type: ignore[arg-type]


def keys(candidates: list[Candidate]) -> list[str]:
    return [f"{c.key}{'' if c.rate == 1 else f' x{c.rate}'}" for c in candidates]


def test_backbones_and_a_larger_resolution_are_probed():
    found = keys(probed_candidates(base_trial(), CLASSIFICATION, {}))
    assert found[:2] == ["efficientnet_lite1", "efficientnet_lite2"]
    assert "efficientnet_lite0 at 288 px" in found
    assert "efficientnet_lite0" not in found  # that is the default recipe


def test_the_best_probes_come_first_and_rates_between_them():
    probes = {"efficientnet_lite1": 0.7, "efficientnet_lite2": 0.9, "efficientnet_lite0 at 288 px": 0.8}
    assert keys(portfolio(base_trial(), CLASSIFICATION, {}, probes)) == [
        "efficientnet_lite2",
        "efficientnet_lite0 x2.5",
        "efficientnet_lite0 at 288 px",
        "efficientnet_lite0 x0.4",
        "efficientnet_lite1",
        "efficientnet_lite2 x2.5",
        "efficientnet_lite2 x0.4",
    ]


@pytest.mark.parametrize(
    ("fixed", "absent"),
    [
        ({"model_name": "efficientnet_lite0"}, "lite1"),
        ({"weights": "weights.safetensors"}, "lite1"),
        ({"learning_rate": 0.001}, " x"),
        ({"crop_size": 224}, "288 px"),
    ],
)
def test_what_the_user_fixed_is_not_varied(fixed: dict[str, object], absent: str):
    probes = {c.key: 0.5 for c in probed_candidates(base_trial(), CLASSIFICATION, fixed)}
    found = keys(portfolio(base_trial(), CLASSIFICATION, fixed, probes))
    assert found
    assert not any(absent in key for key in found)


@pytest.mark.parametrize("fixed", [{"model_name": "resnet18"}, {"arguments": {"model_name": "resnet18"}}])
def test_an_algorithm_that_is_fixed_in_the_config_stays(tmp_path: Path, fixed: dict[str, Any]):
    config = AutoMLVisionConfig(task=CLASSIFICATION, training_data="photos", iterations=9, **fixed)
    run = run_spec(config, Experiment(Workspace(tmp_path), "e"), tmp_path / "manifest")
    probes = {c.key: 0.5 for c in probed_candidates(run.trials[0], run.task, run.arguments)}
    assert probes.keys() == {"resnet18 at 288 px"}
    planned = candidate_trials(run, probes, 0.01)
    assert len(planned) > 2
    assert {trial.model_name for trial in planned} == {"resnet18"}
    assert [each.planned.model_name for each in second_opinion_trials(run)] == ["resnet18"]


def test_recorded_probes_stay_once_a_candidate_was_chosen_by_them(
    tmp_path: Path, compute: LocalCompute, shapes: Dataset
):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    write_json(folder.path / "probes.json", {"efficientnet_lite1": 0.5, "resnet50": None})
    for number, head_only in enumerate((False, True, False)):
        folder.trial(number).write_plan(base_trial().model_copy(update={"head_only": head_only}).model_dump())
    jobs = Jobs(spec(), folder, compute, shapes, tmp_path)
    assert probe_candidates(jobs, Slot(0), 60.0) == {"efficientnet_lite1": 0.5}


@dataclass
class _Probe:
    """Has ended with a failure, with a score, or, for None, never ends."""

    job: Job
    end: Failure | float | None

    def is_running(self) -> bool:
        return self.end is None

    def failure(self) -> Failure | None:
        return self.end if isinstance(self.end, Failure) else None

    def cancel(self) -> None:
        """Nothing runs."""


class _Probing(LocalCompute):
    """Ends the probe of ResNet-50 as told, those of others with a score."""

    def __init__(self, end: Failure | None) -> None:
        super().__init__([])
        self._end = end

    def submit(self, job: Job, slot: Slot | None = None) -> _Probe:
        if job.arguments["spec"]["model_name"] == "resnet50":
            return _Probe(job, self._end)
        write_json(job.folder / "probe.json", {"score": 0.5})
        return _Probe(job, 0.5)

    def wait(self, jobs: object, timeout: float) -> None:
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("end", "missing"),
    [
        (Failure("no weights can be read from /github/weights", "", "WeightsUnavailableError"), set()),
        (Failure("no hub answers", "", "HubUnreachableError"), {"vits16r224", "seresnext"}),
    ],
)
def test_without_a_hub_no_other_weights_are_asked_for(tmp_path: Path, shapes: Dataset, end: Failure, missing: set[str]):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    probe_candidates(Jobs(spec(), folder, _Probing(end), shapes, tmp_path), Slot(0), 60.0)
    stored = read_json(folder.path / "probes.json")
    candidates = {candidate.key for candidate in probed_candidates(base_trial(), CLASSIFICATION, {})}
    assert stored == {key: None if key == "resnet50" else 0.5 for key in candidates - missing}


def test_a_probe_that_the_clock_ends_is_not_remembered(tmp_path: Path, shapes: Dataset):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    known = {"efficientnet_lite1": 0.5, "efficientnet_lite2": 0.5}
    write_json(folder.path / "probes.json", known)
    assert probe_candidates(Jobs(spec(), folder, _Probing(None), shapes, tmp_path), Slot(0), 0.2) == known
    assert read_json(folder.path / "probes.json") == known


def test_what_is_spent_before_a_short_search_is_bounded():
    assert [timing_seconds(left) for left in (-1, 15, 60, 3600)] == [-1 / 3, 5, 10, 360]
    assert [probing_seconds(left, 10) for left in (60, 3600)] == [9, 60]
    assert probing_seconds(3600, 200) == 200


def test_detectors_are_tried_without_probes():
    base = base_trial(DETECTION)
    assert probed_candidates(base, DETECTION, {}) == []
    found = portfolio(base, DETECTION, {}, {})
    assert found
    planned = [planned_candidate(c, base, DETECTION, {}, learning_rate=0.005) for c in found]
    assert all(trial is not None for trial in planned)
    rates = {trial.hyperparameters.learning_rate for trial in planned if trial is not None}
    assert {0.0125, 0.002} <= rates


def test_what_the_data_suggest_is_tried_before_other_detectors_and_no_network_under_two_names():
    suggested = [{"min_size": 480}, {"min_size": 320, "tile_grid_size": "3x2"}, {"mosaic": 0.5}]
    found = keys(portfolio(base_trial(DETECTION), DETECTION, {}, {}, suggested=suggested))
    name = "fasterrcnn_efficientnet_lite0_fpn"
    wanted = [f"{name} at 480 px", f"{name} x2.5", f"{name} in 3x2 tiles", f"{name} x0.4", f"{name} with mosaics"]
    assert found[:5] == wanted
    assert ("tood" in found, "yolov5" in found) == (True, False)


def test_a_suggestion_does_not_change_what_the_user_fixed():
    suggested = [{"min_size": 480}, {"mosaic": 0.5}]
    found = keys(portfolio(base_trial(DETECTION), DETECTION, {"min_size": 400}, {}, suggested=suggested))
    assert found[0].endswith("with mosaics")


def test_random_weights_have_no_features_to_probe():
    assert probed_candidates(base_trial(pretrained=False), CLASSIFICATION, {}) == []


def test_earlier_weights_fit_only_their_own_backbone():
    base = base_trial().model_copy(update={"start_from": "weights.safetensors"})
    assert probed_candidates(base, CLASSIFICATION, {}) == []
    found = portfolio(base, CLASSIFICATION, {}, {})
    assert keys(found) == ["efficientnet_lite0 x2.5", "efficientnet_lite0 x0.4"]
    planned = planned_candidate(found[0], base, CLASSIFICATION, {}, learning_rate=0.1)
    assert planned is not None
    assert planned.start_from == "weights.safetensors"


def test_features_are_kept_for_the_next_trials(tmp_path: Path):
    from automl_vision.recipes.network import WeightsOrigin
    from automl_vision.training.features import features_file, keep_features

    features = np.arange(6, dtype=np.float32).reshape(3, 2)
    package, rows = WeightsOrigin("package", "p", None), np.arange(3)
    file = features_file(tmp_path, "print", rows, "lite0", package)
    assert file is not None and not file.exists()
    keep_features(file, features)
    assert np.array_equal(np.load(file), features)
    others = [("other", rows, "lite0"), ("print", rows[::-1], "lite0"), ("print", rows, "lite1")]
    assert len({file, *(features_file(tmp_path, *other, package) for other in others)}) == 4
    assert features_file(tmp_path, "print", rows, "lite0", WeightsOrigin("file", "w", None)) is None
    keep_features(None, features)
    assert len(list(tmp_path.rglob("*.npy"))) == 1


def test_a_short_time_lets_the_probe_see_fewer_images(tmp_path: Path, make_spec: Callable[..., TrialSpec]):
    data = Dataset.open(write_shape_folders(tmp_path / "data", per_class=90)).with_validation(0.2)
    trial = make_spec(
        data, model_name="efficientnet_lite0", pretrained=True, freeze_batch_norm=True, budget_seconds=1.0
    )
    reporter = RecordingReporter()
    result = train(trial, reporter)
    assert any(message.startswith("the probe uses 200 of 216 training images") for message in reporter.messages)
    assert result.epochs == 0
    assert result.score > 1 / 3


def test_the_default_recipe_is_first_and_untouched():
    run = spec()
    assert default_trial(run).hyperparameters == run.trials[0].hyperparameters
    planned = candidate_trials(run, {"efficientnet_lite1": 0.9}, 5e-4)
    assert [trial.model_name for trial in planned[:2]] == ["efficientnet_lite1", "efficientnet_lite0"]
    assert planned[1].hyperparameters.learning_rate == 0.00125


def test_heads_of_other_networks_are_trained_where_that_costs_seconds():
    own, largest = second_opinion_trials(spec())
    assert own.planned.role == "efficientnet_lite0 at 288 px, head only"
    assert largest.planned.role == "efficientnet_lite2 at 288 px, head only"
    for opinion in (own, largest):
        assert opinion.planned.head_only
        assert opinion.planned.hyperparameters.validation_crop_size == 288
    larger = (288 / 224) ** 2
    assert own.cost == pytest.approx(larger)
    assert largest.cost == pytest.approx(larger * network_costs()["efficientnet_lite2"].latency)
    assert [each.planned for each in second_opinion_trials(spec(iterations=2))] == [own.planned]
    for changes in (
        {"ensemble": False}, {"iterations": 1}, {"arguments": {"crop_size": 224}},
        {"task": DETECTION, "trials": [base_trial(DETECTION)]}, {"trials": [base_trial(pretrained=False)]},
    ):  # fmt: skip
        assert second_opinion_trials(spec(**changes)) == []


def test_candidates_are_halved_unless_the_user_says_otherwise():
    for validations, first_rung in ((0, 1), (4, 1), (15, 5), (30, 10)):
        expected = SuccessiveHalvingPolicy(reduction_factor=3, min_intervals=first_rung)
        assert automode_policy(spec(), validations) == expected
    for policy in (MedianStoppingPolicy(), NoTerminationPolicy()):
        assert automode_policy(spec(policy=POLICIES.to_json(policy)), 15) == policy


@pytest.mark.parametrize(
    ("gains", "losses", "candidates", "kept", "reason"),
    [
        (0, 0, 1, 0, "none of 1 others scored better"),
        (2, 1, 1, 0, "trial 1 (accuracy 0.8050 against 0.8000) is better with a probability of "),
        (30, 22, 1, 0, "not proven, McNemar's exact test on 200 validation images"),  # many changes say little
        (
            3,
            1,
            1,
            1,
            "trial 1 replaces the default recipe: accuracy 0.8100 against 0.8000; better with a probability of 8",
        ),
        (
            20,
            2,
            1,
            1,
            "accuracy 0.8900 against 0.8000; better with a probability of 99%; shown at 0.05, McNemar's exact",
        ),
        (9, 1, 3, 1, "not proven, McNemar's exact test on 200 validation images: p 0.021"),  # 2 x (1 + 10) / 1024
    ],
)
def test_the_default_is_left_only_for_something_probably_better(
    tmp_path: Path, gains: int, losses: int, candidates: int, kept: int, reason: str
):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    default, better = answers_of_two(gains, losses)
    states = recorded_states(folder, [default, *[better] * candidates])
    decision = decide(folder, states, ACCURACY)
    assert decision is not None
    assert decision.trial == kept
    assert reason in decision.reason


@pytest.mark.parametrize(("gains", "losses", "probable", "strict"), [(3, 1, 1, 0), (20, 2, 1, 1), (8, 20, 0, 0)])
def test_a_strict_gate_wants_a_proof(tmp_path: Path, gains: int, losses: int, probable: int, strict: int):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    default, better = answers_of_two(gains, losses)
    states = recorded_states(folder, [default, better])
    for gate, kept in (("probable", probable), ("strict", strict)):
        decision = decide(folder, states, ACCURACY, gate)
        assert decision is not None
        assert decision.trial == kept


@pytest.mark.parametrize(
    ("images", "right", "fewer", "kept"),  # answers of the default recipe that are right, and what the average lacks
    [(60, 48, 0, 2), (60, 48, 12, 0), (54, 37, 0, 2), (54, 37, 3, 0), (100, 98, 0, 0)],
)
def test_an_average_is_known_to_be_better_unless_there_is_little_to_gain_or_the_images_say_no(
    tmp_path: Path, images: int, right: int, fewer: int, kept: int
):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    default = np.arange(images) < right
    average = default.copy()
    average[:fewer] = False
    states = recorded_states(folder, [default, np.roll(default, images // 2), average])
    average_of_both = {"members": (0, 1), "role": "average of trials 0 and 1"}
    states[2].planned = states[2].planned.model_copy(update=average_of_both)
    decision = decide(folder, states, ACCURACY)
    assert decision is not None
    assert decision.trial == kept
    if kept:
        assert "an average of trials 0 and 1; on other sets averages had 8% fewer errors" in decision.reason
        assert "better by more than 0.0025" in decision.reason
        strict = decide(folder, states, ACCURACY, "strict")
        assert strict is not None and strict.trial == 0


def test_nothing_replaces_a_default_recipe_without_mistakes(tmp_path: Path):
    """An average is better on other sets, but takes longer, and here it has nothing to gain."""
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    states = recorded_states(folder, [np.ones(6), np.ones(6), np.ones(6)])
    states[2].planned = states[2].planned.model_copy(update={"members": (0, 1)})
    decision = decide(folder, states, ACCURACY)
    assert decision is not None and decision.trial == 0
    assert "none of 2 others scored better" in decision.reason


def answers_of_two(gains: int, losses: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of 200 images the default has right, and another trial, which gains some and loses some of them."""
    default = np.arange(200) < 160
    other = default.copy()
    other[160 : 160 + gains] = True
    other[:losses] = False
    return default, other


def recorded_states(folder: RunFolder, values: list[np.ndarray], *, sign: int = 1) -> list[TrialState]:
    """Trials that left a value per image: whether they have it right, or with -1 as sign its loss."""
    for number, each in enumerate(values):
        path = folder.trial(number).path
        path.mkdir(parents=True, exist_ok=True)
        np.savez(path / "comparison.npz", scores=each)
    return [
        TrialState(number, base_trial(), TrialStatus.COMPLETED, score=sign * float(each.mean()))
        for number, each in enumerate(values)
    ]


def test_a_metric_of_which_lower_is_better_is_judged_the_same_way(tmp_path: Path):
    """An accuracy and the log loss of the same images agree on which trial is the better one."""
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    random = np.random.default_rng(0)
    losses = [random.gamma(1.0, 0.5, 200)]
    losses.append(0.7 * losses[0])
    ranking = Ranking("log_loss", lower_is_better=True)
    for order, kept in (((0, 1), 1), ((1, 0), 0)):
        states = recorded_states(folder, [losses[of] for of in order], sign=-1)
        decision = decide(folder, states, ranking)
        assert decision is not None and decision.trial == kept


def test_without_a_rival_or_a_default_there_is_nothing_to_compare(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    done, failed = (
        TrialState(0, base_trial(), status, score=0.5) for status in (TrialStatus.COMPLETED, TrialStatus.FAILED)
    )
    other = TrialState(1, base_trial(), TrialStatus.COMPLETED, score=0.4)
    assert decide(folder, [failed], ACCURACY) is None
    alone, without = decide(folder, [done], ACCURACY), decide(folder, [failed, other], ACCURACY)
    assert alone is not None
    assert (alone.trial, alone.reason) == (0, "the default recipe is kept: no other one was trained")
    assert without is not None
    assert without.trial == 1
    diverged = decide(folder, [TrialState(0, base_trial(), TrialStatus.COMPLETED), other], ACCURACY)
    assert diverged is not None
    assert (diverged.trial, "the default recipe cannot be taken" in diverged.reason) == (1, True)
    unknown = decide(folder, [done, TrialState(1, base_trial(), TrialStatus.COMPLETED, score=0.9)], ACCURACY)
    assert unknown is not None
    assert (unknown.trial, "cannot be compared" in unknown.reason) == (0, True)


@pytest.mark.parametrize(
    ("scores", "allowed", "kept", "reason"),
    [
        ({0: 0.5}, {0}, 0, "the default recipe is kept: no other one was trained"),
        (
            {0: 0.5, 1: 0.6},
            {0},
            0,
            "the default recipe is kept: no other one can be taken; not known to keep the limits: 1",
        ),
        (
            {0: 0.5, 1: None, 2: 0.9},
            {0, 1},
            0,
            "the default recipe is kept: no other one can be taken; not known to keep the limits: 2; "
            "with a score that is not a number: 1",
        ),
        (
            {0: 0.5, 1: 0.4},
            {1},
            1,
            "trial 1 is kept: the default recipe cannot be taken; not known to keep the limits: 0",
        ),
    ],
)
def test_a_decision_names_the_trials_that_could_not_be_kept(
    tmp_path: Path, scores: dict[int, float | None], allowed: set[int], kept: int, reason: str
):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    trained = [TrialState(n, base_trial(), TrialStatus.COMPLETED, score=score) for n, score in scores.items()]
    decision = decide(folder, [trial for trial in trained if trial.number in allowed], ACCURACY, trained=trained)
    assert decision is not None
    assert (decision.trial, decision.reason) == (kept, reason)


def test_a_trial_that_failed_is_not_called_untrained(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    done = TrialState(0, base_trial(), TrialStatus.COMPLETED, score=0.5)
    decision = decide(folder, [done, TrialState(1, base_trial(), TrialStatus.FAILED)], ACCURACY)
    assert decision is not None
    assert decision.reason == "the default recipe is kept: no other one has a result"


def test_automode_searches_tests_and_says_so(tmp_path: Path):
    """With the pretrained weights that are installed, on drawn shapes."""
    arguments = {
        "training_crop_size": 64,
        "validation_resize_size": 64,
        "validation_crop_size": 64,
        "number_of_epochs": 1,
        "precision": "fp32",
    }
    config = AutoMLVisionConfig(
        task=CLASSIFICATION,
        training_data=write_shape_folders(tmp_path / "data"),
        iterations=2,
        arguments=arguments,
    )
    run = work_here(Experiment(Workspace(tmp_path / "workspace"), "auto"), config)
    run.wait_for_completion()
    first, second, *average = run.get_children()
    assert first.get_details()["role"] == "default recipe"
    assert first.hyperparameters | arguments == first.hyperparameters
    assert second.model_name in ("efficientnet_lite1", "efficientnet_lite2")
    assert len(average) <= 1
    decision = run.get_details()["decision"]
    messages = [event.text for event in run.folder.events.read()[0] if isinstance(event, Message)]
    assert decision["reason"] in messages
    assert any(text.startswith("probe of efficientnet_lite1: accuracy") for text in messages)
    recorded = {key: score for key, score in read_json(run.folder.path / "probes.json").items() if score is not None}
    assert run.get_details()["probes"] == recorded
    assert recorded["efficientnet_lite1"] > 0
    assert run.get_details()["best_trial"] == run.get_best_child().number == decision["trial"]
    assert "default recipe" in repr(run.leaderboard())


@pytest.mark.slow
def test_a_time_too_short_for_more_gives_the_default_alone(tmp_path: Path):
    arguments = {"training_crop_size": 64, "validation_resize_size": 64, "validation_crop_size": 64}
    config = AutoMLVisionConfig(
        task=CLASSIFICATION,
        training_data=write_shape_folders(tmp_path / "data"),
        experiment_timeout_hours=40 / 3600,
        arguments=arguments | {"number_of_epochs": 500, "early_stopping": 0, "precision": "fp32"},
    )
    run = Experiment(Workspace(tmp_path / "workspace"), "auto").submit(config)
    run.wait_for_completion()
    assert len(run.get_children()) == 1
    assert run.get_details()["seconds"] < 45  # the machine may be busy with other things
    assert run.get_details()["decision"]["reason"] == "the default recipe is kept: no other one was trained"

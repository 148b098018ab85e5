"""Many trials: slots, early termination, deadline, crashes; with real processes and a small network that trains."""

from __future__ import annotations

import json
import math
import random
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from automl_vision import (
    AutoMLVisionConfig,
    BanditPolicy,
    Dataset,
    Experiment,
    GridParameterSampling,
    RandomParameterSampling,
    Run,
    Workspace,
    choice,
    loguniform,
    normal,
    quniform,
    randint,
    uniform,
)
from automl_vision.compute.compute import Job, Slot
from automl_vision.compute.local import LocalCompute
from automl_vision.core.errors import ConfigError, RunFailedError, RunNotFoundError, StorageError
from automl_vision.core.files import read_json
from automl_vision.core.records import Event, Message, Ranking, TrialStatus
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.runs.budget import Budget, Timing, fits_another, plan_text
from automl_vision.runs.repeated_failures import repeated_failure
from automl_vision.runs.trial_loop import CanceledError, TrialLoop
from automl_vision.runs.trial_sources import FixedTrials, SampledTrials, TrialState
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.policies import Policy
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder
from conftest import SMALL_MODEL, small_hyperparameters
from processes import PRELOADED, is_alive, wait_for
from reporting import report_trial
from runs_here import kill_controller, resume_here, start_here, work_here

SMALL = {
    "pretrained": False,
    "training_crop_size": 32,
    "validation_resize_size": 32,
    "validation_crop_size": 32,
    "precision": "fp32",
    "number_of_epochs": 2,
    "training_batch_size": 8,
}


# --- the event loop, with trials that do nothing but report -----------------------------------------------------------


class Recorder:
    """Hears what the loop does."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.at_once = self.most_at_once = 0
        self.problem: Exception | None = None

    def started(self, trial: TrialFolder, planned: PlannedTrial) -> None:
        self.heard.append(("started", trial.number))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)

    def reported(self, trial: TrialFolder, events: Sequence[Event], offset: int) -> None:
        self.heard.append(("reported", trial.number))

    def ended(self, trial: TrialFolder, status: TrialStatus) -> None:
        self.heard.append((status, trial.number))
        self.at_once -= 1
        trial.update_published(ended=True)

    def check(self) -> None:
        if self.problem is not None:
            raise self.problem


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.create({})
    return run


PLANNED = PlannedTrial(model_name=SMALL_MODEL, hyperparameters=small_hyperparameters())


def run_loop(
    folder: RunFolder,
    trials: list[dict[str, Any]],
    *,
    slots: int = 2,
    policy: Policy | None = None,
    budget: Budget | None = None,
    metric: str = "accuracy",
    observer: Recorder | None = None,
    planned: list[PlannedTrial] | None = None,
) -> TrialLoop:
    """Run trials that are given by the arguments of `report_trial`."""

    def make_job(trial: TrialFolder, planned: PlannedTrial, slot: Slot, seconds: float) -> Job:
        return Job("reporting:report_trial", {"folder": str(trial.path), **trials[trial.number]}, trial.path)

    loop = TrialLoop(
        task=CLASSIFICATION,
        folder=folder,
        compute=LocalCompute(PRELOADED),
        ranking=Ranking(metric, lower_is_better=metric == "log_loss"),
        make_job=make_job,
        budget=budget or Budget(600),
        observer=observer or Recorder(),
    )
    loop.run(FixedTrials(planned or [PLANNED] * len(trials)), [Slot(i) for i in range(slots)], policy=policy)
    return loop


def statuses(folder: RunFolder) -> list[str]:
    return [trial.record().status for trial in folder.trials()]


def test_slots_are_filled_and_a_failure_stops_nothing(folder: RunFolder):
    trials = [{"scores": [0.1 * i], "pause": 0.1, "then": "raise" if i == 2 else ""} for i in range(6)]
    loop = run_loop(folder, trials, slots=3)
    assert statuses(folder) == ["Completed", "Completed", "Failed", "Completed", "Completed", "Completed"]
    assert folder.trial(2).record().reason == "ValueError: a bad value"
    assert isinstance(loop.observer, Recorder)
    assert loop.observer.most_at_once == 3
    assert [state.score for state in loop.trials] == [0.0, 0.1, None, pytest.approx(0.3), 0.4, 0.5]


def test_a_score_that_is_no_number_is_no_score(folder: RunFolder):
    loop = run_loop(folder, [{"scores": [math.nan]}, {"scores": [math.nan, 0.5]}], slots=1)
    assert statuses(folder) == ["Completed", "Completed"]
    assert [(state.score, state.best) for state in loop.trials] == [(None, None), (None, 0.5)]


def test_where_lower_is_better_a_policy_ends_the_higher_trial(folder: RunFolder):
    trials = [{"scores": [0.4] * 3}, {"scores": [0.9] * 40, "pause": 0.2}, {"scores": [0.3] * 3}]
    policy = BanditPolicy(slack_amount=0.2, delay_evaluation=2)
    loop = run_loop(
        folder, [trial | {"metric": "log_loss"} for trial in trials], slots=1, policy=policy, metric="log_loss"
    )
    assert statuses(folder) == ["Completed", "Terminated", "Completed"]
    assert [state.score for state in loop.trials] == [-0.4, -0.9, -0.3]


def test_a_policy_ends_a_trial_which_keeps_its_result(folder: RunFolder):
    trials = [{"scores": [0.9] * 3}, {"scores": [0.5] * 40, "pause": 0.2}]
    run_loop(folder, trials, slots=1, policy=BanditPolicy(slack_factor=0.1, delay_evaluation=2))
    assert statuses(folder) == ["Completed", "Terminated"]
    record = folder.trial(1).record()
    assert record.reason == "below 0.8182, the best 0.9 less 10 % slack, at evaluation 2"
    assert folder.trial(1).result().score == 0.5
    assert 2 <= len(folder.trial(1).evaluations()) < 20


def test_what_ended_is_not_run_again_and_what_did_not_goes_on(folder: RunFolder):
    trials = [{"scores": [0.1]}, {"scores": [0.1, 0.2, 0.3], "then": "hang"}, {"scores": [0.3]}, {"scores": [0.4]}]

    def cancel_in_the_second() -> None:
        wait_for(lambda: len(folder.trial(1).evaluations()) == 3)
        folder.cancel_request.set()

    threading.Thread(target=cancel_in_the_second, daemon=True).start()
    with pytest.raises(CanceledError):
        run_loop(folder, trials, slots=1)
    folder.cancel_request.clear()
    folder.trial(1).update(status="NotStarted")
    trials[1]["then"] = ""
    run_loop(folder, trials, slots=2)
    assert statuses(folder) == ["Completed"] * 4
    starts = [(folder.trial(i).path / "starts.jsonl").read_text().count("\n") for i in range(4)]
    assert starts == [1, 2, 1, 1]
    assert [e.epoch for e in folder.trial(1).evaluations()] == [1, 2, 3]


def test_a_trial_that_ended_while_nobody_looked_is_taken_up(folder: RunFolder):
    trial = folder.trial(0)
    trial.write_plan(PLANNED.model_dump())
    trial.write_spec({})
    trial.update(status="Running")
    report_trial(str(trial.path), [0.7])
    loop = run_loop(folder, [{"scores": [0.7]}, {"scores": [0.8]}])
    assert statuses(folder) == ["Completed", "Completed"]
    assert (trial.path / "starts.jsonl").read_text().count("\n") == 1
    assert ("Completed", 0) in loop.observer.heard  # type: ignore[attr-defined]


def test_a_proposal_is_recorded_before_it_runs(folder: RunFolder):
    folder.trial(0).write_plan(PLANNED.model_dump())  # killed right after the proposal
    loop = run_loop(folder, [{"scores": [0.7]}])
    assert len(loop.trials) == 1
    assert loop.trials[0].planned == PLANNED


def test_the_time_is_kept_by_ending_what_does_not_end(folder: RunFolder):
    trials = [{"scores": [0.5]}, {"scores": [0.6], "then": "hang"}, {"scores": [0.7]}]
    loop = run_loop(folder, trials, budget=Budget(7.0, packaging=9.0))
    assert statuses(folder) == ["Completed", "Canceled"]
    assert folder.trial(1).record().reason == "the run's time was used up"
    assert loop.time_is_up


def test_a_trial_is_asked_to_end_when_its_time_is_over_and_keeps_its_result(folder: RunFolder):
    loop = run_loop(folder, [{"scores": [0.5] * 400, "pause": 0.1}], budget=Budget(10.0, packaging=9.5))
    assert statuses(folder) == ["Completed"]
    assert loop.trials[0].score == 0.5
    assert len(folder.trial(0).evaluations()) < 400


def test_a_run_whose_trials_all_fail_alike_is_given_up(folder: RunFolder):
    trials: list[dict[str, Any]] = [{"scores": [], "then": "raise"}] * 10 + [{"scores": [], "then": "hang"}] * 4
    with pytest.raises(
        RunFailedError, match=r"10 trials failed for the same reason(.|\n)*ValueError: a bad value\. Repair"
    ):
        run_loop(folder, trials, slots=2)
    assert statuses(folder).count("Failed") == 10
    assert set(statuses(folder)) <= {"Failed", "Canceled"}


def test_a_run_goes_on_until_ten_trials_failed_alike_and_none_has_a_result():
    def states(*reasons: str) -> list[TrialState]:
        return [TrialState(i, PLANNED, TrialStatus.FAILED, reason=reason) for i, reason in enumerate(reasons)]

    sizes = [f"out of memory: {i} MB" for i in range(10)]
    assert repeated_failure(states(*sizes)) == "out of memory: 9 MB"
    assert repeated_failure(states(*sizes[:9])) is None
    assert repeated_failure(states(*sizes[:9], "another reason")) is None
    assert repeated_failure([*states(*sizes), TrialState(10, PLANNED, TrialStatus.TERMINATED)]) is None


def test_a_run_whose_folder_is_deleted_ends(folder: RunFolder):
    def delete() -> None:
        wait_for(lambda: folder.trial(0).evaluations())
        shutil.rmtree(folder.path)

    threading.Thread(target=delete, daemon=True).start()
    with pytest.raises(RunNotFoundError, match="was deleted"):
        run_loop(folder, [{"scores": [0.5], "then": "hang"}])
    assert not (folder.path / "status.json").exists()


def test_a_full_disk_stops_the_sweep_and_it_can_go_on(folder: RunFolder):
    trials = [{"scores": [0.5]}, {"scores": [0.6], "then": "full"}, {"scores": [0.7]}]
    with pytest.raises(StorageError, match="no space"):
        run_loop(folder, trials, slots=1)
    assert statuses(folder) == ["Completed", "NotStarted"]
    trials[1]["then"] = ""
    run_loop(folder, trials, slots=1)
    assert statuses(folder) == ["Completed"] * 3


def test_what_the_observer_cannot_bear_stops_the_sweep(folder: RunFolder):
    observer = Recorder()
    observer.problem = ConfigError(["out of order"])
    with pytest.raises(ConfigError, match="out of order"):
        run_loop(folder, [{"scores": [0.5], "then": "hang"}], observer=observer)
    starts = folder.trial(0).path / "starts.jsonl"
    assert not any(is_alive(int(pid)) for pid in (starts.read_text().split() if starts.exists() else ()))


def test_an_interrupted_trial_waits_for_its_stage(folder: RunFolder):
    other = PLANNED.model_copy(update={"role": "average"})
    for number, planned in enumerate((PLANNED, other)):
        folder.trial(number).write_plan(planned.model_dump())
    run_loop(folder, [{"scores": [0.7]}])
    assert statuses(folder) == ["Completed"]
    run_loop(folder, [{"scores": [0.7]}, {"scores": [0.8]}], planned=[other])
    assert statuses(folder) == ["Completed", "Completed"]


def test_trials_that_are_all_done_are_not_cut_short(folder: RunFolder):
    loop = run_loop(folder, [{"scores": [0.5], "pause": 1.0}], budget=Budget(11.0, packaging=9.5))
    assert statuses(folder) == ["Completed"]
    assert not loop.time_is_up


def test_a_sampled_source_goes_on_after_an_interruption():
    sampling = RandomParameterSampling({"learning_rate": loguniform(-7, -2), "momentum": normal(0.5, 0.2)}, seed=5)
    arguments = {"optimizer": "sgd"}

    def source() -> SampledTrials:
        return SampledTrials(sampling, PLANNED, arguments, CLASSIFICATION, iterations=6)

    first, states = source(), []
    while (planned := first.next(states)) is not None:
        states.append(TrialState(len(states), planned, TrialStatus.COMPLETED, score=0.5))
    assert len(states) == 6
    again = source()
    assert again.next(states[:4]) == states[4].planned
    assert source().next(states) is None
    assert {state.planned.hyperparameters.optimizer for state in states} == {"sgd"}
    assert len({state.planned.hyperparameters.learning_rate for state in states}) == 6


# --- the time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trials", "seconds", "expected"),
    [
        ([], 0.0, True),
        ([("Running", 5)], 1.0, True),
        ([("Failed", 5)], 1.0, False),
        ([("Completed", 60)], 31.0, True),
        ([("Completed", 60)], 29.0, False),
        ([("Completed", 60), ("Completed", 10)], 6.0, True),
        ([("Completed", 1)], 4.0, False),
    ],
)
def test_whether_another_trial_fits(trials: list[tuple[str, float]], seconds: float, expected: bool):
    states = [TrialState(i, PLANNED, TrialStatus(status), seconds=used) for i, (status, used) in enumerate(trials)]
    assert fits_another(states, seconds) is expected


def test_heads_and_averages_do_not_tell_how_long_a_training_takes():
    others: list[dict[str, Any]] = [{}, {"head_only": True}, {"members": (0, 1)}]
    seconds = (60, 5, 5)
    states = [
        TrialState(i, PLANNED.model_copy(update=change), TrialStatus.COMPLETED, seconds=seconds[i])
        for i, change in enumerate(others)
    ]
    assert not fits_another(states, 29.0)
    assert fits_another(states, 31.0)


@pytest.mark.parametrize(
    ("seconds", "wanted", "text"),
    [
        (1000, 8, "a trial of 10 epochs takes about: small 62 s; 2 at once; 17 min for trials; all 8 trials fit"),
        (100, 8, "about 3 of 8 trials fit in full"),
        (30, 8, "no trial fits in full: the first one gets about 3 of 10 epochs"),
    ],
)
def test_the_plan_is_told(seconds: float, wanted: int, text: str):
    timings = {"small": Timing(setup=10, epoch=5, finish=2)}
    assert text in plan_text(timings, epochs=10, wanted=wanted, at_once=2, seconds=seconds)


# --- the configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"space": {"learning_rat": uniform(0, 1)}}, ['Did you mean "learning_rate"']),
        ({"space": {"learning_rate": uniform(0, 2)}}, ["uniform gives 0 to 2", ]),
        ({"space": {"learning_rate": loguniform(0.001, 0.1)}}, ["bounds of loguniform are logarithms"]),
        ({"space": {"number_of_epochs": uniform(1, 5)}}, ["gives fractions"]),
        ({"space": {"number_of_epochs": randint(5)}}, ["randint gives 0 to 4"]),
        ({"space": {"number_of_epochs": quniform(1, 20, 1)}}, []),
        ({"space": {"optimizer": choice("sgd", "adm", "sdg")}}, ["not 'adm'", "not 'sdg'"]),
        ({"space": {"momentum": normal(0.5, 0.1)}}, []),
        ({"space": {"momentum": normal(0.5, 0.3)}}, ["normal gives -0.4 to 1.4"]),
        ({"space": {"crop_size": choice(128, 224)}}, []),
        ({"space": {"model_name": choice("resnet18", "resnet5")}}, ['Did you mean "resnet']),
        ({"space": {"validation_crop_size": choice(200, 300)}}, ["must not exceed"]),
        ({"space": {"momentum": uniform(0, 1)}, "arguments": {"momentum": 0.5}}, ["fixed in arguments and searched"]),
        ({"space": {"model_name": choice("resnet18", "resnet34")}, "model_name": "resnet50"}, ["keep one of them"]),
        (
            {"space": [{"model_name": "resnet5", "seed": 1}, {"learning_rate": choice(5, 0.1)}]},
            ["alternatives[0].model_name", "alternatives[0].seed", "alternatives[1].learning_rate"],
        ),
        (
            {"space": {"drop_rate": 0.1, "m": choice({"drop_rate": choice(0.2, 0.3)}, {"momentum": 0.1})}},
            ["m[0].drop_rate and drop_rate set the same"],
        ),
        ({"space": {"momentum": uniform(0, 1)}, "iterations": None}, ["iterations or experiment_timeout_hours"]),
        ({"space": {"m": choice({"momentum": 0.1}, {}), "n": choice({"momentum": 0.5}, {})}}, ["n[0].momentum and m"]),
        ({"space": {"crop_size": choice(128, 224), "training_crop_size": choice(96, 64)}}, ["set the same"]),
        ({"space": {"crop_size": choice(96, 64)}, "arguments": {"training_crop_size": 64}}, ["fixed in arguments"]),
        ({"space": {"number_of_epochs": choice(True, 5)}}, ["should be a number, not True"]),
        ({"space": {"number_of_epochs": choice(5, "5", 6)}}, ["5, '5' are the same value"]),
        ({"space": {"nesterov": uniform(0, 1)}}, ["nesterov takes only some values; use choice"]),
        ({"space": {"weighted_loss": quniform(0, 2, 0.5)}}, ["quniform gives 0 to 2"]),
        ({"space": {"weighted_loss": randint(3), "nesterov": randint(2)}}, []),
        ({"space": {"split_ratio": uniform(0.1, 0.3)}}, ["the same for all trials of a run"]),
        ({"space": {"model_name": uniform(0, 1)}}, ["a choice of names, is expected, not uniform"]),
        ({"space": {"momentum": uniform(-1, 1)}, "seed": -1, "policy": {"type": "bandit", "slak": 1}},
         ["seed", 'policy: bandit has no "slak"', "policy: exactly one", "hyperparameter_sampling: momentum"]),
        (
            {
                "task": "image-object-detection",
                "space": {"model_name": choice("yolov5", "tood"), "momentum": choice(0.5, 0.9)},
                "arguments": {"image_size": 320},  # which the task's default algorithm has not
            },
            [],
        ),
        (
            {
                "task": "image-object-detection",
                "space": {
                    "model": choice({"model_name": "yolov5"}, {"model_name": "tood"}),
                    "size": choice({"image_size": 320}, {"image_size": 640}),
                },
            },
            [],
        ),
        (
            {
                "task": "image-object-detection",
                "space": {"model_name": choice("yolov5", "tood"), "momentum": choice(0.5, 0.9)},
                "arguments": {"min_size": 320},
            },
            ['arguments: no hyperparameter is named "min_size"'],
        ),
        (
            {
                "task": "image-object-detection",
                "space": {"model_name": choice("yolov5", "fasterrcnn_resnet50_fpn"), "image_size": choice(640, 800)},
            },
            ["fasterrcnn_resnet50_fpn has no hyperparameter \"image_size\". Did you mean"],
        ),
        (
            {
                "task": "image-object-detection",
                "space": [
                    {"model_name": "yolov5", "image_size": choice(640, 800)},
                    {"model_name": choice("fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn"), "min_size": 600},
                ],
            },
            [],
        ),
    ],
)  # fmt: skip
def test_a_space_is_checked_before_anything_runs(changes: dict[str, Any], problems: list[str]):
    values = {"task": CLASSIFICATION, "training_data": "photos", "iterations": 4, **changes}
    values["hyperparameter_sampling"] = RandomParameterSampling(values.pop("space"))
    values = {name: value for name, value in values.items() if value is not None}
    if not problems:
        AutoMLVisionConfig(**values)
        return
    with pytest.raises(ConfigError) as caught:
        AutoMLVisionConfig(**values)
    assert len(caught.value.problems) == len(problems), caught.value.problems
    for problem in problems:
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "automode", "most_trials"),
    [
        ({}, False, 1),
        ({"iterations": 1}, False, 1),
        ({"iterations": 5}, True, 5),
        ({"experiment_timeout_hours": 1}, True, 1000),
        ({"experiment_timeout_hours": 1, "iterations": 1}, False, 1),
        ({"experiment_timeout_hours": 1, "iterations": 3}, True, 3),
        ({"experiment_timeout_hours": 1, "model_name": "resnet18"}, False, 1),
        ({"experiment_timeout_hours": 1, "arguments": {"model_name": "resnet18"}}, False, 1),
        ({"sampling": {"type": "grid", "space": {"momentum": choice(0.1, 0.2)}}}, False, 1000),
        ({"sampling": {"type": "random", "space": {"momentum": choice(0.1, 0.2)}}, "iterations": 3}, False, 3),
    ],
)
def test_the_three_ways_to_use_it(changes: dict[str, Any], automode: bool, most_trials: int):
    config = AutoMLVisionConfig(task=CLASSIFICATION, training_data="photos", **changes)
    assert (config.automode, config.most_trials) == (automode, most_trials)


# --- whole sweeps -----------------------------------------------------------------------------------------------------


def sweep_config(data: Path | Dataset, **changes: Any) -> AutoMLVisionConfig:
    sampling = GridParameterSampling({"learning_rate": choice(0.001, 0.05), "optimizer": choice("sgd", "adamw")})
    values = {
        "task": "image-classification",
        "training_data": data,
        "model_name": SMALL_MODEL,
        "hyperparameter_sampling": sampling,
        "max_concurrent_iterations": 2,
        "arguments": SMALL,
        "threads": 1,
    }
    return AutoMLVisionConfig(**{**values, **changes})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def undisturbed(workspace: Workspace, shapes_folder: Path) -> Run:
    """A completed sweep of four trials, two at a time."""
    run = work_here(Experiment(workspace, "undisturbed"), sweep_config(shapes_folder))
    run.wait_for_completion()
    return run


def scores(run: Run) -> dict[str, float]:
    """Score by drawn hyperparameters."""
    return {
        json.dumps(trial.get_details()["sampled"], sort_keys=True): (trial.get_details()["result"] or {}).get("score")
        for trial in run.get_children()
    }


def test_a_sweep_runs_every_combination_and_packages_the_best(undisturbed: Run):
    board = undisturbed.leaderboard()
    assert len(board) == len(scores(undisturbed)) == 4
    assert {row.status for row in board} == {"Completed"}
    assert undisturbed.get_best_child().number == board[0].trial == undisturbed.get_details()["best_trial"]
    assert undisturbed.model_path.exists()
    events, _ = undisturbed.folder.events.read()
    assert any(isinstance(e, Message) and "all 4 trials fit" in e.text for e in events)
    assert {"spec.json", "timing.json"} <= {file.name for file in undisturbed.folder.path.glob("timing/*/*.json")}
    assert "learning_rate 0.05" in repr(board)


def test_mlflow_shows_every_trial_once(undisturbed: Run, workspace: Workspace):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(workspace.tracking_uri)
    parent = undisturbed.get_details()["mlflow"]["run"]
    experiment = client.get_run(parent).info.experiment_id
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    assert len(children) == 4
    assert {child.info.status for child in children} == {"FINISHED"}
    assert len({(c.data.params["learning_rate"], c.data.params["optimizer"]) for c in children}) == 4


def disturbed_sweep(workspace: Workspace, data: Path, kills: int, seed: int) -> tuple[Run, int]:
    """A sweep whose controller is killed again and again at random moments, and resumed at once; with the kills.

    The first kill comes while a trial is trained, and this process works on the sweep after the last one.
    """
    moments, done = random.Random(seed), 0
    run = Experiment(workspace, f"killed {seed}").submit(sweep_config(data))
    wait_for(lambda: any(trial.evaluations() for trial in run.folder.trials(planned=True)))
    while done < kills and run.get_status() not in ("Completed", "Failed"):
        if done:
            time.sleep(moments.uniform(0.2, 5.0))
        if kill_controller(run):
            done += 1
            if done < kills:
                run.resume()
    if done == kills:
        assert run.get_status() == "Interrupted"
        with pytest.raises(RunFailedError, match="automl-vision resume"):
            run.wait_for_completion()
        resume_here(run)
    run.wait_for_completion()
    return run, done


def assert_nothing_lost(run: Run, undisturbed: Run) -> None:
    assert [row.status for row in run.leaderboard()] == ["Completed"] * 4
    assert len(run.folder.trials(planned=True)) == 4
    assert scores(run) == scores(undisturbed)
    assert run.model_path.exists()
    assert run.get_best_child().folder.plan().sampled == undisturbed.get_best_child().folder.plan().sampled
    for trial in run.get_children():
        assert [e.epoch for e in trial.get_evaluations()] == [0, 1, 2]


def test_nothing_is_lost_when_the_controller_is_killed(undisturbed: Run, workspace: Workspace, shapes_folder: Path):
    run, kills = disturbed_sweep(workspace, shapes_folder, kills=1, seed=1)
    assert kills == 1
    assert_nothing_lost(run, undisturbed)


@pytest.mark.slow
def test_nothing_is_lost_by_twenty_kills(undisturbed: Run, workspace: Workspace, shapes_folder: Path):
    run, kills = disturbed_sweep(workspace, shapes_folder, kills=20, seed=2)
    assert kills == 20
    assert_nothing_lost(run, undisturbed)


def test_two_sweeps_in_one_workspace_leave_each_other_alone(undisturbed: Run, tmp_path: Path, shapes_folder: Path):
    """A new workspace: both make its caches and its MLflow store at the same moment."""
    workspace = Workspace(tmp_path)
    # the memory layout is chosen by timing, and decides the last digits of every weight
    shutil.copy(undisturbed.workspace.cache_path / "precision.json", workspace.cache_path)
    space = {"learning_rate": choice(0.001, 0.05), "optimizer": choice("sgd")}
    config = sweep_config(
        shapes_folder, hyperparameter_sampling=GridParameterSampling(space), max_concurrent_iterations=1
    )
    started = [start_here(Experiment(workspace, "same name"), config) for _ in range(2)]
    expected = {key: value for key, value in scores(undisturbed).items() if "sgd" in key}
    for run, worker in started:
        worker.join()
        assert scores(run) == expected
        assert len(run.get_details()["mlflow"]) == 3


def test_a_sweep_stops_for_its_deadline(workspace: Workspace, shapes_folder: Path):
    arguments = SMALL | {"number_of_epochs": 10_000, "early_stopping": 0}
    config = sweep_config(shapes_folder, arguments=arguments, experiment_timeout_hours=20 / 3600)
    run = work_here(Experiment(workspace, "deadline"), config)
    run.wait_for_completion()
    assert run.model_path.exists()
    statuses = [row.status for row in run.leaderboard()]
    assert "Completed" in statuses
    assert set(statuses) <= {"Completed", "Canceled"}  # canceled is what a busy machine made late
    assert len(statuses) < 4
    messages = [event.text for event in run.folder.events.read()[0] if isinstance(event, Message)]
    assert any("no trial fits in full" in text or "how much fits is not known" in text for text in messages)


def test_poor_trials_are_ended_early_and_stay_on_the_leaderboard(workspace: Workspace, shapes_folder: Path):
    space = {"learning_rate": choice(0.05, 0.0), "optimizer": choice("adamw")}
    config = sweep_config(
        shapes_folder,
        hyperparameter_sampling=GridParameterSampling(space),
        policy=BanditPolicy(slack_amount=0.05, delay_evaluation=2),
        arguments=SMALL | {"number_of_epochs": 8, "early_stopping": 0},
        max_concurrent_iterations=1,
    )
    run = work_here(Experiment(workspace, "poor"), config)
    run.wait_for_completion()
    rows = list(run.leaderboard())
    assert [row.status for row in rows] == ["Completed", "Terminated"]
    assert "less 0.05, at evaluation" in rows[1].reason
    assert rows[1].score.low <= rows[1].score.value
    assert 2 <= rows[1].epochs < 8
    assert (run.folder.trial(rows[1].trial).path / "weights.safetensors").exists()
    assert read_json(run.folder.trial(rows[1].trial).path / "result.json")["stopped"] == rows[1].reason

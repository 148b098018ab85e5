"""Measures latency and size of every finished trial's exported network, once for all trials that have the same network.

The packaged trial is measured from the model folder. Each other one is exported for this by a job of its own, one after
the other, so that none disturbs another.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from automl_vision.compute.compute import Job
from automl_vision.compute.subprocess_job import run_fresh
from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.files import read_json
from automl_vision.core.records import SPEC_FILE, SPEED_FILE, Speed
from automl_vision.recipes.deployment import create_deployment
from automl_vision.recipes.network import read_network
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.runs.board_reader import read_leaderboard
from automl_vision.runs.leaderboard import Leaderboard
from automl_vision.runs.limits import Limits, within
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder

MEASURE_COMMAND = "automl-vision leaderboard {run} --measure"

_NOT_THE_WORK: dict[str, Any] = {  # in `network.json`, but without influence on what an exported network computes
    "weights": True, "versions": True, "format_version": True, "settings": {"drop_rate", "multi_scale"},
}  # fmt: skip


class Finish(Protocol):
    """Runs a job to its end."""

    def __call__(self, job: Job, *, seconds: float) -> str | None:
        """Returns the reason if the job failed; it may be stopped after some seconds."""


def measure_trials(folder: RunFolder, finish: Finish, *, seconds: float = math.inf) -> None:
    """Measure the finished trials of a run that are not measured yet, the best first.

    A trial that cannot be exported or measured gets the reason on the leaderboard. Trials for which time does not
    suffice are named in a message of the run.

    Args:
        folder: of the run.
        finish: runs a job.
        seconds: after which the measuring ends.
    """
    end = time.monotonic() + seconds
    trials = [folder.trial(row.trial) for row in read_leaderboard(folder) if row.status.has_result]
    waiting = [trial for trial in trials if trial.speed() is None]
    known: dict[str, tuple[int, Speed]] = {}  # by network: the trial that was measured, and its speed
    for trial in trials if waiting else ():
        _remember(trial, known)
    for number, trial in enumerate(waiting):
        folder.progress("measuring", number, len(waiting))
        same = known.get(_network_key(trial))
        if same is not None:
            same[1].model_copy(update={"measured_of": same[0]}).save(trial.path)
        elif (left := end - time.monotonic()) > 0:
            _measure(folder, trial, finish, left)
            _remember(trial, known)
    if waiting:
        folder.message(_summary(folder.id, waiting))


def measured_within(folder: RunFolder, limits: Limits, finish: Finish, *, seconds: float) -> Leaderboard:
    """Measure the finished trials of a run, and return those that keep the limits, with a message on what was found.

    Args:
        folder: of the run.
        limits: of the run.
        finish: runs a job.
        seconds: after which the measuring ends.
    """
    measure_trials(folder, finish, seconds=seconds)
    board = within(read_leaderboard(folder), limits)
    folder.message(board.note)
    return board


def measure_now(folder: RunFolder, *, again: bool = False) -> None:
    """Measure a run's finished trials on this machine: those that are not measured, and those that could not be.

    Args:
        folder: of the run.
        again: also measure those that are measured, such as on another machine.

    Raises:
        WorkspaceError: another process works on the run.
    """

    def finish(job: Job, *, seconds: float) -> str | None:  # noqa: ARG001 - the caller waits as long as it takes
        failure = run_fresh(job)
        return None if failure is None else failure.reason

    with folder.lock.hold():
        for trial in folder.trials():
            speed = trial.speed()
            if speed is not None and (again or speed.problem is not None):
                (trial.path / SPEED_FILE).unlink()
        measure_trials(folder, finish)


def _remember(trial: TrialFolder, known: dict[str, tuple[int, Speed]]) -> None:
    speed = trial.speed()
    if speed is not None and speed.batches and speed.measured_of is None:
        known.setdefault(_network_key(trial), (trial.number, speed))


def _measure(folder: RunFolder, trial: TrialFolder, finish: Finish, seconds: float) -> None:
    """Measure a trial by a job; records the reason where that is not possible, and nothing where time is up."""
    place = folder.path / "measuring"
    arguments = {"trial": str(trial.path), "scratch": str(place / "model")}
    end = time.monotonic() + seconds
    reason = finish(Job("automl_vision.packaging.job:run_measure", arguments, place), seconds=seconds)
    if reason is not None and time.monotonic() < end:
        Speed(problem=reason).save(trial.path)


def _summary(run_id: str, waiting: Sequence[TrialFolder]) -> str:
    """What was measured, what cannot be, and what time did not suffice for."""
    speeds = {trial.number: trial.speed() for trial in waiting}
    failed = {number: speed.problem for number, speed in speeds.items() if speed is not None and speed.problem}
    unmeasured = [str(number) for number, speed in speeds.items() if speed is None]
    measured = len(waiting) - len(failed) - len(unmeasured)
    parts = [f"latency and size: measured {measured} of {len(waiting)} more trials"]
    parts += [f"trial {number} cannot be measured: {reason}" for number, reason in failed.items()]
    if unmeasured:
        command = MEASURE_COMMAND.format(run=run_id)
        parts.append(f"no time was left for: {', '.join(unmeasured)}; measure them with: {command}")
    return "; ".join(parts)


def _network_key(trial: TrialFolder) -> str:
    """What the work of a trial's exported network depends on: everything but its weights.

    This also holds for detectors, for their networks find a fixed number of objects by a fixed number of operations.
    A trial that does not say what its network is has a key of its own.
    """
    try:
        spec, network = TrialSpec.model_validate(read_json(trial.path / SPEC_FILE)), read_network(trial.path)
        deployment = create_deployment(network.task, spec.hyperparameters, network.geometry)
        objects = deployment.object_settings
        known = {
            **network.model_dump(mode="json", exclude=_NOT_THE_WORK),
            "preprocessing": asdict(deployment.preprocessing(network.normalization)),
            "objects": None if objects is None else asdict(objects),
        }
    except (AutoMLVisionError, KeyError, ValueError, OSError):  # measuring it tells the reason
        return f"trial {trial.number}"
    return json.dumps(known, sort_keys=True)

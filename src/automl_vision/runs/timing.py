"""Timing the first steps of a sweep's algorithms before it starts, within a share of its time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from automl_vision.compute.compute import Slot
from automl_vision.core.files import read_json
from automl_vision.runs.budget import Timing
from automl_vision.runs.jobs import Jobs
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.workspace.run_folder import RunFolder

_SHARE, _MIN_SECONDS, _MAX_SHARE = 0.1, 10.0, 1 / 3  # of the time for trials; 10 s are enough for most algorithms


def timing_seconds(left: float) -> float:
    """Seconds that the timing may take of the time left for trials; few if that is short."""
    return min(_MAX_SHARE * left, max(_MIN_SECONDS, _SHARE * left))


def time_first_steps(jobs: Jobs, planned: Iterable[PlannedTrial], slot: Slot, seconds: float) -> dict[str, Timing]:
    """How long the parts of a trial take, by name of the algorithm; those that take too long or fail are left out.

    Args:
        jobs: of the run.
        planned: trials; the first one of each algorithm is timed.
        slot: where they run.
        seconds: for all of them.
    """
    end = time.monotonic() + max(0.0, seconds)
    by_name: dict[str, PlannedTrial] = {}
    for trial in planned:
        by_name.setdefault(trial.model_name, trial)
    timings: dict[str, Timing] = {}
    for number, (name, trial) in enumerate(by_name.items()):
        folder = _folder(jobs.folder, name)
        jobs.folder.progress("timing", number, len(by_name))
        jobs.finish(jobs.measure(folder, trial, slot), slot, seconds=max(0.0, end - time.monotonic()))
        timing = known_timing(jobs.folder, name)
        if timing is not None:  # an algorithm that cannot be timed fails as a trial, with its reason
            timings[name] = timing
    return timings


def known_timing(run: RunFolder, model_name: str) -> Timing | None:
    """How long the parts of a trial of an algorithm take, where its first steps were timed."""
    file = _folder(run, model_name) / "timing.json"
    return Timing(**read_json(file)) if file.exists() else None


def _folder(run: RunFolder, model_name: str) -> Path:
    return run.path / "timing" / model_name

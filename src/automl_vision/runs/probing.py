"""Linear probes on the frozen features of AutoMode's candidates: a cheap score before any of them is trained."""

from __future__ import annotations

import time
from collections.abc import Callable

from automl_vision.compute.compute import Slot
from automl_vision.core.errors import HubUnreachableError
from automl_vision.core.files import read_json, write_json
from automl_vision.core.numbers import finite
from automl_vision.recipes.catalog import has_bundled_weights
from automl_vision.runs.jobs import Jobs
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.portfolio import planned_candidate, probed_candidates

PROBES_FILE = "probes.json"
"""In the run's folder: the primary metric of each probed candidate; null if its probe failed."""

_SHARE = 0.15  # of the time left after the default recipe
_MIN_SECONDS = 60.0  # for all probes, if the default recipe was faster than that


def probing_seconds(left: float, default_seconds: float) -> float:
    """Seconds that all probes may take.

    Args:
        left: for trials.
        default_seconds: that the default recipe took.
    """
    return min(_SHARE * left, max(_MIN_SECONDS, default_seconds))


def probe_candidates(
    jobs: Jobs, slot: Slot, seconds: float, may_fit: Callable[[PlannedTrial], bool] = lambda _: True
) -> dict[str, float]:
    """Return the primary metric by candidate, for as many as fit into the time; none is computed twice after a crash.

    Args:
        jobs: of the run.
        slot: where they run.
        seconds: for all of them.
        may_fit: whether the network of a candidate keeps the limits of the run.
    """
    spec, end = jobs.spec, time.monotonic() + seconds
    file = jobs.folder.path / PROBES_FILE
    scores: dict[str, float | None] = read_json(file) if file.exists() else {}
    later = [trial.plan() for trial in jobs.folder.trials(planned=True)[1:]]
    chosen = any(not plan.head_only for plan in later)  # trials that were chosen by the scores must stay
    candidates = [] if chosen else probed_candidates(spec.trials[0], spec.task, spec.arguments)
    hub = True
    for number, candidate in enumerate(candidates):
        planned = planned_candidate(candidate, spec.trials[0], spec.task, spec.arguments)
        left = end - time.monotonic()
        reachable = hub or has_bundled_weights(candidate.model_name)
        if planned is None or candidate.key in scores or left <= 0 or not reachable or not may_fit(planned):
            continue
        jobs.folder.progress(f"probing {candidate.key}", number, len(candidates))
        folder = jobs.folder.path / "probes" / str(number)
        failure = jobs.failure_of(jobs.probe(folder, planned, slot, left), slot, seconds=left)
        error = "" if failure is None else failure.error
        if error == TimeoutError.__name__:
            continue
        scores[candidate.key] = finite(read_json(folder / "probe.json")["score"]) if failure is None else None
        write_json(file, scores)
        hub = hub and error != HubUnreachableError.__name__
        if scores[candidate.key] is not None:
            jobs.folder.message(f"probe of {candidate.key}: {spec.primary_metric} {scores[candidate.key]:.4f}")
    return {key: score for key, score in scores.items() if score is not None}

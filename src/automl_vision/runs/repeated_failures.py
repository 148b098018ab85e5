"""Detects a run in which every trial fails for the same reason."""

from __future__ import annotations

import re
from collections.abc import Sequence

from automl_vision.core.records import TrialStatus
from automl_vision.runs.trial_sources import TrialState

MAX_REPEATED = 10
"""Trials that may fail for the same reason before any trial has a result."""


def repeated_failure(trials: Sequence[TrialState]) -> str | None:
    """Return the reason for which `MAX_REPEATED` trials failed while none has a result, or None.

    Reasons are the same if only their numbers differ, such as sizes of memory.
    """
    if any(trial.status.has_result for trial in trials):
        return None
    counts: dict[str, int] = {}
    for trial in trials:
        if trial.status is TrialStatus.FAILED:
            pattern = re.sub(r"\d+", "#", trial.reason)
            counts[pattern] = counts.get(pattern, 0) + 1
            if counts[pattern] >= MAX_REPEATED:
                return trial.reason
    return None

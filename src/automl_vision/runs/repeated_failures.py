"""Whether a sweep is worth going on with, when trial after trial fails."""

from __future__ import annotations

import re
from collections.abc import Sequence

from automl_vision.runs.trial_sources import TrialState

MOST_ALIKE = 10
"""Trials that may fail for the same reason before any has given a result."""


def hopeless(trials: Sequence[TrialState]) -> str | None:
    """The reason for which `MOST_ALIKE` trials failed while none gave a result, or None.

    Reasons are the same where only their numbers differ, such as sizes of memory or numbers of trials.
    """
    if any(trial.has_result for trial in trials):
        return None
    alike: dict[str, int] = {}
    for trial in trials:
        if trial.status == "Failed":
            pattern = re.sub(r"\d+", "#", trial.reason)
            alike[pattern] = alike.get(pattern, 0) + 1
            if alike[pattern] >= MOST_ALIKE:
                return trial.reason
    return None

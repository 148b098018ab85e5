"""What fine-tuning will make of a linear probe's score, from what it made of those of other sets."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from automl_vision.core.records import DataFacts, PastTrial
from automl_vision.evaluation.posterior import Posterior
from automl_vision.search.experience import likeness

LEVEL = 0.8
"""How often the interval of a forecast should hold the score."""

OTHER_SETS = Posterior(0.09, 0.08)
"""What each doubling of the epochs takes off the logarithm of a probe's error, over datasets: mean and standard
deviation. From the six small sets of docs/decisions/0064 (0.04 to 0.15) and three larger ones (-0.02 to 0.28)."""

_OF_ONE_RUN = 0.08  # standard deviation of what a single run says of it: a few hundred validation images


@dataclass(frozen=True)
class Forecast:
    """An expected score with its interval.

    Attributes:
        value, low, high: of the metric, from 0 to 1.
    """

    value: float
    low: float
    high: float


def gain_per_doubling(past: Iterable[PastTrial], facts: DataFacts, task: str, model_name: str) -> tuple[Posterior, int]:
    """What each doubling of the epochs takes off the logarithm of the error, and by how many earlier sets it is known.

    Args:
        past: trials of earlier runs; those that began with a probe and were trained to their end count.
        facts: of the set.
        task: the product's name of the task.
        model_name: the algorithm.
    """
    of_sets: dict[str, list[float]] = defaultdict(list)
    like: dict[str, float] = {}
    for trial in past:
        rate = _rate(trial)
        if rate is not None and (trial.task, trial.model_name) == (task, model_name):
            of_sets[trial.data].append(rate)
            like[trial.data] = likeness(trial.facts, facts)
    noise = OTHER_SETS.deviation**2 + _OF_ONE_RUN**2  # of one set: how sets differ, and how exactly a run tells it
    precision = 1 / OTHER_SETS.deviation**2 + sum(like.values()) / noise
    mean = OTHER_SETS.mean / OTHER_SETS.deviation**2
    mean += sum(like[data] * sum(rates) / len(rates) for data, rates in of_sets.items()) / noise
    return Posterior(mean / precision, math.sqrt(1 / precision)), len(of_sets)


def forecast(probe: float, images: int, epochs: float, rate: Posterior) -> Forecast:
    """The score after a number of epochs: the probe's error falls as a power of the epochs.

    Args:
        probe: share of right answers of a linear probe, from 0 to 1.
        images: on which it was measured.
        epochs: of fine-tuning; 0 for the probe alone.
        rate: by `gain_per_doubling`.
    """
    doublings, error = math.log2(1 + max(0.0, epochs)), 1 - probe
    left = error * math.exp(-rate.mean * doublings)
    measured = math.sqrt(max(probe * error, 0.25 / max(1, images)) / max(1, images))
    deviation = math.hypot(left * doublings * rate.deviation, measured)
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * deviation
    return Forecast(1 - left, max(0.0, 1 - left - reach), min(1.0, 1 - left + reach))


def _rate(trial: PastTrial) -> float | None:
    """What each doubling of a trial's epochs took off the logarithm of its error; None where that is not known."""
    start = trial.scores.get(0)
    if start is None or trial.score is None or trial.lower_is_better or trial.ended_early or trial.epochs < 1:
        return None
    least = 1 / (2 * max(1, trial.facts.images))
    errors = [max(least, 1 - value) for value in (start, trial.score)]
    return math.log(errors[0] / errors[1]) / math.log2(1 + trial.epochs)

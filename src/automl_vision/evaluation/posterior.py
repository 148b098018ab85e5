"""How likely a measured gain is a true one, given how large gains usually are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from automl_vision.core.records import Ranking
from automl_vision.evaluation.intervals import Interval

USUAL_GAIN = 0.02
"""Standard deviation of the true gains of AutoMode's candidates, in units of a metric from 0 to 1; of another one, such
as the log loss, ten times that share of the default's value. `benchmarks/promotion.py`, docs/decisions/0065."""

AVERAGE_GAIN = (0.08, 0.06)
"""Mean and standard deviation of the true gains of an average of networks over the default recipe, as shares of what
that one lacks of the best value: of its errors, or of its loss. `benchmarks/averages.py`, docs/decisions/0079."""

AVERAGE_CHANGES = 0.05
"""Share of images that an average answers otherwise than the default recipe, one right and one wrong; of few validation
images fewer may be seen. 0.04 to 0.12 was measured on test images, docs/decisions/0071."""

_INTERVAL_DEVIATIONS = 2 * NormalDist().inv_cdf(0.975)  # standard errors in the width of an interval of 95 %


@dataclass(frozen=True)
class Posterior:
    """A normal distribution of a true gain.

    Attributes:
        mean: of the gain, in units of the metric.
        deviation: standard deviation; 0 if nothing is uncertain.
    """

    mean: float
    deviation: float

    def above(self, bound: float) -> float:
        """The probability that the true gain is above a bound."""
        if self.deviation == 0:
            return float(self.mean > bound)
        return 1 - NormalDist(self.mean, self.deviation).cdf(bound)


def true_gain(measured: Interval, *, spread: float, mean: float = 0.0, least_error: float = 0.0) -> Posterior:
    """The distribution of the true gain of which one was measured with an interval.

    Normal prior and normal error (Gelman et al., Bayesian Data Analysis, 3rd edition 2013, section 2.5). The prior
    pulls a measured gain towards its mean, the more the fewer images there are. Since every candidate has the same
    prior, the best of many needs no further correction for having been chosen (Senn 2008).

    Args:
        measured: gain with its interval of 95 %.
        spread: standard deviation of true gains, of the candidates that are tried.
        mean: of the true gains.
        least_error: standard error of the measured gain, at least. Two models that answer the same few images alike
            differ on others, which an interval of no width does not show.
    """
    error = max(least_error, (measured.high - measured.low) / _INTERVAL_DEVIATIONS)
    if not spread or not math.isfinite(error + measured.value):
        return Posterior(mean, spread)
    weight = spread**2 / (spread**2 + error**2)
    return Posterior(mean + weight * (measured.value - mean), math.sqrt(weight) * error)


def usual_gain(default_score: float, ranking: Ranking) -> float:
    """Standard deviation of the true gains of AutoMode's candidates, in units of the primary metric.

    Args:
        default_score: of the default recipe.
        ranking: how the trials are ranked; where less is better, the metric has no scale of its own.
    """
    return 10 * USUAL_GAIN * abs(default_score) if ranking.lower_is_better else USUAL_GAIN


def lack(default_score: float, ranking: Ranking) -> float:
    """What the default recipe lacks of the best value: 1, or 0 where lower is better.

    Args:
        default_score: of the default recipe.
        ranking: how the trials are ranked.
    """
    return abs(default_score) if ranking.lower_is_better else max(0.0, 1 - default_score)

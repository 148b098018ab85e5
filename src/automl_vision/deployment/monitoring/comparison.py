"""Whether what a model sees has changed since it was validated, and how right it probably is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.intervals import Floats, Interval, bootstrap_weights, percentile_interval
from automl_vision.evaluation.two_sample import (
    LargestGap,
    MeanDiscrepancy,
    MeanShift,
    Separation,
    Statistic,
    compare_groups,
)
from automl_vision.evaluation.weighted import ratio
from automl_vision.serving.observations import FIGURES, Observations, Reference

LEVEL = 0.01
LEAST_IMAGES = 20  # of which a division says something at this level
_FEATURES, _CONFIDENCE, _CLASSES = "features", "confidence", "classes"
_WORDS = {
    _FEATURES: "what the network sees in the images",
    _CONFIDENCE: "how sure the model is",
    _CLASSES: "shares of the classes",
    "red": "share of red",
    "blue": "share of blue",
    "aspect": "width by height",
}


@dataclass(frozen=True)
class Change:
    """One respect in which new images were compared with those of the validation.

    Attributes:
        name: of the statistic.
        words: for people.
        p_value: in regard of all respects that were compared; at or below the level is an alarm.
        before, now: a typical value, or None where one number does not say it.
        sentence: what changed; empty where nothing did.
    """

    name: str
    words: str
    p_value: float
    before: float | None
    now: float | None
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """New images beside those of the validation.

    Attributes:
        images: how many new ones.
        reference_images: how many of the validation.
        level: share of checks that raise an alarm though nothing changed.
        changes: in every respect, the most certain first.
        right_before, right_now: share of the model's answers that are right: as it was measured on validation images,
            and as it is estimated from how sure it is now (difference of confidences, Guillory et al. 2021). The
            estimate trusts the probabilities. On images unlike those of the validation a model is wrong and sure of it,
            so there the estimate is too high.
        class_shares: by class the mean probability, or objects per image, before and now.
        sentence: the result.
    """

    images: int
    reference_images: int
    level: float
    changes: tuple[Change, ...]
    right_before: Interval
    right_now: Interval
    class_shares: dict[str, tuple[float, float]]
    sentence: str

    @property
    def is_alarm(self) -> bool:
        """Whether anything has changed, at the level."""
        return any(change.p_value <= self.level for change in self.changes)

    @property
    def is_estimate_trusted(self) -> bool:
        """Whether the images are like those of the validation, on which the probabilities were calibrated."""
        images = (_FEATURES, *FIGURES)
        return all(change.p_value > self.level for change in self.changes if change.name in images)

    @property
    def estimate_sentence(self) -> str:
        """How often the model is probably right now."""
        if np.isnan(self.right_now.value):
            return "it predicts nothing, so nothing says how often it is right"
        doubt = "" if self.is_estimate_trusted else "; images have changed, so that it may well be less: label some"
        return (
            f"answers that are right: {self.right_before.text(2)} in the validation, now about "
            f"{self.right_now.text(2)} by the model's own probabilities{doubt}"
        )

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {**asdict(self), "is_alarm": self.is_alarm, "is_estimate_trusted": self.is_estimate_trusted}


def compare_observations(
    reference: Reference, new: Observations, classes: Sequence[str], *, level: float = LEVEL
) -> Comparison | None:
    """Compare new images with those of the validation; None where there are fewer than 20 of either.

    Args:
        reference: of the model folder.
        new: of the images.
        classes: of the model, in its order.
        level: share of checks that may raise an alarm though nothing changed, above 0 and below 1.
    """
    old = reference.observations
    if min(len(old), len(new)) < LEAST_IMAGES:
        return None
    both = Observations.join([old, new])
    is_new = np.arange(len(both)) >= len(old)
    found = compare_groups(_statistics(both), is_new)
    shares = _class_shares(both, is_new, classes)
    changes = sorted(
        (_change(name, each, both, is_new, shares, level) for name, each in found.items()),
        key=lambda change: change.p_value,
    )
    before, now = _right(reference, new)
    sure = [change for change in changes if change.p_value <= level]
    sentence = (
        f"{len(new)} images have changed: {'; '.join(change.sentence for change in sure)}"
        if sure
        else f"{len(new)} images do not differ from the {len(old)} of the validation (level {level:g})"
    )
    return Comparison(len(new), len(old), level, tuple(changes), before, now, shares, sentence)


def _statistics(both: Observations) -> dict[str, Statistic]:
    """What is tested together, by name; respects in which all images are equal are left out."""
    found: dict[str, Statistic] = {}
    if both.features.shape[1]:
        found[_FEATURES] = MeanDiscrepancy(both.features.astype(np.float64))
    found[_CONFIDENCE] = LargestGap(mean_confidence(both))
    found[_CLASSES] = MeanShift(both.classes.astype(np.float64))
    for number, name in enumerate(FIGURES):
        if np.ptp(both.figures[:, number]) > 0:
            found[name] = LargestGap(both.figures[:, number].astype(np.float64))
    return found


def mean_confidence(observations: Observations) -> Floats:
    """(images,), mean probability or score of an image's answers; NaN where it has none."""
    return ratio(
        observations.confidence.astype(np.float64), observations.answers.astype(np.float64), otherwise=float("nan")
    )


def _class_shares(
    both: Observations, is_new: NDArray[np.bool_], classes: Sequence[str]
) -> dict[str, tuple[float, float]]:
    before, now = (both.classes[mask].mean(axis=0).tolist() for mask in (~is_new, is_new))
    return dict(zip(classes, zip(before, now, strict=True), strict=True))


def _change(
    name: str,
    found: Separation,
    both: Observations,
    is_new: NDArray[np.bool_],
    shares: Mapping[str, tuple[float, float]],
    level: float,
) -> Change:
    """What a test says, with typical values before and now."""
    words = _WORDS.get(name, name)
    values = None
    if name == _CONFIDENCE:
        values = mean_confidence(both)
    elif name in FIGURES:
        values = both.figures[:, FIGURES.index(name)].astype(np.float64)
    before, now = (None, None) if values is None else (_median(values[~is_new]), _median(values[is_new]))
    sentence = ""
    if found.adjusted <= level:
        sentence = f"{words} ({_evidence(found)})"
        if before is not None and now is not None:
            sentence = f"{words} from {before:.2f} to {now:.2f} ({_evidence(found)})"
        if name == _CLASSES:
            label = max(shares, key=lambda label: abs(shares[label][1] - shares[label][0]))
            sentence = f"{words}, {label} from {shares[label][0]:.2f} to {shares[label][1]:.2f} ({_evidence(found)})"
    return Change(name, words, found.adjusted, before, now, sentence)


def _evidence(found: Separation) -> str:
    return f"p {'<' if found.adjusted < 0.001 else '='} {max(found.adjusted, 0.001):.3f}"


def _median(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _right(reference: Reference, new: Observations) -> tuple[Interval, Interval]:
    """The share of answers that are right, measured on validation images and estimated on new ones."""
    weights = [_weights(len(each), seed) for seed, each in enumerate((reference.answers, new.answers))]
    answers, right, sure = (
        weights[0] @ each.astype(np.float64) for each in (reference.answers, reference.right, reference.confidence)
    )
    before = ratio(right, answers, otherwise=float("nan"))
    gained = ratio(
        weights[1] @ new.confidence.astype(np.float64), weights[1] @ new.answers.astype(np.float64),
        otherwise=float("nan"),
    ) - ratio(sure, answers, otherwise=float("nan"))  # fmt: skip
    return percentile_interval(before), percentile_interval(np.clip(before + gained, 0, 1))


def _weights(images: int, seed: int) -> Floats:
    """(1 + resamples, images), all images first."""
    return np.concatenate([np.ones((1, images)), bootstrap_weights(images, seed=seed)])

"""How often the rules for formats accept one that loses more than is allowed, and refuse a harmless one: tables.

    python benchmarks/format_gate.py [--repetitions 200] [--images 50 100 500]

Of accuracy: three classes, probabilities that are those of the truth. The damage is "noise" on all logits, a "shift"
that favours one class, or answers drawn at random for a share of the images, however certain they were ("rare"). Shares
are printed by labels alone, then by the expected loss. Of the mean average precision: drawn boxes whose scores get
noise, or of which a share is missing. The true loss is that on many images.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation import detection
from automl_vision.evaluation.intervals import RESAMPLES, Interval
from automl_vision.evaluation.paired import SCORES, comparable, compare
from automl_vision.packaging.formats import MAX_LOSS

Floats = NDArray[np.float64]
METRIC = detection.METRICS["mean_average_precision"]
ACCURACY = {"noise": (0.19, 0.59, 0.84), "shift": (0.18, 0.57, 0.81), "rare": (0.0018, 0.0175, 0.0355)}
OBJECTS = {"noise": (0.2, 0.5, 0.9), "missing": (0.002, 0.01, 0.02, 0.035)}
CLASSES, TIES = 3, 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--images", type=int, nargs="+", default=[50, 100, 500])
    options = parser.parse_args()
    counts = " | ".join(f"{count} images" for count in options.images)
    print(f"| metric, damage | true loss | {counts} |\n| --- " + "| --- " * (1 + len(options.images)) + "|")
    for kind, strengths in ACCURACY.items():
        for strength in strengths:
            _row(f"accuracy, {kind}", _accuracy_loss(kind, strength), options, _accuracy_verdicts, kind, strength)
    for kind, strengths in OBJECTS.items():
        for strength in strengths:
            _row(f"mAP, {kind}", _objects_loss(kind, strength), options, _objects_verdict, kind, strength)


def _row(name: str, loss: float, options: argparse.Namespace, verdicts: Any, kind: str, strength: float) -> None:
    """Print the shares that each rule accepts: of accuracy by labels, then by the expected loss."""
    cells = []
    for images in options.images:
        found = [verdicts(images, kind, strength, np.random.default_rng(k)) for k in range(options.repetitions)]
        cells.append(", ".join(f"{share:.2f}" for share in np.mean(found, axis=0)))
    print(f"| {name} | {loss:.4f} | {' | '.join(cells)} |", flush=True)


def _softmax(logits: Floats) -> Floats:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def _damaged(logits: Floats, kind: str, strength: float, random: np.random.Generator) -> Floats:
    if kind == "noise":
        return logits + strength * random.normal(size=logits.shape)
    if kind == "shift":
        return logits + strength * np.linspace(-1, 1, CLASSES)
    hit = random.random(len(logits)) < strength
    return np.where(hit[:, None], random.normal(size=logits.shape), logits)


def _accuracy_loss(kind: str, strength: float) -> float:
    random = np.random.default_rng(5)
    logits = random.normal(size=(200_000, CLASSES)) * 6
    probs, rows = _softmax(logits), np.arange(len(logits))
    answers = _damaged(logits, kind, strength, random).argmax(axis=1)
    return float((probs.max(axis=1) - probs[rows, answers]).mean())


def _accuracy_verdicts(images: int, kind: str, strength: float, random: np.random.Generator) -> tuple[bool, bool]:
    """Whether a format passes by its labels, and by the expected loss."""
    logits = random.normal(size=(images, CLASSES)) * 6
    probs, rows = _softmax(logits), np.arange(images)
    truth = (probs.cumsum(axis=1) > random.random((images, 1))).argmax(axis=1)
    first, second = logits.argmax(axis=1), _damaged(logits, kind, strength, random).argmax(axis=1)
    gain = _difference({SCORES: (first == truth) * 1.0}, {SCORES: (second == truth) * 1.0})
    loss = probs[rows, first] - probs[rows, second]
    high = np.percentile(loss[random.integers(images, size=(RESAMPLES, images))].mean(axis=1), 97.5)
    is_small = (first != second).mean() <= TIES and high <= MAX_LOSS / 2 and gain.high >= 0
    return gain.low >= -MAX_LOSS, bool(is_small)


def _difference(first: Any, second: Any) -> Interval:
    found = compare(first, second)
    assert found is not None
    return found.difference


def _objects_loss(kind: str, strength: float) -> float:
    first, second = _pair(5000, kind, strength, np.random.default_rng(3))
    return METRIC.value(first) - METRIC.value(second)


def _objects_verdict(images: int, kind: str, strength: float, random: np.random.Generator) -> tuple[bool]:
    first, second = _pair(images, kind, strength, random)
    return (_difference(comparable(METRIC, first), comparable(METRIC, second)).low >= -MAX_LOSS,)


def _pair(images: int, kind: str, strength: float, random: np.random.Generator) -> tuple[Any, Any]:
    """A detector and its damaged copy on the same drawn images: three objects each on average, a tenth not found."""
    counts = random.poisson(3, images)
    image = np.repeat(np.arange(images), counts)
    cells = np.concatenate([random.permutation(25)[:count] for count in counts])
    corner = np.stack([cells % 5, cells // 5], axis=1) * 100.0
    boxes, labels = np.concatenate([corner + 5, corner + 85], axis=1), random.choice(3, len(image), p=[0.6, 0.3, 0.1])
    none = np.zeros(len(image), bool)
    true = GroundTruth(np.full((images, 2), 500), image, labels, boxes.astype(np.float32), none, none, None)
    hit = np.flatnonzero(random.random(len(image)) < 0.9)
    wrong = np.repeat(np.arange(images), random.poisson(1.5, images))
    corner = random.uniform(0, 400, (len(wrong), 2))
    found = [
        np.concatenate([image[hit], wrong]),
        np.concatenate([labels[hit], random.integers(0, 3, len(wrong))]),
        np.concatenate([boxes[hit] + random.normal(0, 4, (len(hit), 4)), np.concatenate([corner, corner + 80], 1)]),
        np.concatenate([random.normal(1.5, 1.5, len(hit)), random.normal(-1.2, 1.2, len(wrong))]),
    ]
    damaged = list(found)
    if kind == "noise":
        damaged[2] = found[2] + random.normal(0, 2, found[2].shape)
        damaged[3] = found[3] + strength * random.normal(size=len(found[3]))
    else:
        kept = random.random(len(found[0])) >= strength
        damaged = [each[kept] for each in found]
    return _cases(images, found, true), _cases(images, damaged, true)


def _cases(images: int, found: list[Any], true: GroundTruth) -> Any:
    image, labels, boxes, logits = found
    detections = Detections.from_unsorted(images, image, labels, boxes, 1 / (1 + np.exp(-logits)), None)
    return detection.DetectionCases(detections, true, detection.Thresholds(0.5, 0.3, 3))


if __name__ == "__main__":
    main()

"""Alarms on unchanged streams, and how soon a change is noticed: tables for streams of held-out images.

    python benchmarks/drift.py MODEL DATA [MODEL DATA ...] [--unknown DATA] [--streams 20] [--json FILE]

Each MODEL is a model folder, DATA the data set that it was trained on; its test images are the streams, shuffled.
If some of DATA's classes are unknown to the model, their images are the "new class" of classification; `--unknown`
names a data set whose images play that part for all models.

- Unchanged streams: validation and test images are shuffled together and divided anew into reference and stream, so
  that nothing differs but chance; at the level 0.01. The share of checks that raise an alarm, by number of images, for
  our test, and for the largest gap on each of 32 principal axes (Rabanser et al. 2019) with Bonferroni's rule. Then the
  test images as they are: splits by person or place may differ for a reason.
- Changed streams: the reference is half of the test images as they are, streams are of the other half, so that nothing
  but the change is to be noticed. It begins with the first image. Checked are the newest 100
  images, each time that 20 more have come. Printed is the median number of images until the first alarm, and the share
  of streams with one.
- How right the model is on all changed images, as measured and as estimated without labels.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from automl_vision import Dataset
from automl_vision.deployment.monitoring.comparison import LEVEL, compare_observations
from automl_vision.evaluation.intervals import wilson_interval
from automl_vision.evaluation.two_sample import LargestGap, compare_groups, whitened
from automl_vision.serving.observations import Observations, Observer, Reference
from automl_vision.serving.predictions import Prediction

SEVERITIES = (1, 2, 3, 4, 5)
STEP, WINDOW = 20, 100
MOST_REFERENCE = 500  # images of a reference; a model folder has at most 400
CHECKED = (20, 50, 100)
Pixels = NDArray[np.float32]
Change = Callable[[Image.Image, int], Image.Image]


def _with(pixels: Pixels) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _blurred(image: Image.Image, severity: int) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(severity * min(image.size) / 400))


def _noisy(image: Image.Image, severity: int) -> Image.Image:
    random = np.random.default_rng(severity)
    pixels = np.asarray(image, np.float32)
    return _with(pixels + random.normal(size=pixels.shape) * 6 * severity)


def _underexposed(image: Image.Image, severity: int) -> Image.Image:
    return _with(np.asarray(image, np.float32) * 0.88**severity)


def _other_camera(image: Image.Image, severity: int) -> Image.Image:
    """Warmer, of less saturation and with another gamma."""
    pixels = (np.asarray(image, np.float32) / 255) ** (1 - 0.05 * severity)
    grey = pixels.mean(axis=2, keepdims=True)
    return _with(255 * (grey + (pixels - grey) * (1 - 0.06 * severity)) * (1 + 0.03 * severity * np.array([1, 0, -1])))


CORRUPTIONS: dict[str, Change] = {
    "blur": _blurred,
    "noise": _noisy,
    "exposure": _underexposed,
    "other camera": _other_camera,
}
SHARES = {1: 0.05, 2: 0.1, 3: 0.2, 4: 0.35, 5: 0.5}  # of images of a new class, or of one class more than before


class Subject:
    """A model with the images that it is watched on."""

    def __init__(self, model: Path, data: Path, unknown: Path | None) -> None:
        self.name = data.name
        self.observer = Observer(model, threads=0)
        self.reference = Reference.load(model)
        self.dataset = Dataset.open(data)
        self.classes = self.observer.description.classes
        self._unknown = unknown

    def observed(
        self, dataset: Dataset, rows: NDArray[np.intp], change: Change | None = None, severity: int = 0
    ) -> Any:
        """What is kept of some images, and their predictions."""
        found = []
        for row in rows.tolist():
            source: Any = dataset[row].read()
            if change is not None:
                source = change(dataset[row].image(), severity)
            found.append(self.observer.observe(self.observer.processor.preprocess(source)))
        return Observations.join([each for each, _ in found]), [prediction for _, prediction in found]

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """The test images of known classes."""
        test = np.flatnonzero(self.dataset.splits == "test")
        return test[self.is_known[test]]

    @cached_property
    def is_known(self) -> NDArray[np.bool_]:
        """Which images have only classes that the model knows."""
        unknown = [i for i, name in enumerate(self.dataset.classes) if name not in self.classes]
        return ~self.dataset.targets[:, unknown].any(axis=1)

    @cached_property
    def foreign(self) -> Observations | None:
        """Images of classes that the model does not know."""
        if self._unknown is not None:
            other = Dataset.open(self._unknown)
            return self.observed(other, np.flatnonzero(other.splits == "test")[:150])[0]
        rows = np.flatnonzero(~self.is_known)
        return self.observed(self.dataset, rows)[0] if len(rows) else None

    @cached_property
    def clean(self) -> Any:
        return self.observed(self.dataset, self.rows)

    def right(self, predictions: list[Any]) -> float | None:
        """The share of right answers of a classifier; None for detectors, whose estimate is not judged here."""
        if not isinstance(predictions[0], Prediction):
            return None
        truth = self.dataset.targets[self.rows]
        positions = {name: i for i, name in enumerate(self.dataset.classes)}
        answers = [(k, positions[name]) for k, each in enumerate(predictions) for name in each.predicted]
        return float(np.mean([truth[k, label] for k, label in answers]))


def _gaps_on_axes(old: Observations, new: Observations) -> bool:
    """Whether the usual test raises an alarm: the largest gap on each principal axis, with Bonferroni's rule."""
    both = whitened(Observations.join([old, new]).features.astype(np.float64))
    is_new = np.arange(len(both)) >= len(old)
    found = compare_groups({str(k): LargestGap(axis) for k, axis in enumerate(both.T)}, is_new)
    return min(each.p_value for each in found.values()) * len(found) <= LEVEL


def _ours(reference: Reference, new: Observations, classes: tuple[str, ...]) -> bool:
    found = compare_observations(reference, new, classes)
    return found is not None and found.is_alarm


def _rate(alarms: list[bool]) -> str:
    found = wilson_interval(sum(alarms), len(alarms))
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def unchanged(subject: Subject, checks: int) -> Iterator[list[Any]]:
    """Shares of alarms where nothing changed, by number of images."""
    reference, test = subject.reference, subject.clean[0]
    pool = Observations.join([reference.observations, test])
    for count in CHECKED:
        ours, gaps, native = [], [], []
        for k in range(checks):
            random = np.random.default_rng(k)
            order = random.permutation(len(pool))
            old, new = pool.take(order[count:][: len(reference.observations)]), pool.take(order[:count])
            drawn = Reference(old, *(getattr(reference, name) for name in ("answers", "right", "confidence")))
            ours.append(_ours(drawn, new, subject.classes))
            gaps.append(_gaps_on_axes(old, new))
            some = test.take(random.permutation(len(test))[:count])
            native.append(_ours(reference, some, subject.classes))
        yield [subject.name, count, _rate(ours), _rate(gaps), _rate(native)]


def _delay(reference: Reference, stream: Observations, classes: tuple[str, ...]) -> int | None:
    """Images until the first alarm, or None."""
    for end in range(STEP, len(stream) + 1, STEP):
        if _ours(reference, stream.take(np.arange(max(0, end - WINDOW), end)), classes):
            return end
    return None


class Streams:
    """Halves of the test images in random order, each with a reference that has the other half.

    Args:
        subject: with the images.
        count: of streams.
    """

    def __init__(self, subject: Subject, count: int) -> None:
        self.subject = subject
        self.orders, self.references = [], []
        known, clean = subject.reference, subject.clean[0]
        for k in range(count):
            order = np.random.default_rng(k).permutation(len(subject.rows))
            half = len(order) // 2
            self.orders.append(order[:half])
            self.references.append(replace(known, observations=clean.take(order[half:][:MOST_REFERENCE])))

    def row(self, change: str, severity: int, found: Callable[[int], Observations], right: list[str]) -> list[Any]:
        """The delays of a change; `found` makes the images of a stream from its number."""
        classes = self.subject.classes
        delays = [_delay(each, found(k), classes) for k, each in enumerate(self.references)]
        known = sorted(each for each in delays if each is not None)
        median = known[len(delays) // 2] if len(known) > len(delays) // 2 else None
        share = f"{len(known)} of {len(delays)}"
        return [self.subject.name, change, severity, "none" if median is None else median, share, *right]


def changed(subject: Subject, count: int) -> Iterator[list[Any]]:
    """Delays and shares of alarms by change and severity, and how right the model is."""
    streams, (clean, said) = Streams(subject, count), subject.clean
    orders = streams.orders
    yield streams.row("none", 0, lambda k: clean.take(orders[k]), _right(subject, clean, said))
    for name, change in CORRUPTIONS.items():
        for severity in SEVERITIES:
            found, said = subject.observed(subject.dataset, subject.rows, change, severity)
            yield streams.row(
                name, severity, lambda k, found=found: found.take(orders[k]), _right(subject, found, said)
            )
    largest = clean.classes.sum(axis=0).argmax()
    of_largest = clean.take(np.flatnonzero(clean.classes.argmax(axis=1) == largest))
    for name, more in (("new class", subject.foreign), ("class share", of_largest)):
        if more is None:
            continue
        for severity in SEVERITIES:
            share = SHARES[severity]
            yield streams.row(
                name, severity, lambda k, share=share, more=more: _mixed(clean, more, share, orders[k], k), [""] * 3
            )


def _mixed(clean: Observations, more: Observations, share: float, order: NDArray[np.intp], seed: int) -> Observations:
    """A stream in which a share of the images is replaced by others."""
    random = np.random.default_rng(seed)
    other = more.take(random.integers(len(more), size=len(order)))
    both = Observations.join([clean.take(order), other])
    return both.take(np.where(random.random(len(order)) < share, len(order), 0) + np.arange(len(order)))


def _right(subject: Subject, found: Observations, predictions: list[Any]) -> list[str]:
    """Measured, estimated with its interval, and whether that holds the measured one."""
    measured = subject.right(predictions)
    compared = compare_observations(subject.reference, found, subject.classes)
    assert compared is not None
    estimate = compared.right_now
    if measured is None:
        return ["", estimate.text(3), ""]
    return [f"{measured:.3f}", estimate.text(3), "yes" if estimate.low <= measured <= estimate.high else "no"]


def _table(header: list[str], rows: Iterator[list[Any]], kept: list[list[Any]]) -> None:
    print("| " + " | ".join(header) + " |\n" + "| --- " * len(header) + "|")
    for row in rows:
        kept.append(row)
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, nargs="+", metavar="MODEL DATA")
    parser.add_argument("--unknown", type=Path)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--checks", type=int, default=300)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    subjects = [Subject(*pair, options.unknown) for pair in zip(options.pairs[::2], options.pairs[1::2], strict=True)]
    found: dict[str, list[list[Any]]] = {"unchanged": [], "changed": []}
    for subject in subjects:
        _table(
            ["data", "images", "alarms, shuffled", "alarms of gaps, shuffled", "alarms, test as it is"],
            unchanged(subject, options.checks),
            found["unchanged"],
        )
        _table(
            ["data", "change", "severity", "median delay", "streams with alarm", "right", "estimated", "holds it"],
            changed(subject, options.streams),
            found["changed"],
        )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

"""What half of the labels predict of the whole, against what the whole gives: error and coverage of the interval.

    python benchmarks/label_plan.py FOLDER [FOLDER ...] [--seeds 5] [--level 0.8] [--out FILE.jsonl] [--cache FOLDER]

Half of the training and validation images, drawn anew for each seed, keep their labels. From parts of that half the
curve is measured and continued to the whole, twice as many labels; then the probe learns from the whole. All is
measured on the test images. Printed are how far the prediction is off, how often the interval holds what came out, how
wide it is, and how far off it is to expect no gain at all; the same for the F1 of classes by their own labels. A line
of FILE is one half; those that are there are not made again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision import Dataset
from automl_vision.core.files import append_json_line, read_lines
from automl_vision.data.splits import holdout
from automl_vision.data.targets import Targets
from automl_vision.experiment.probed import Probed, probed
from automl_vision.labeling.learning_curve import Curve
from automl_vision.labeling.probed_curve import class_curve, overall_curve

HALF = 0.5


def opened(folder: Path, cache: Path | None) -> tuple[Probed, tuple[str, ...]]:
    """A set whose training and validation images are learned from, and whose test images judge."""
    dataset = Dataset.open(folder)
    splits = np.where(dataset.splits == "test", "val", "train")
    return probed(dataset.with_splits(splits), cache=cache), dataset.classes


def predictions(images: Probed, classes: tuple[str, ...], seed: int, level: float) -> list[dict[str, Any]]:
    """What half of the labels predict, and what came out: overall, and for each class with enough images."""
    rows = images.training
    targets = Targets.from_dense(images.truth[rows])
    half = replace(images, training=rows[holdout(targets, [str(i) for i in range(len(rows))], HALF, seed=100 + seed)])
    found = [_compared(overall_curve(half, level=level, seed=seed), len(rows), images.score(rows))]
    for label, name in enumerate(classes):
        curve = class_curve(half, label, name, level=level)
        if curve is None:
            continue
        # the class's own labels double, all others stay those of the half
        own = rows[images.truth[rows, label]]
        more = np.union1d(half.training, own)
        found.append(_compared(curve, len(own), images.class_f1(more, label)))
    return [each for each in found if each]


def _compared(curve: Curve, labels: int, value: float) -> dict[str, Any]:
    if curve.law is None:
        return {}
    middle, low, high = curve.law.predict(labels, curve.level)
    return {
        "name": curve.name, "labels": [curve.labels, labels], "now": curve.value, "predicted": middle, "low": low,
        "high": high, "value": value, "told": not curve.problem,
    }  # fmt: skip


def table(lines: list[dict[str, Any]], *, of_classes: bool) -> None:
    """Print the figures of each set, and of all."""
    print(
        "| set | predictions | told | off by | no gain off by | interval holds | width |\n| --- " + "| --- " * 6 + "|"
    )
    by_set: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_set.setdefault(line["set"], []).extend(p for p in line["found"] if bool(p["name"]) == of_classes)
    everything = [each for found in by_set.values() for each in found]
    for name, found in [*sorted(by_set.items()), ("all", everything)]:
        if not found:
            continue
        value, low, high = (np.array([each[key] for each in found]) for key in ("value", "low", "high"))
        off = np.mean([abs(each["predicted"] - each["value"]) for each in found])
        stay = np.mean([abs(each["now"] - each["value"]) for each in found])
        held = np.mean((low <= value) & (value <= high))
        told = np.mean([each["told"] for each in found])
        print(
            f"| {name} | {len(found)} | {told:.0%} | {off:.4f} | {stay:.4f} | {held:.0%} | {(high - low).mean():.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--level", type=float, default=0.8)
    parser.add_argument("--out", type=Path, default=Path("label_plan.jsonl"))
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    read = [json.loads(line) for line in read_lines(options.out)[0]]
    known = {(line["set"], line["seed"], line["level"]) for line in read}
    for folder in options.folders:
        missing = [seed for seed in range(options.seeds) if (folder.name, seed, options.level) not in known]
        images, classes = opened(folder, options.cache) if missing else (None, ())
        for seed in missing:
            assert images is not None
            found = predictions(images, classes, seed, options.level)
            line = {"set": folder.name, "seed": seed, "level": options.level, "found": found}
            append_json_line(options.out, line)
            read.append(line)
    read = [line for line in read if line["level"] == options.level]
    print("the metric of all classes\n")
    table(read, of_classes=False)
    print("\nF1 of classes by their own labels\n")
    table(read, of_classes=True)


if __name__ == "__main__":
    main()

"""Precision and recall of suspected label errors among a trial's mistakes: labels of finished trials are changed.

    python benchmarks/suspects.py WORKSPACE RUN... [--share 0.05] [--seeds 5]

No model is trained: the predictions stay as they are, and in a share of the images of the split one label is changed
(another class, a label added or removed, a box removed, moved by half of its width, or of another class). What is found
in the untouched labels counts as false in one precision, and is left out of the other.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.multi_label import MultiLabelCases
from automl_vision.evaluation.suspects import suspected_images
from automl_vision.experiment.run import Run
from automl_vision.workspace.workspace import Workspace

HEADER = ["run", "split", "images", "metric", "changed", "found", "recall", "precision", "of the new", "found before"]


def changed(cases: Any, images: np.ndarray, random: np.random.Generator) -> Any:
    """The cases with one label changed in each of some images."""
    if isinstance(cases, ClassificationCases):
        classes, truth = cases.probabilities.shape[1], cases.truth.copy()
        truth[images] = (truth[images] + random.integers(1, classes, len(images))) % classes
        return replace(cases, truth=truth)
    if isinstance(cases, MultiLabelCases):
        onehot = cases.onehot.copy()
        for image in images.tolist():
            onehot[image, random.integers(onehot.shape[1])] ^= True
        return replace(cases, onehot=onehot)
    return replace(cases, true=_changed_objects(cases, images, random))


def _changed_objects(cases: Any, images: np.ndarray, random: np.random.Generator) -> Any:
    true = cases.true
    boxes, labels, kept = true.boxes.copy(), true.labels.copy(), np.ones(len(true), bool)
    for number, image in enumerate(images.tolist()):
        own = int(random.choice(np.flatnonzero(true.image == image)))
        if number % 3 == 0:
            kept[own] = False
        elif number % 3 == 1:
            boxes[own, [0, 2]] += (boxes[own, 2] - boxes[own, 0]) / 2
        else:
            labels[own] = (labels[own] + random.integers(1, cases.thresholds.classes)) % cases.thresholds.classes
    return replace(true, boxes=boxes, labels=labels, masks=None).take(kept)


def row(run: Run, share: float, seeds: int) -> list[str]:
    """The table's line of one run."""
    trial = run.get_best_child()
    assert trial is not None
    evaluated = trial.evaluated()
    cases, classes, counts = evaluated.cases, evaluated.dataset.classes, np.zeros(4, int)
    before = set(suspected_images(cases, classes))
    possible = np.arange(len(cases)) if hasattr(cases, "probabilities") else np.unique(cases.true.image)
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        images = random.choice(possible, max(1, round(share * len(cases))), replace=False)
        found, wrong = set(suspected_images(changed(cases, images, random), classes)), set(images.tolist())
        counts += [len(wrong), len(found), len(found & wrong), len((found - wrong) & before)]
    put_in, found_in_all, hits, old = counts.tolist()
    shares = [(hits, put_in), (hits, found_in_all), (hits, found_in_all - old)]
    metric = f"{evaluated.primary.name} {evaluated.primary.value(cases):.2f}"
    texts = [f"{part / whole:.2f}" if whole else "-" for part, whole in shares]
    return [
        run.id.partition("-2")[0], evaluated.split, str(len(cases)), metric, str(put_in), str(found_in_all), *texts,
        str(len(before)),
    ]  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    for line in [HEADER, ["---"] * len(HEADER)]:
        print("| " + " | ".join(line) + " |")
    for name in arguments.runs:
        print(
            "| " + " | ".join(row(Run(Workspace(arguments.workspace), name), arguments.share, arguments.seeds)) + " |"
        )


if __name__ == "__main__":
    main()

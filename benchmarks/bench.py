"""Contenders on many sets, within the same time and from the same weights: one table, and a record for later questions.

    python benchmarks/bench.py run --out bench --sets clothing clothing@30 bccd:crops@10 \\
        --contenders probe lpft trial: automode --minutes 5 --seeds 0 1
    python benchmarks/bench.py table --out bench --against probe

`run` works through sets x contenders x minutes x seeds; a cell that has its result and no error is skipped, so a
bench that was interrupted goes on. `--minutes 0` sets no limit. `trial:` is one trial of our default recipe, and
`trial:learning_rate=3e-4,mixup_alpha=0` one with other hyperparameters; `fastai` is another tool, if it is installed.
Each cell leaves `result.json` (seconds, messages, metrics of each epoch) and its answers for the validation and test
images: `outputs.npz` (probabilities and labels), or `predictions.arrow` (objects).

`table` prints the test metric of each contender on each set, and a second figure: accuracy and log loss; intersection
over union of several labels and log loss; mAP50 and COCO's mAP of objects. Then it prints the mean difference to one
contender over all sets, paired by image, with an interval at 95 % from resampled images, and the worst set. The same
sets may be named in `--sets` as in `run`, to look at a part; sets with labels and sets with objects have tables of
their own.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.files import read_json, write_json
from automl_vision.core.tasks import CLASSIFICATION, has_objects
from automl_vision.evaluation.multi_label import label_set_iou
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.evaluation.weighted import resample_weights
from bench_contenders import Job, find_contender, timed
from bench_sets import BenchSet, add_set_options

_OUTPUTS = "outputs.npz"
_KEPT = ("result.json", _OUTPUTS, PREDICTIONS_FILE)


@dataclass(frozen=True)
class Cell:
    """One contender on one set.

    Attributes:
        set_name, contender, minutes, seed: as in the command line.
    """

    set_name: str
    contender: str
    minutes: float
    seed: int

    def folder(self, out: Path) -> Path:
        """Where its record is."""
        name = f"{self.set_name}__{self.contender}__{self.minutes:g}min__{self.seed}"
        return out / "cells" / name.replace("/", "-").replace(":", ".")


def run(cell: Cell, options: argparse.Namespace) -> None:
    """Train one cell and write its record; an error is written too, and the bench goes on."""
    folder, contender = cell.folder(options.out), find_contender(cell.contender)
    file = folder / "result.json"
    if file.exists() and "error" not in read_json(file):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dataset = BenchSet.parse(cell.set_name, options.data).open(options.out, seed=cell.seed)
    cache = options.out / "cache"
    job = Job(dataset, cell.minutes * 60 or None, cell.seed, folder, cache, options.threads)
    facts: dict[str, Any] = {**vars(cell), "task": dataset.task, "classes": list(dataset.classes)}
    try:
        outcome = timed(contender, job)
    except Exception:
        write_json(folder / "result.json", {**facts, "error": traceback.format_exc()})
        print(traceback.format_exc(), flush=True)
        return
    if isinstance(outcome.answers, Predictions):
        outcome.answers.save(folder / PREDICTIONS_FILE)
    else:
        truth = {f"{split}_truth": dataset.targets[dataset.splits == split] for split in ("val", "test")}
        np.savez_compressed(folder / _OUTPUTS, **truth, **outcome.answers)
    for path in folder.iterdir():
        if path.name not in _KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_json(folder / "result.json", {**facts, **outcome.facts})
    scored = _scored(facts, folder, options)
    print(f"{folder.name}: {scored.score[0]:.4f} ({scored.second:.4f}), {outcome.facts['seconds']:.0f} s", flush=True)


def scores_of_images(task: str, probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Score and log loss of each image, (2, images)."""
    likely = np.clip(probabilities, 1e-6, 1 - 1e-6)
    if task == CLASSIFICATION:
        right = probabilities.argmax(1) == truth.argmax(1)
        return np.stack([right.astype(float), -np.log(likely[truth])])
    loss = -(np.log(likely) * truth + np.log(1 - likely) * ~truth).mean(1)
    return np.stack([label_set_iou(probabilities >= 0.5, truth), loss])


def finished_cells(out: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """What `run` has left of each cell without an error, and its folder."""
    for file in sorted(out.glob("cells/*/result.json")):
        facts = read_json(file)
        if "error" not in facts:
            yield facts, file.parent


def outputs_of(folder: Path) -> dict[str, NDArray[Any]]:
    """Probabilities and labels of a cell: "val", "test", "val_truth", "test_truth", (images, classes) each."""
    with np.load(folder / _OUTPUTS) as arrays:
        return dict(arrays)


@dataclass(frozen=True)
class Scored:
    """The test figures of one cell.

    Attributes:
        score: on all test images, then on resamples of them, (1 + resamples,).
        second: log loss of labels; COCO's mAP of objects.
    """

    score: NDArray[np.float64]
    second: float


@dataclass(frozen=True)
class SecondFigure:
    """What the table shows beside the score.

    Attributes:
        title: with its unit.
        change: of one figure against another; changes are averaged.
        worst: picks the worst of several changes, by key.
        shown: a change in the table.
    """

    title: str
    change: Callable[[float, float], float]
    worst: Callable[..., str]
    shown: Callable[[float], str]


LOG_LOSS = SecondFigure(
    "log loss as a ratio", lambda mine, theirs: math.log(mine / theirs), max, lambda change: f"{math.exp(change):.3f}"
)
COCO_MAP = SecondFigure(
    "COCO's mAP in points", lambda mine, theirs: 100 * (mine - theirs), min, lambda change: f"{change:+.2f}"
)

Scores = dict[str, dict[str, dict[int, Scored]]]
"""By contender with its minutes, set and seed."""


def _scored(facts: dict[str, Any], folder: Path, options: argparse.Namespace) -> Scored:
    if has_objects(facts["task"]):
        dataset = BenchSet.parse(facts["set_name"], options.data).open(options.out, seed=facts["seed"])
        predictions = Predictions.load(folder / PREDICTIONS_FILE)
        scoring, test = create_scoring(predictions.task, dataset), predictions.of_split("test")
        cases = scoring.cases(scoring.from_predictions(test), test.rows, predictions.calibration)
        return Scored(scoring.primary.resampled(cases), scoring.METRICS["coco_map"].value(cases))
    arrays = outputs_of(folder)
    score, loss = scores_of_images(facts["task"], arrays["test"], arrays["test_truth"])
    return Scored(resample_weights(len(score)) @ score / len(score), float(loss.mean()))


def read_scores(options: argparse.Namespace) -> Scores:
    """What all finished cells say of the test images, of the sets and contenders that are named, or of all."""
    found: Scores = defaultdict(lambda: defaultdict(dict))
    for facts, folder in finished_cells(options.out):
        named = f"{facts['contender']} {facts['minutes']:g} min" if facts["minutes"] else facts["contender"]
        if options.sets and facts["set_name"] not in options.sets:
            continue
        if options.contenders and facts["contender"] not in options.contenders:
            continue
        found[named][facts["set_name"]][facts["seed"]] = _scored(facts, folder, options)
    return found


def print_table(scores: Scores, against: str, second: SecondFigure) -> None:
    """Scores by set, then the differences to one contender."""
    sets = sorted({name for of_sets in scores.values() for name in of_sets})
    print(f"| contender | {' | '.join(sets)} |\n{'| --- ' * (len(sets) + 1)}|")
    for contender, of_sets in sorted(scores.items()):
        cells = []
        for name in sets:
            figures = [(scored.score[0], scored.second) for scored in of_sets[name].values()]
            cells.append("{:.3f} ({:.3f})".format(*np.mean(figures, axis=0)) if figures else "")
        print(f"| {contender} | {' | '.join(cells)} |")
    print(f"\nDifferences to {against}: score in points, {second.title}")
    names = ["contender", "sets", "cells", "mean", "interval", "worst set", second.title, "worst set"]
    print(f"| {' | '.join(names)} |\n{'| --- ' * len(names)}|")
    for contender, of_sets in sorted(scores.items()):
        if contender != against:
            print(_difference_row(contender, of_sets, scores[against], second))


def _difference_row(
    contender: str, own: dict[str, dict[int, Scored]], base: dict[str, dict[int, Scored]], second: SecondFigure
) -> str:
    changes, seconds, cells = {}, {}, 0
    for name in sorted(own.keys() & base.keys()):
        pairs = [(own[name][seed], base[name][seed]) for seed in sorted(own[name].keys() & base[name].keys())]
        if pairs:
            cells += len(pairs)
            changes[name] = 100 * np.mean([mine.score - theirs.score for mine, theirs in pairs], axis=0)
            seconds[name] = float(np.mean([second.change(mine.second, theirs.second) for mine, theirs in pairs]))
    if not changes:
        return f"| {contender} | 0 | 0 | | | | | |"
    low, high = np.nanquantile(np.mean([change[1:] for change in changes.values()], axis=0), [0.025, 0.975])
    mean = np.mean([change[0] for change in changes.values()])
    worst = min(changes, key=lambda name: changes[name][0])
    last, of_all = second.worst(seconds, key=seconds.__getitem__), float(np.mean(list(seconds.values())))
    return (
        f"| {contender} | {len(changes)} | {cells} | {mean:+.2f} | [{low:+.2f}, {high:+.2f}] "
        f"| {changes[worst][0]:+.2f} {worst} | {second.shown(of_all)} | {second.shown(seconds[last])} {last} |"
    )


def print_tables(options: argparse.Namespace) -> None:
    """The table of labels and that of objects, as far as there are cells of them."""
    of_task = {facts["set_name"]: has_objects(facts["task"]) for facts, _ in finished_cells(options.out)}
    scores = read_scores(options)
    for objects, second in ((False, LOG_LOSS), (True, COCO_MAP)):
        chosen: Scores = defaultdict(lambda: defaultdict(dict))
        for contender, of_sets in scores.items():
            for name, seeds in of_sets.items():
                if of_task[name] == objects:
                    chosen[contender][name] = seeds
        if chosen:
            print_table(chosen, options.against, second)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    add_set_options(parser)
    parser.add_argument("--contenders", nargs="+", default=[])
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--against", default="probe", help="of the table's differences, as the table names it")
    options = parser.parse_args()
    if options.what == "table":
        print_tables(options)
        return
    for minutes in options.minutes:
        for seed in options.seeds:
            for contender in options.contenders:
                for name in options.sets:
                    run(Cell(name, contender, minutes, seed), options)


if __name__ == "__main__":
    main()

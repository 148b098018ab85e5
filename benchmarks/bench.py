"""Contenders on many sets, within the same time and from the same weights: one table, and a record for later questions.

    python benchmarks/bench.py run --out bench --sets clothing clothing@30 bccd:crops@10 \\
        --contenders probe lpft trial: automode --minutes 5 --seeds 0 1
    python benchmarks/bench.py table --out bench --against probe

`run` works through sets x contenders x minutes x seeds; a cell that has its result and no error is skipped, so a
bench that was interrupted goes on. `--minutes 0` sets no limit. `trial:` is one trial of our default recipe, and
`trial:learning_rate=3e-4,mixup_alpha=0` one with other hyperparameters; `fastai` is another tool, if it is installed.
Each cell leaves `result.json` (seconds, messages, metrics of each epoch) and `outputs.npz` (probabilities and labels
of validation and test images).

`table` prints the test metric (accuracy; intersection over union of several labels) and log loss of each contender on
each set, then its mean difference to one contender over all sets, paired by image, with an interval at 95 % from
resampled images, and the worst set. The same sets may be named in `--sets` as in `run`, to look at a part.
"""

from __future__ import annotations

import argparse
import os
import shutil
import traceback
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.files import read_json, write_json
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.evaluation.multi_label import label_set_iou
from bench_contenders import Job, find_contender, timed
from bench_sets import BenchSet, add_set_options

_RESAMPLES = 2000
_KEPT = ("result.json", "outputs.npz")


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
    truth = {f"{split}_truth": dataset.targets[dataset.splits == split] for split in ("val", "test")}
    np.savez_compressed(folder / "outputs.npz", **truth, **outcome.probabilities)
    for path in folder.iterdir():
        if path.name not in _KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_json(folder / "result.json", {**facts, **outcome.facts})
    values = scores_of_images(dataset.task, outcome.probabilities["test"], truth["test_truth"])
    print(
        f"{folder.name}: {values[0].mean():.4f}, log loss {values[1].mean():.4f}, {outcome.facts['seconds']:.0f} s",
        flush=True,
    )


def scores_of_images(task: str, probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Score and log loss of each image, (2, images)."""
    likely = np.clip(probabilities, 1e-6, 1 - 1e-6)
    if task == CLASSIFICATION:
        right = probabilities.argmax(1) == truth.argmax(1)
        return np.stack([right.astype(float), -np.log(likely[truth])])
    loss = -(np.log(likely) * truth + np.log(1 - likely) * ~truth).mean(1)
    return np.stack([label_set_iou(probabilities >= 0.5, truth), loss])


Scores = dict[str, dict[str, dict[int, NDArray[np.float64]]]]
"""By contender with its minutes, set and seed: (2, images), score and log loss."""


def finished_cells(out: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """What `run` has left of each cell without an error, and the file with its outputs."""
    for file in sorted(out.glob("cells/*/result.json")):
        facts = read_json(file)
        if "error" not in facts:
            yield facts, file.parent / "outputs.npz"


def read_scores(out: Path, sets: list[str], contenders: list[str]) -> Scores:
    """What all finished cells say of the test images."""
    found: Scores = defaultdict(lambda: defaultdict(dict))
    for facts, outputs in finished_cells(out):
        named = f"{facts['contender']} {facts['minutes']:g} min" if facts["minutes"] else facts["contender"]
        if sets and facts["set_name"] not in sets:
            continue
        if contenders and facts["contender"] not in contenders:
            continue
        with np.load(outputs) as arrays:
            values = scores_of_images(facts["task"], arrays["test"], arrays["test_truth"])
        found[named][facts["set_name"]][facts["seed"]] = values
    return found


def print_table(scores: Scores, against: str) -> None:
    """Scores by set, then the differences to one contender."""
    sets = sorted({name for of_sets in scores.values() for name in of_sets})
    print(f"| contender | {' | '.join(sets)} |\n{'| --- ' * (len(sets) + 1)}|")
    for contender, of_sets in sorted(scores.items()):
        cells = []
        for name in sets:
            means = np.mean([values.mean(1) for values in of_sets[name].values()], axis=0) if of_sets[name] else None
            cells.append("" if means is None else f"{means[0]:.3f} ({means[1]:.3f})")
        print(f"| {contender} | {' | '.join(cells)} |")
    print(f"\nDifferences to {against}: score in points, log loss as a ratio")
    print("| contender | sets | cells | mean | interval | worst set | log loss | worst set |\n" + "| --- " * 8 + "|")
    for contender, of_sets in sorted(scores.items()):
        if contender != against:
            print(_difference_row(contender, of_sets, scores[against]))


def _difference_row(contender: str, own: Any, base: Any) -> str:
    random = np.random.default_rng(0)
    resampled, points, ratios, cells = [], {}, {}, 0
    for name in sorted(own.keys() & base.keys()):
        seeds = sorted(own[name].keys() & base[name].keys())
        if not seeds:
            continue
        cells += len(seeds)
        change = np.stack([own[name][seed][0] - base[name][seed][0] for seed in seeds])  # (seeds, images)
        losses = [own[name][seed][1].mean() / base[name][seed][1].mean() for seed in seeds]
        points[name], ratios[name] = change.mean(), float(np.exp(np.mean(np.log(losses))))
        of_images = change.mean(0)
        drawn = random.integers(len(of_images), size=(_RESAMPLES, len(of_images)))
        resampled.append(of_images[drawn].mean(1))
    if not points:
        return f"| {contender} | 0 | 0 | | | | | |"
    low, high = 100 * np.quantile(np.mean(resampled, axis=0), [0.025, 0.975])
    worst, loudest = min(points, key=points.__getitem__), max(ratios, key=ratios.__getitem__)
    mean, ratio = 100 * np.mean(list(points.values())), np.exp(np.mean(np.log(list(ratios.values()))))
    return (
        f"| {contender} | {len(points)} | {cells} | {mean:+.2f} | [{low:+.2f}, {high:+.2f}] "
        f"| {100 * points[worst]:+.2f} {worst} | {ratio:.3f} | {ratios[loudest]:.3f} {loudest} |"
    )


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
        print_table(read_scores(options.out, options.sets, options.contenders), options.against)
        return
    for minutes in options.minutes:
        for seed in options.seeds:
            for contender in options.contenders:
                for name in options.sets:
                    run(Cell(name, contender, minutes, seed), options)


if __name__ == "__main__":
    main()

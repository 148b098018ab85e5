"""How much sooner a model learns from images that were chosen than from random ones: simulated on labelled sets.

    python benchmarks/active_learning.py FOLDER [FOLDER ...] [--rules ...] [--seeds 5] [--rounds 5] [--share 0.05]
        [--out FILE.jsonl] [--cache FOLDER]

Labels of the training and validation images are hidden; 5 % of them are known at the start, the same ones for each
rule, and each round reveals as many again. After each round the model is trained on what is known, and scored on the
test images. Of labels of whole images it is the linear probe on the frozen features that a training starts from; of
boxes a linear detector: class and box of each cell are read off frozen maps of features by linear models, in seconds;
it finds less than a trained detector. A line of FILE is one curve; those that are there are not made again.

Printed are the area under the curve of the metric by labels, its difference to random choice with a 95 % interval over
the seeds (paired by seed, Student's t), and how many labels fewer reach the metric that random choice ends with.
`cold` starts without any label, and the rule chooses the first ones too.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from automl_vision import Dataset
from automl_vision.core.files import append_json_line, read_lines
from automl_vision.core.tasks import TASKS, has_objects
from automl_vision.doctor.features import FeatureStore
from automl_vision.doctor.label_errors import principal_components
from automl_vision.evaluation.multi_label import label_set_iou
from automl_vision.experiment.linear_probe import fit_for
from automl_vision.labeling.choosing import choose, doubt_of, shares_of
from automl_vision.labeling.doubts import Doubts
from automl_vision.labeling.next_images import STRENGTH
from automl_vision.storage.cache_folder import cache_folder
from linear_detector import LinearDetector, maps_of

SHOWN = 0.5  # score from which the linear detector shows an object


@dataclass
class View:
    """What a model says of all images.

    Attributes:
        doubt: (images,), margin between the two likeliest classes, mean doubt over labels, or doubts of a detector.
        plain: (images,), the uncertainty that is usually taken: for boxes the sum over them of how near 50 % they are.
        weights: (images,), what a label says about the model.
        chances: (images, classes); None of a detector.
    """

    doubt: np.ndarray
    plain: np.ndarray
    weights: np.ndarray
    chances: np.ndarray | None = None
    one_label: bool = False


@dataclass
class State:
    """What a rule sees: components, what the model says, and which images are labelled."""

    inputs: np.ndarray
    view: View
    labelled: np.ndarray
    pool: np.ndarray
    count: int
    random: np.random.Generator

    @property
    def doubt(self) -> np.ndarray:
        """(pool,)."""
        return self.view.doubt[self.pool]


def by_chance(state: State) -> np.ndarray:
    return state.random.permutation(state.pool)[: state.count]


def by_uncertainty(state: State) -> np.ndarray:
    return state.pool[np.argsort(-state.view.plain[state.pool], kind="stable")[: state.count]]


def by_product(state: State) -> np.ndarray:
    """The product's rule."""
    found = choose(
        state.inputs[state.pool], state.count, doubt=state.doubt, labelled=state.inputs[state.labelled]
    )  # fmt: skip
    return state.pool[found.positions]


def by_cover(state: State) -> np.ndarray:
    """The product's rule without a model."""
    return state.pool[choose(state.inputs[state.pool], state.count, labelled=state.inputs[state.labelled]).positions]


def by_doubtful_cover(state: State) -> np.ndarray:
    """Facility location in which doubtful images count more as ones to be covered."""
    near = _unit(state.inputs[state.pool])
    alike = np.maximum(near @ near.T, 0)
    covered = np.maximum(near @ _unit(state.inputs[state.labelled]).T, 0).max(axis=1)
    chosen: list[int] = []
    while len(chosen) < state.count:
        gain = np.maximum(state.doubt, 1e-3) @ np.maximum(alike - covered[:, None], 0)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        covered = np.maximum(covered, alike[:, chosen[-1]])
    return state.pool[chosen]


def by_variance(state: State, penalty: float = 10.0) -> np.ndarray:
    """Greedy V-optimal design (Yu, Bi and Tresp 2006) with the information of logistic regression, as in BAIT."""
    inputs, weights = state.inputs, np.maximum(state.view.weights, 1e-3)
    known = inputs[state.labelled]
    precision = penalty * np.eye(inputs.shape[1]) + (known * weights[state.labelled, None]).T @ known
    near, weight = inputs[state.pool], weights[state.pool]
    shared = near @ np.linalg.inv(precision) @ near.T
    chosen: list[int] = []
    while len(chosen) < state.count:
        gain = weight * (weight @ np.square(shared)) / (1 + weight * np.diag(shared))
        gain[chosen] = -np.inf
        best = int(gain.argmax())
        chosen.append(best)
        column = shared[:, best].copy()
        shared -= np.outer(column, column) * (weight[best] / (1 + weight[best] * column[best]))
    return state.pool[chosen]


def by_cluster_margin(state: State) -> np.ndarray:
    """The most doubtful of each of `count` clusters, of the ten times as many that are most doubtful (Zhdanov 2019)."""
    from sklearn.cluster import KMeans

    doubt = state.doubt
    near = np.argsort(-doubt, kind="stable")[: 10 * state.count]
    if len(near) <= state.count:
        return state.pool[near]
    values = _unit(state.inputs[state.pool[near]])
    means = KMeans(state.count, n_init=1, random_state=0).fit(values, sample_weight=doubt[near] + 1e-6)
    apart = ((values[:, None] - means.cluster_centers_[None]) ** 2).sum(axis=2)
    chosen: list[int] = []
    for cluster in range(state.count):
        chosen.append(next(i for i in np.argsort(apart[:, cluster]).tolist() if i not in chosen))
    return state.pool[near[chosen]]


def by_gradients(state: State) -> np.ndarray:
    """BADGE (Ash et al. 2020): k-means++ on gradients of the last layer for the label that the model expects."""
    assert state.view.chances is not None
    chances, values = state.view.chances[state.pool], _unit(state.inputs[state.pool])
    is_best = chances == chances.max(axis=1, keepdims=True)
    expected = is_best if state.view.one_label else chances >= 0.5
    pull = chances - expected
    norms = (pull**2).sum(axis=1) * (values**2).sum(axis=1)
    chosen = [int(norms.argmax())]
    apart = np.full(len(values), np.inf)
    while len(chosen) < state.count:
        last = chosen[-1]
        apart = np.minimum(apart, norms + norms[last] - 2 * (pull @ pull[last]) * (values @ values[last])).clip(0)
        apart[chosen] = 0
        weight = apart if apart.sum() else np.where(np.isin(np.arange(len(values)), chosen), 0.0, 1.0)
        chosen.append(int(state.random.choice(len(values), p=weight / weight.sum())))
    return state.pool[chosen]


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)


RULES: dict[str, Callable[[State], np.ndarray]] = {
    "random": by_chance, "uncertainty": by_uncertainty, "ours": by_product, "cover": by_cover,
    "doubtful cover": by_doubtful_cover, "variance": by_variance, "cluster margin": by_cluster_margin,
    "badge": by_gradients,
}  # fmt: skip


def components(dataset: Dataset, cache: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """(images, components), and which images have them."""
    images, digests = (dataset.table[name].to_pylist() for name in ("image", "digest"))
    features = FeatureStore(cache).features(dataset.root, images, digests, value_range=dataset.value_range)
    known = np.isfinite(features).all(axis=1)
    found = principal_components(features[known])
    inputs = np.zeros((len(dataset), found.shape[1]))
    inputs[known] = found
    return inputs, known


class LabelledImages:
    """Labels of whole images.

    Args:
        inputs: (images, components).
        truth: (images, classes).
        splits: (images,).
        one_label: whether each image has exactly one class.
    """

    def __init__(self, inputs: np.ndarray, truth: np.ndarray, splits: np.ndarray, one_label: bool) -> None:
        self.inputs, self.truth, self.one_label = inputs, truth, one_label
        known = inputs.any(axis=1)
        self.training, self.test = (
            np.flatnonzero(known & (splits != "test")),
            np.flatnonzero(known & (splits == "test")),
        )
        self._fit = fit_for(one_label=one_label)

    def learn(self, labelled: np.ndarray) -> tuple[View, float]:
        """What the probe says of all images, and the metric on the test images."""
        chances = self._fit(self.inputs[labelled], self.truth[labelled], STRENGTH)(self.inputs)
        guessed, truth = chances[self.test], self.truth[self.test]
        if self.one_label:
            value = float(truth[np.arange(len(truth)), guessed.argmax(axis=1)].mean())
        else:
            value = float(label_set_iou(guessed >= 0.5, truth).mean())
        variance = chances * (1 - chances)
        weights = variance.sum(axis=1) if self.one_label else 4 * variance.mean(axis=1)
        doubt = doubt_of(chances, one_label=self.one_label)
        return View(doubt, doubt, weights, chances, self.one_label), value


class LabelledObjects:
    """Boxes, found by a linear detector.

    Args:
        dataset: with boxes.
        inputs: (images, components), of whole images.
        maps: of `linear_detector.maps_of`.
    """

    def __init__(self, dataset: Dataset, inputs: np.ndarray, maps: np.ndarray) -> None:
        self.inputs, self._detector, self._classes = inputs, LinearDetector(dataset, maps), dataset.classes
        self.training = np.flatnonzero(dataset.splits != "test")
        self.test = np.flatnonzero(dataset.splits == "test")

    def learn(self, labelled: np.ndarray) -> tuple[View, float]:
        """What the detector says of all images, and its mAP at an overlap of 0.5 on the test images."""
        self._detector.fit(labelled)
        found = self._detector.find(np.arange(len(self.inputs)))
        doubt = Doubts.of(found, [SHOWN] * len(self._classes), self._classes).of_images()
        plain = np.bincount(found.image, 1 - np.abs(2 * found.scores - 1), minlength=len(self.inputs))
        value = self._detector.mean_average_precision(self.test)
        return View(shares_of(doubt), plain, shares_of(doubt)), value


def curve(images: Any, rule: str, seed: int, rounds: int, share: float, cold: bool) -> dict[str, Any]:
    """Numbers of labels, and the metric after each."""
    count = max(2, round(share * len(images.training)))
    random = np.random.default_rng(1000 + seed)
    start = np.random.default_rng(seed).permutation(images.training)[:count]
    if cold and rule != "random":
        part = np.sort(np.random.default_rng(seed).permutation(images.training)[: int(0.9 * len(images.training))])
        start = part[choose(images.inputs[part], count).positions]
    labelled, numbers, values = start, [], []
    for done in range(rounds + 1):
        view, value = images.learn(labelled)
        numbers.append(len(labelled))
        values.append(value)
        if done < rounds:
            pool = np.setdiff1d(images.training, labelled)
            labelled = np.concatenate(
                [labelled, RULES[rule](State(images.inputs, view, labelled, pool, count, random))]
            )
    return {"numbers": numbers, "values": values}


def saved(numbers: np.ndarray, values: np.ndarray, others: np.ndarray) -> float:
    """Which share of the labels of random choice is not needed to reach what that ends with, from mean curves.

    Both curves are made monotone (isotonic regression), so that a lucky round does not count. NaN if it is not reached.
    """
    from sklearn.isotonic import isotonic_regression

    own, base = isotonic_regression(values), isotonic_regression(others)
    needed = [_first(numbers, curve, float(base[-1])) for curve in (own, base)]
    return float(1 - needed[0] / needed[1])


def _first(numbers: np.ndarray, values: np.ndarray, wanted: float) -> float:
    """The number of labels at which a rising curve reaches a value, between two rounds in proportion."""
    if values[-1] < wanted - 1e-9:
        return float("nan")
    at = int(np.argmax(values >= wanted - 1e-9))
    if at == 0:
        return float(numbers[0])
    part = (wanted - values[at - 1]) / max(values[at] - values[at - 1], 1e-12)
    return float(numbers[at - 1] + part * (numbers[at] - numbers[at - 1]))


def report(lines: list[dict[str, Any]]) -> None:
    """Print the tables."""
    curves: dict[tuple[str, bool, str], dict[int, Any]] = defaultdict(dict)
    for line in lines:
        curves[line["set"], line["cold"], line["rule"]][line["seed"]] = line
    print("| set | start | rule | seeds | area | difference to random | at the end | labels saved |")
    print("| --- " * 8 + "|")
    areas = defaultdict(list)
    for (name, cold, rule), found in sorted(curves.items()):
        base = curves.get((name, cold, "random"), {})
        seeds = sorted(set(found) & set(base))
        if not seeds:
            continue
        own, others = (np.array([part[seed]["values"] for seed in seeds]) for part in (found, base))
        gaps = (own - others).mean(axis=1)
        half = stats.t.ppf(0.975, len(seeds) - 1) * gaps.std(ddof=1) / len(seeds) ** 0.5 if len(seeds) > 1 else np.nan
        numbers = np.array(found[seeds[0]]["numbers"])
        less = saved(numbers, own.mean(axis=0), others.mean(axis=0))
        print(
            f"| {name} | {'no label' if cold else 'random'} | {rule} | {len(seeds)} | {own.mean():.3f} | "
            f"{gaps.mean():+.4f} [{gaps.mean() - half:+.4f}, {gaps.mean() + half:+.4f}] | "
            f"{(own - others)[:, -1].mean():+.4f} | {'-' if np.isnan(less) else f'{less:.0%}'} |"
        )
        areas[cold, rule].append(gaps.mean())
    print("\n| start | rule | sets | mean difference | worst |\n| --- | --- | --- | --- | --- |")
    for (cold, rule), gaps_of_sets in sorted(areas.items()):
        start = "no label" if cold else "random"
        print(f"| {start} | {rule} | {len(gaps_of_sets)} | {np.mean(gaps_of_sets):+.4f} | {min(gaps_of_sets):+.4f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--rules", nargs="+", default=["random", "uncertainty", "ours"], choices=RULES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("active_learning.jsonl"))
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    keys = ("set", "cold", "rule", "seed")
    read = [json.loads(line) for line in read_lines(options.out)[0]]
    known = {tuple(line[key] for key in keys) for line in read}
    for folder in options.folders:
        wanted = [(folder.name, options.cold, rule, seed) for seed in range(options.seeds) for rule in options.rules]
        missing = [each for each in wanted if each not in known]
        images = open_images(folder, options.cache) if missing else None
        for each in missing:
            line = dict(zip(keys, each, strict=True))
            line |= curve(images, each[2], each[3], options.rounds, options.share, options.cold)
            append_json_line(options.out, line)
            read.append(line)
    report(read)


def open_images(folder: Path, cache: Path | None) -> Any:
    """The images of a set, with what learns from their labels."""
    dataset = Dataset.open(folder)
    inputs, _ = components(dataset, cache)
    if not has_objects(dataset.task):
        return LabelledImages(inputs, dataset.targets, dataset.splits, TASKS[dataset.task].one_label)
    maps = maps_of(dataset, (cache or cache_folder()) / "linear_detector" / f"{dataset.fingerprint}.npy")
    return LabelledObjects(dataset, inputs, maps)


if __name__ == "__main__":
    main()

"""The linear probe on frozen features of several backbones and input sizes, on many sets: which one to start from.

    python benchmarks/backbones.py --out bench --sets clothing bean-leaves@30 --networks efficientnet_lite0@224 ...

Features are kept below `--out`. The probe is fitted as a trial fits it, on training images, and scored on test images.
Printed are, for each network, the test metric and the log loss on each set, then the mean over the sets and the worst
set as differences to the first network; the last row takes on each set the network with the best validation log loss,
and `a + b` averages the logits of two.
"""

from __future__ import annotations

import argparse
import os
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision import Dataset
from automl_vision.tasks.probe import fit_probe
from bench_sets import BenchSet
from probe import forward, losses, test_score


def features_of(dataset: Dataset, name: str, network: str, out: Path) -> NDArray[np.float32]:
    """Features of all images and of their mirror images, (2, images, features); computed once."""
    kept = out / "features" / f"{name.replace(':', '.')}__{network}.npy"
    if not kept.exists():
        backbone, _, size = network.partition("@")
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, np.stack(forward(dataset, out, backbone, int(size))))
    return np.load(kept)


def fitted(dataset: Dataset, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of all images, (images, classes), of a probe on the training images."""
    rows = np.flatnonzero(dataset.splits == "train")
    found = fit_probe(features.mean(0)[rows], dataset.targets[rows], losses(dataset.task))
    return features[0] @ found.weight.T + found.bias


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AUTOML_VISION_TEST_DATA", "../shared/data")))
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--networks", nargs="+", required=True)
    options = parser.parse_args()
    results: dict[str, dict[str, tuple[float, float]]] = {}
    for name in options.sets:
        dataset = BenchSet.parse(name, options.data).open(options.out, seed=0)
        whole = name.partition("@")[0]  # features are those of all images, whatever is kept
        logits = {
            network: fitted(dataset, features_of(dataset, whole, network, options.out)) for network in options.networks
        }
        logits |= {f"{a} + {b}": (logits[a] + logits[b]) / 2 for a, b in combinations(options.networks, 2)}
        rows = {split: np.flatnonzero(dataset.splits == split) for split in ("val", "test")}
        scores = {
            key: {split: test_score(found[own], dataset.targets[own], dataset.task) for split, own in rows.items()}
            for key, found in logits.items()
        }
        best = min(options.networks, key=lambda network: scores[network]["val"][1])
        scores["best on validation"] = scores[best]
        print(f"{name}: best on validation is {best}", flush=True)
        for key, found in scores.items():
            results.setdefault(key, {})[name] = found["test"]
            print(f"  {key}: test {found['test'][0]:.3f}, log loss {found['test'][1]:.3f}", flush=True)
    first = results[options.networks[0]]
    print(
        f"\n| network | {' | '.join(options.sets)} | mean | worst | log loss |\n{'| --- ' * (len(options.sets) + 4)}|"
    )
    for key, found in results.items():
        gains = [100 * (found[name][0] - first[name][0]) for name in options.sets]
        ratio = np.exp(np.mean([np.log(found[name][1] / first[name][1]) for name in options.sets]))
        cells = [f"{found[name][0]:.3f}" for name in options.sets]
        print(f"| {key} | {' | '.join(cells)} | {np.mean(gains):+.2f} | {min(gains):+.2f} | {ratio:.3f} |")


if __name__ == "__main__":
    main()

"""What averaging adds to a network: means of the calibrated logits of two and three, on many sets.

    python benchmarks/epochs.py run --out bench --sets clothing@30 ... --networks efficientnet_lite0@224x12 \\
        efficientnet_lite0@288x0 efficientnet_lite2@288x0
    python benchmarks/averages.py --out bench --networks efficientnet_lite0@224x12 efficientnet_lite0@288x0 ...

Reads the logits that `epochs.py` recorded, of the last epoch of each network. Printed are, for each one, for means of
the first one and others, for what AutoMode chooses of the first three by validation images, and for the shares with the
least loss on these: test accuracy, its difference to the first network in the mean over the sets and on the worst one,
and the ratio of the log losses. For each set what AutoMode chooses is printed with its gain over the first network and
the share of images whose answer it changes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.runs.averaging import FINE_TUNED, chosen_shares
from bench_sets import BenchSet
from epochs import Floats, Found, calibrated_loss, compare, figures, recorded, temperature_of

_GRID = [{0: i / 10, 1: j / 10, 2: (10 - i - j) / 10} for i in range(11) for j in range(11 - i)]


def scores(files: Sequence[Path], bench_set: BenchSet, options: argparse.Namespace, seed: int) -> Found:
    """Accuracy and log loss on test images of one set by what is averaged; the first file counts as the base."""
    networks = options.networks
    val, test = [], []
    for file in files:
        (own_val, val_truth), (own_test, test_truth) = recorded(file)
        scale = temperature_of(own_val[-1], val_truth)
        val.append(own_val[-1] / scale)
        test.append(own_test[-1] / scale)
    dataset = bench_set.open(options.out, seed=seed)
    rows = np.flatnonzero(dataset.splits == "val")
    prior = {i: 1.0 if networks[i].endswith("x0") else FINE_TUNED for i in range(3)}
    chosen = chosen_shares(dict(enumerate(val[:3])), prior, create_scoring(CLASSIFICATION, dataset), rows)
    averaged = [(i,) for i in range(len(files))]
    averaged += [(0, *others) for count in (1, 2) for others in combinations(range(1, len(files)), count)]

    def score(shares: Mapping[int, float]) -> tuple[float, float]:
        return figures((_mean(val, shares), val_truth), (_mean(test, shares), test_truth))

    print("  " + ", ".join(f"{share:.2f} of {networks[i]}" for i, share in chosen.items()))
    for split, logits, truth in (("val", val, val_truth), ("test", test, test_truth)):
        first, mean = logits[0].argmax(1), _mean(logits, chosen).argmax(1)
        gain = (mean == truth).mean() - (first == truth).mean()
        print(
            f"  {split}: {100 * gain:+.1f} points, {100 * (first != mean).mean():.1f} % of the answers change",
            flush=True,
        )
    equally = {members: dict.fromkeys(members, 1 / len(members)) for members in averaged}
    found = {" + ".join(networks[i] for i in members): score(shares) for members, shares in equally.items()}
    least = min(_GRID, key=lambda shares: calibrated_loss(_mean(val, shares), val_truth))
    return found | {"chosen of the first three": score(chosen), "least loss of the first three": score(least)}


def _mean(logits: Sequence[Floats], shares: Mapping[int, float]) -> Floats:
    mean: Floats = np.sum([share * logits[i] for i, share in shares.items()], axis=0)
    return mean


if __name__ == "__main__":
    compare(__doc__, scores)

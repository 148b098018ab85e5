"""What the mean over an image and its mirror image adds to a network, and to an average of networks, on many sets.

    python benchmarks/epochs.py run --out bench --sets clothing@30 ... --networks efficientnet_lite0@224x12 \\
        efficientnet_lite0@288x0 efficientnet_lite2@288x0
    python benchmarks/mirror.py --out bench --networks efficientnet_lite0@224x12 efficientnet_lite0@288x0 ...

Reads the logits that `epochs.py` recorded after the last epoch of each network. Printed are test accuracy and the ratio
of the log losses, both to the first network with plain images: each network alone, and the average that AutoMode
chooses by validation images: with plain images, and with mirror images too for heads alone, trained ones alone, or all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.runs.averaging import FINE_TUNED, chosen_shares
from bench_sets import BenchSet
from epochs import Found, Recorded, compare, figures, recorded, temperature_of


def answers(file: Path, *, mirrored: bool) -> list[Recorded]:
    """Calibrated logits of one network and the truth, of validation and of test images.

    Args:
        file: as `epochs.py` wrote it.
        mirrored: whether the logits are the mean over an image and its mirror image.
    """
    found = [(logits[-1], truth) for logits, truth in recorded(file)]
    if mirrored:
        with np.load(file) as arrays:
            mirror = [arrays[f"{split}_mirrored"] for split in ("val", "test")]
        found = [((logits + other) / 2, truth) for (logits, truth), other in zip(found, mirror, strict=True)]
    scale = temperature_of(*found[0])
    return [(logits / scale, truth) for logits, truth in found]


def scores(files: Sequence[Path], bench_set: BenchSet, options: argparse.Namespace, seed: int) -> Found:
    """Test figures of one set by what is looked at."""
    is_head = [network.endswith("x0") for network in options.networks]
    by_view = {mirrored: [answers(file, mirrored=mirrored) for file in files] for mirrored in (False, True)}
    dataset = bench_set.open(options.out, seed=seed)
    rows, scoring = np.flatnonzero(dataset.splits == "val"), create_scoring(CLASSIFICATION, dataset)
    prior = {i: 1.0 if head else FINE_TUNED for i, head in enumerate(is_head)}
    found = {}
    for i, network in enumerate(options.networks):
        found[network] = figures(*by_view[False][i])
        found[f"{network}, mirrored too"] = figures(*by_view[True][i])
    for words, views in (
        ("", [False] * len(files)), (", heads mirrored too", is_head),
        (", trained ones mirrored too", [not head for head in is_head]), (", all mirrored too", [True] * len(files)),
    ):  # fmt: skip
        members = [by_view[view][i] for i, view in enumerate(views)]
        shares = chosen_shares({i: val[0] for i, (val, _) in enumerate(members)}, prior, scoring, rows)

        def mean(split: int, members: list[list[Recorded]] = members, shares: dict[int, float] = shares) -> Recorded:
            return np.sum([share * members[i][split][0] for i, share in shares.items()], axis=0), members[0][split][1]

        found[f"average{words}"] = figures(mean(0), mean(1))
    for what, (accuracy, loss) in found.items():
        print(f"  {what}: {accuracy:.3f}, {loss:.3f}")
    return found


if __name__ == "__main__":
    compare(__doc__, scores)

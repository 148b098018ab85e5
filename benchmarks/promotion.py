"""How often AutoMode's gate promotes a better model and a worse one: its rule against a strict test.

    python benchmarks/promotion.py --out bench

Takes pairs of contenders whose outputs on the same test images `benchmarks/bench.py` has left; on those images together
the true gain of the second over the first is known. Validation sets of 50 to 500 images are drawn from them with
replacement, and both rules decide on each: McNemar's test at 0.05 divided by the number of candidates, and the
posterior that the product uses. Printed are, by true gain, how often each promotes, and what its promotions change on
average: a true loss that is promoted counts against it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.paired import mcnemar
from automl_vision.evaluation.posterior import USUAL_GAIN, true_gain
from automl_vision.runs.default_gate import is_promoted
from automl_vision.runs.verdict import LEVEL
from bench import finished_cells, outputs_of, scores_of_images

COUNTS = (50, 100, 225, 500)
BINS = (-0.1, -0.03, -0.015, -0.005, 0.005, 0.015, 0.03, 0.1)
CANDIDATES = 4
_DRAWS = 100


def promoted(first: np.ndarray, second: np.ndarray) -> tuple[bool, bool]:
    """Whether the strict test and the posterior promote the second model, by scores of each image."""
    change = second - first
    strict = bool(change.mean() > 0 and mcnemar(first > 0, second > 0) < LEVEL / CANDIDATES)
    reach = 1.96 * change.std() / np.sqrt(len(change))
    gain = true_gain(Interval(change.mean(), change.mean() - reach, change.mean() + reach), spread=USUAL_GAIN)
    return strict, bool(change.mean() > 0 and is_promoted(gain, USUAL_GAIN))


def right_of_images(out: Path) -> dict[tuple[str, float], dict[tuple[str, int], np.ndarray]]:
    """Whether each test image of one label was answered rightly, by contender with its minutes, then set and seed."""
    found: dict[tuple[str, float], dict[tuple[str, int], np.ndarray]] = defaultdict(dict)
    for facts, folder in finished_cells(out):
        if facts["task"] == CLASSIFICATION:
            arrays = outputs_of(folder)
            scores = scores_of_images(CLASSIFICATION, arrays["test"], arrays["test_truth"])[0]
            found[facts["contender"], facts["minutes"]][facts["set_name"], facts["seed"]] = scores
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    right = right_of_images(options.out)
    rows = []  # count, true gain, strict, posterior
    for one, other in permutations(right, 2):
        for job in right[one].keys() & right[other].keys():
            first, second = right[one][job], right[other][job]
            gain = float((second - first).mean())
            if not BINS[0] <= gain < BINS[-1]:
                continue
            for count in COUNTS:
                for _ in range(_DRAWS):
                    drawn = random.integers(len(first), size=count)
                    rows.append((count, gain, *promoted(first[drawn], second[drawn])))
    table = np.array(rows)
    print(f"{len(table) // (_DRAWS * len(COUNTS))} pairs; level {LEVEL / CANDIDATES:g} of the strict test")
    print(
        "| images | rule | "
        + " | ".join(f"{100 * low:+g} to {100 * high:+g}" for low, high in pairwise(BINS))
        + " | mean change |"
    )
    print("| --- " * (len(BINS) + 2) + "|")
    for count in COUNTS:
        own = table[table[:, 0] == count]
        for position, rule in ((2, "strict"), (3, "posterior")):
            cells = []
            for low, high in pairwise(BINS):
                part = own[(own[:, 1] >= low) & (own[:, 1] < high), position]
                cells.append(f"{part.mean():.2f}" if len(part) else "")
            print(f"| {count} | {rule} | {' | '.join(cells)} | {100 * (own[:, 1] * own[:, position]).mean():+.3f} |")


if __name__ == "__main__":
    main()

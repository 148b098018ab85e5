"""How strongly a temperature that is fitted on few images should be held back: log loss by the width of its prior.

    python benchmarks/temperature.py --out bench

Takes the outputs of the trials that `benchmarks/bench.py` has left. Of each trial's test images a few are drawn to
fit the temperature and the others are scored, many times over; and, as the product does it, the temperature is fitted
on the validation images, which also chose the weights, and the test images are scored. Printed is the log loss as a
ratio to that without any temperature: the mean over trials, and the worst one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.evaluation.calibration import fit_temperature
from automl_vision.evaluation.classification import log_loss, softmax
from bench import finished_cells, outputs_of

WIDTHS = (0.2, 0.35, 0.5, 0.7, 1.0, float("inf"))
COUNTS = (10, 20, 40, 80)
_DRAWS = 20


def _loss(logits: NDArray[np.float64], truth: NDArray[np.intp]) -> float:
    return log_loss(softmax(logits), truth)


def _ratio(own: tuple[NDArray, NDArray], other: tuple[NDArray, NDArray], width: float) -> float:
    """Log loss of other images at the temperature of one's own, over that without a temperature."""
    logits, truth = own
    found = fit_temperature(lambda z: _loss(z, truth), logits, width=width)
    return _loss(other[0] / found, other[1]) / _loss(*other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    ratios: dict[tuple[str, float], list[float]] = {}
    for facts, folder in finished_cells(options.out):
        if "temperature" not in facts or facts["task"] != CLASSIFICATION:
            continue
        arrays = outputs_of(folder)
        parts = {
            split: (np.log(np.maximum(arrays[split], 1e-30)) * facts["temperature"], arrays[f"{split}_truth"].argmax(1))
            for split in ("val", "test")
        }
        logits, truth = parts["test"]
        for width in WIDTHS:
            name = "validation"
            ratios.setdefault((name, width), []).append(_ratio(parts["val"], parts["test"], width))
            for count in COUNTS:
                found = []
                for _ in range(_DRAWS):
                    order = random.permutation(len(truth))
                    own, other = order[:count], order[count:]
                    found.append(_ratio((logits[own], truth[own]), (logits[other], truth[other]), width))
                ratios.setdefault((f"{count} images", width), []).append(float(np.mean(found)))
    print(f"| fitted on | {' | '.join(f'{width:g}' for width in WIDTHS)} |\n{'| --- ' * (len(WIDTHS) + 1)}|")
    for name in dict.fromkeys(key[0] for key in ratios):
        of_width = [ratios[name, width] for width in WIDTHS]
        cells = [f"{np.exp(np.mean(np.log(values))):.3f} (worst {max(values):.2f})" for values in of_width]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

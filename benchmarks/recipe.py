"""One trial with chosen hyperparameters: validation figures after each epoch, test figures at the end.

python benchmarks/recipe.py FOLDER [--seed 0] [--set learning_rate=1e-3 --set number_of_epochs=7 ...]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from automl_vision.core.files import read_json
from automl_vision.core.records import Evaluation
from automl_vision.data.dataset import Dataset
from automl_vision.training.trial import train
from one_trial import Kept, prepared, settings_of


def figures(evaluation: Evaluation) -> str:
    """The headline figures of an epoch."""
    names = ("accuracy", "iou", "average_precision_macro", "log_loss")
    shown = "  ".join(f"{n} {evaluation.metrics[n]:.4f}" for n in names if n in evaluation.metrics)
    return f"{shown}  {evaluation.seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--model-name", default="efficientnet_lite0")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    dataset = Dataset.open(options.data).with_validation(0.2, seed=options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder, settings = Path(temporary) / "trial", settings_of(options.set)
        cache = Path(temporary) / "cache"
        spec = prepared(dataset, options.model_name, settings, folder, cache=cache, seed=options.seed)
        print(train(spec, Kept(figures)))
        for split, report in read_json(folder / "metrics.json")["splits"].items():
            print(split, report["intervals"])


if __name__ == "__main__":
    main()

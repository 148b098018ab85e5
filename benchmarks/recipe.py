"""One trial with chosen hyperparameters: validation figures after each epoch, test figures at the end.

python benchmarks/recipe.py FOLDER [--seed 0] [--set learning_rate=1e-3 --set number_of_epochs=7 ...]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import yaml

from automl_vision.core.files import read_json
from automl_vision.core.records import Evaluation
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.checking import check_hyperparameters
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.trial import train


class Printer:
    """Prints messages and validations."""

    def message(self, text: str) -> None:
        """Print it."""
        print(text, flush=True)

    def progress(self, *_: object, **__: float) -> None:
        """Say nothing."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """Print the headline figures."""
        names = ("accuracy", "iou", "average_precision_macro", "log_loss")
        figures = "  ".join(f"{n} {evaluation.metrics[n]:.4f}" for n in names if n in evaluation.metrics)
        print(f"epoch {evaluation.epoch}  {figures}  {evaluation.seconds:.0f} s", flush=True)

    def stop_reason(self) -> str | None:
        """Never."""
        return None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--model-name", default="efficientnet_lite0")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    dataset = Dataset.open(options.data).with_validation(0.2, seed=options.seed)
    values = {name: yaml.safe_load(value) for name, _, value in (text.partition("=") for text in options.set)}
    hyperparameters, mistakes = check_hyperparameters(dataset.task, values)
    if hyperparameters is None:
        parser.error("; ".join(map(str, mistakes)))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        dataset.save(folder / "manifest.parquet")
        spec = TrialSpec(
            task=dataset.task,
            manifest=str(folder / "manifest.parquet"),
            fingerprint=dataset.fingerprint,
            model_name=options.model_name,
            hyperparameters=hyperparameters,
            folder=str(folder / "trial"),
            cache=str(folder / "cache"),
            seed=options.seed,
        )
        (folder / "trial").mkdir()
        print(train(spec, Printer()))
        for split, report in read_json(folder / "trial" / "metrics.json")["splits"].items():
            print(split, report["intervals"])


if __name__ == "__main__":
    main()

"""How good a detector becomes in a given time: trains on a real set's own split, chooses on val, reports test once.

For example

    python benchmarks/detection_quality.py DATA/bccd --minutes 10
    python benchmarks/detection_quality.py DATA/car-damage --task image-instance-segmentation --set min_size=320

and add `--markdown` for a row of a table. The time is the whole trial's: measuring the precision, validation and the
final reports are in it, decoding the images the first time is not.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from automl_vision.core.files import read_json
from automl_vision.core.records import Evaluation
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.training.trial import train
from one_trial import Kept, prepared, settings_of

SHOWN = ("mean_average_precision", "box_mean_average_precision", "coco_map", "coco_map_50", "box_coco_map_50",
         "precision", "recall")  # fmt: skip


def figures(evaluation: Evaluation) -> str:
    """The figures of an epoch."""
    metrics = {name: round(value, 4) for name, value in evaluation.metrics.items()}
    speed, loss = evaluation.images_per_second or 0.0, evaluation.validation_loss
    return f"{metrics}, loss {evaluation.train_loss} / {loss}, {speed:.1f} images/s"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of a set")
    parser.add_argument("--task", default="image-object-detection")
    parser.add_argument("--model")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--folder", type=Path, help="keep the trial here")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "automl-vision-benchmark-cache")
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    dataset = Dataset.open(options.data, task=options.task).with_validation(0.2)
    name = options.model or TASKS[options.task].default_model
    folder = options.folder or Path(tempfile.mkdtemp(prefix="detection-quality-"))
    spec = prepared(
        dataset, name, settings_of(options.set), folder,
        cache=options.cache, seed=options.seed, seconds=60 * options.minutes,
    )  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec.model_dump()))
    print(dataset, folder)
    result = train(spec, Kept(figures))
    report(folder, options.markdown, [options.data.name, name, f"{options.minutes:g} min", str(result.epochs)])


def report(folder: Path, markdown: bool, facts: list[str]) -> None:
    splits = read_json(folder / "metrics.json")["splits"]
    for split, values in splits.items():
        intervals = values["intervals"]
        cells = []
        for name in SHOWN:
            if name in values["metrics"]:
                text = f"{values['metrics'][name]:.3f}"
                if name in intervals:
                    text += f" [{intervals[name]['low']:.3f}, {intervals[name]['high']:.3f}]"
                cells.append(text if markdown else f"{name} {text}")
        print("| " + " | ".join([*facts, split, *cells]) + " |" if markdown else f"{split}: {', '.join(cells)}")
        if not markdown:
            for row in values["per_class"]:
                print(f"    {row}")


if __name__ == "__main__":
    main()

"""How long the figures of an evaluation take: 5,000 images of each task.

    python benchmarks/evaluation.py [--images 5000] [--classes 10] [--task TASK]
    python benchmarks/evaluation.py --workspace FOLDER RUN...

The predictions are drawn; the masks are run-length codes of 640 x 480 pixels. "peak MB" is the most memory that the
process held from the report on, drawn data included (Linux). With runs, the final evaluation of their
best trials is computed and written again from what they predicted, and set against the time that each trial took.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from automl_vision.core.tasks import TASKS, has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.data.manifest import SCHEMA, empty_lists
from automl_vision.data.objects import OBJECT_TYPE, ObjectBuilder
from automl_vision.evaluation.predictions import Predictions
from automl_vision.evaluation.scoring.detection import DetectionOutputs
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.evaluation.scoring.segmentation import mask_codes
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.experiment.reports.contents import report_evaluation
from automl_vision.experiment.run import Run
from automl_vision.workspace.workspace import Workspace

WIDTH, HEIGHT = 640, 480
OBJECTS = 6  # per image, on average
CORNERS = 24  # of an object's outline
CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
RIGHT = 0.85  # share of the objects and images that are predicted right


def drawn_dataset(task: str, images: int, classes: int, random: np.random.Generator) -> Dataset:
    """Labels without files: images of one size, with labels or ellipses."""
    names = [f"class {i}" for i in range(classes)]
    labels: pa.Array = empty_lists(images, pa.string())
    objects: pa.Array = empty_lists(images, OBJECT_TYPE)
    if has_objects(task):
        builder = ObjectBuilder()
        for name in names:
            builder.name(name)
        for image in range(images):
            for _ in range(random.integers(1, 2 * OBJECTS)):
                box = drawn_box(random)
                outline = [ellipse(box)] if TASKS[task].needs_masks else []
                builder.add_values(image, int(random.integers(classes)), box, 0, outline)
        objects = builder.build().to_arrow(images)
    else:
        count = np.ones(images, int) if TASKS[task].one_label else random.integers(0, 4, images)
        chosen = [random.choice(classes, n, replace=False).tolist() for n in count.tolist()]
        labels = pa.array([[names[i] for i in row] for row in chosen], pa.list_(pa.string()))
    columns = {
        "image": [f"{i}.jpg" for i in range(images)],
        "width": np.full(images, WIDTH),
        "height": np.full(images, HEIGHT),
        "digest": [f"{i:032x}" for i in range(images)],
        "split": ["val"] * images,
        "group": [None] * images,
        "labels": labels,
        "objects": objects,
    }
    return Dataset(pa.table(columns, schema=SCHEMA), "/", task, tuple(names), "drawn")


def drawn_box(random: np.random.Generator) -> list[float]:
    """A box inside the image: x1, y1, x2, y2."""
    width, height = random.uniform(20, 200, 2)
    x, y = random.uniform(0, WIDTH - width), random.uniform(0, HEIGHT - height)
    return [x, y, x + width, y + height]


def ellipse(box: list[float]) -> list[float]:
    """The outline of the ellipse in a box: x, y, x, y, ..."""
    x1, y1, x2, y2 = box
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    x, y = (x1 + x2 + (x2 - x1) * np.cos(angle)) / 2, (y1 + y2 + (y2 - y1) * np.sin(angle)) / 2
    return [float(value) for value in np.stack([x, y], axis=1).ravel()]


def drawn_outputs(dataset: Dataset, random: np.random.Generator) -> Any:
    """What a model of middling quality returns: logits, or the true objects moved, some of another class."""
    classes = len(dataset.classes)
    if not has_objects(dataset.task):
        shown = np.where(random.random((len(dataset), 1)) < RIGHT, dataset.targets, random.random((1, classes)) < 0.2)
        return (4 * shown + random.normal(0, 1, shown.shape) - 2).astype(np.float32)
    objects = dataset.objects
    boxes = np.clip(objects.bbox + random.normal(0, 4, objects.bbox.shape), 0, [WIDTH, HEIGHT] * 2)
    boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    wrong = random.random(len(objects)) > RIGHT
    labels = np.where(wrong, random.integers(0, classes, len(objects)), objects.label)
    masks = None
    if TASKS[dataset.task].needs_masks:
        builder = ObjectBuilder()
        builder.name("object")
        for box in boxes.tolist():
            builder.add_values(0, 0, box, 0, [ellipse(box)])
        moved = builder.build()
        masks = mask_codes(moved, np.arange(len(moved)), np.array([[HEIGHT, WIDTH]]))
    scores = random.uniform(0.1, 1.0, len(objects))
    return DetectionOutputs(Detections.from_unsorted(len(dataset), objects.image, labels, boxes, scores, masks))


def forget_peak() -> None:
    """Let the peak of the process's memory start from what it holds now."""
    if CLEAR.exists():
        CLEAR.write_text("5")


def peak_megabytes() -> float:
    """The most memory that the process held since then; NaN where the system does not say."""
    if not STATUS.exists():
        return float("nan")
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note the seconds that a block takes."""
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start


def times_of(task: str, images: int, classes: int) -> dict[str, float]:
    """Seconds of each part of an evaluation of one task, and its peak memory."""
    random = np.random.default_rng(0)
    dataset = drawn_dataset(task, images, classes, random)
    outputs, rows, seconds = drawn_outputs(dataset, random), np.arange(images), {}
    scoring = create_scoring(task, dataset)
    calibration = scoring.calibrate(outputs, rows)
    forget_peak()
    with timed(seconds, "report and comparison"):
        cases = scoring.cases(outputs, rows, calibration)
        report = scoring.report(cases, scoring.comparison(cases))
        json.dumps(report.model_dump())
    with TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.arrow"
        with timed(seconds, "write predictions"):
            scoring.predictions("val", outputs, rows, calibration).save(file)
        with timed(seconds, "read predictions"):
            evaluated = Evaluated(dataset, Predictions.load(file), "val", scoring.settings)
            _ = evaluated.cases
        kept = evaluated.save(Path(folder) / "kept")
        return seconds | steps_of(evaluated, kept) | {"peak MB": peak_megabytes()}


def steps_of(evaluated: Evaluated, kept: Path) -> dict[str, float]:
    """Seconds of each view of an evaluation, and of the page with all of them; without reading images.

    Args:
        evaluated: whose cases are there already.
        kept: folder that holds it.
    """
    seconds: dict[str, float] = {}
    steps: dict[str, Callable[[], Any]] = {
        "metric with interval": lambda: evaluated.primary.interval(evaluated.cases),
        "per class": evaluated.per_class,
        "slices": lambda: evaluated.slices(pixels=False),
        "mistakes": evaluated.mistakes,
        "calibration": evaluated.calibration,
        "thresholds": evaluated.operating_points,
        "figures": lambda: list(evaluated.figures()),
        "whole page, from the file": lambda: report_evaluation(Evaluated.load(kept), pixels=False).to_html(),
    }
    for name, step in steps.items():
        with timed(seconds, name):
            step()
    return seconds


def share_of(run: Run) -> list[str]:
    """The table's line of a finished run: what the final evaluation takes of its best trial's time."""
    from automl_vision.training.final_evaluation import write_evaluation

    trial = run.get_best_child()
    assert trial is not None
    result = trial.folder.result()
    assert result is not None
    predictions = trial.get_predictions()
    parts = {split: predictions.of_split(split) for split in predictions.splits}
    evaluated = trial.evaluated()
    scoring = create_scoring(evaluated.dataset.task, evaluated.dataset, evaluated.settings)
    outputs = {split: scoring.from_predictions(part) for split, part in parts.items()}
    rows = {split: part.rows for split, part in parts.items()}
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_evaluation(scoring, outputs, rows, Path(folder), as_jpeg=False)
        seconds = time.perf_counter() - start
    images = sum(map(len, rows.values()))
    return [run.id, str(images), f"{result.seconds:.1f}", f"{seconds:.2f}", f"{seconds / result.seconds:.1%}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--task", choices=list(TASKS), action="append")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("runs", nargs="*")
    arguments = parser.parse_args()
    if arguments.runs:
        lines = [share_of(Run(Workspace(arguments.workspace), name)) for name in arguments.runs]
        heading = ["run", "images", "trial in seconds", "final evaluation in seconds", "share"]
        for line in [heading, ["---"] * len(heading), *lines]:
            print("| " + " | ".join(line) + " |")
        return
    found = {task: times_of(task, arguments.images, arguments.classes) for task in arguments.task or TASKS}
    parts = list(dict.fromkeys(name for seconds in found.values() for name in seconds))
    for line in [["seconds", *found], ["---"] * (1 + len(found))]:
        print("| " + " | ".join(line) + " |")
    for part in parts:
        print("| " + " | ".join([part, *(f"{s[part]:.2f}" if part in s else "-" for s in found.values())]) + " |")


if __name__ == "__main__":
    main()

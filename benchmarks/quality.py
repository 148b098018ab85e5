"""The default trial against logistic regression on the same frozen backbone's features, on the test images.

The regression is scikit-learn's on standardised pooled features, its strength by cross-validation; the trial is what
`AutoMLVisionConfig(task, training_data)` gives within the budget. Both are scored on the set's own test images; the
difference is tested by resampling the same images for both.

    python benchmarks/quality.py FOLDER [--minutes 10] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Workspace
from automl_vision.core.tasks import CLASSIFICATION, MULTI_LABEL
from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.intervals import paired_difference
from automl_vision.evaluation.metric import Metric, find_metric
from automl_vision.evaluation.multi_label import MultiLabelCases, sigmoid


def frozen_features(dataset: Dataset, cache: Path) -> np.ndarray:
    """Pooled features of the default backbone, (images, features)."""
    import torch

    from automl_vision.data.pixel_cache import open_pixels
    from automl_vision.models.image_model import ImageModel
    from automl_vision.models.registry import create_model
    from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
    from automl_vision.tasks.task import create_task

    hyperparameters = ClassificationHyperparameters()
    model = create_model("efficientnet_lite0", task=CLASSIFICATION, classes=2, hyperparameters=hyperparameters)
    network = ImageModel(model.network, model.normalization).eval().to(memory_format=torch.channels_last)
    task = create_task(dataset.task, dataset, hyperparameters)
    pixels = open_pixels(dataset, hyperparameters.validation_resize_size, cache)
    parts = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(dataset), 32):
            rows = list(range(start, min(start + 32, len(dataset))))
            parts.append(network.features(task.evaluation_batch(pixels, rows).images).float().numpy())
    return np.concatenate(parts)


def regression_scores(dataset: Dataset, features: np.ndarray) -> np.ndarray:
    """Probabilities of the test images, (images, classes), from scikit-learn."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = (np.flatnonzero(dataset.splits == split) for split in ("train", "test"))

    def fitted(labels: np.ndarray) -> Any:
        strengths = np.logspace(-4, 0, 5)
        regression = LogisticRegressionCV(
            Cs=strengths, cv=3, max_iter=300, l1_ratios=(0.0,), scoring="neg_log_loss", use_legacy_attributes=False
        )
        return make_pipeline(StandardScaler(), regression).fit(features[train], labels)

    if dataset.task == "image-classification":
        return np.asarray(fitted(dataset.targets[train].argmax(axis=1)).predict_proba(features[test]))
    columns = [fitted(column).predict_proba(features[test])[:, 1] for column in dataset.targets[train].T]
    return np.stack(columns, axis=1)


MEASURES = {CLASSIFICATION: ("accuracy",), MULTI_LABEL: ("iou", "average_precision_macro")}


def cases_of(dataset: Dataset, scores: np.ndarray) -> Any:
    """Scores of the test images beside their labels."""
    truth = dataset.targets[dataset.splits == "test"]
    if dataset.task == CLASSIFICATION:
        return ClassificationCases(scores, truth.argmax(axis=1))
    return MultiLabelCases(scores, truth, np.full(truth.shape[1], 0.5))


def trial_scores(run: Any, dataset: Dataset) -> np.ndarray:
    """Calibrated probabilities of the test images from the trial's own record."""
    from automl_vision.evaluation.classification import softmax

    trial = run.get_best_child()
    predictions = trial.get_predictions().of_split("test")
    logits = predictions.logits.astype(float) / predictions.calibration.temperature
    return softmax(logits) if dataset.task == CLASSIFICATION else sigmoid(logits)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dataset = Dataset.open(options.data)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        baseline = regression_scores(dataset, frozen_features(dataset, Path(folder)))
        seconds = time.perf_counter() - start
        config = AutoMLVisionConfig(
            task=dataset.task,
            training_data=str(options.data),
            experiment_timeout_hours=options.minutes / 60,
            seed=options.seed,
        )
        start = time.perf_counter()
        run = Experiment(Workspace(folder), "quality").submit(config)
        run.wait_for_completion(show_output=True)
        total = time.perf_counter() - start
        trial = run.get_best_child()
        first = trial.get_evaluations()[0].time - run.get_details()["created"]
        ours = trial_scores(run, dataset)
        print(f"\n{options.data.name}, seed {options.seed}: {len(ours)} test images")
        print(
            f"the default trial: calibrated after {first:.0f} s, packaged after {total:.0f} s; {trial.folder.result()}"
        )
        print("| metric | logistic regression | default trial | difference | p |\n| --- | --- | --- | --- | --- |")
        cases = (cases_of(dataset, baseline), cases_of(dataset, ours))
        for name in MEASURES[dataset.task]:
            print(comparison(find_metric(dataset.task, name), *cases, seconds))


def comparison(metric: Metric, baseline: Any, ours: Any, seconds: float) -> str:
    """One line of the table: both values with intervals, their paired difference and its p-value."""
    old, new = metric.interval(baseline), metric.interval(ours)
    difference = paired_difference(metric.resampled(baseline), metric.resampled(ours))
    cells = [metric.name, f"{_text(old)} in {seconds:.0f} s", _text(new), _text(difference.interval)]
    return f"| {' | '.join(cells)} | {difference.p_value:.3f} |"


def _text(interval: Any) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


if __name__ == "__main__":
    main()

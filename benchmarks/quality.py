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
from automl_vision.evaluation.classification import ClassificationCases, softmax
from automl_vision.evaluation.intervals import paired_difference
from automl_vision.evaluation.metric import Metric, find_metric
from automl_vision.evaluation.multi_label import MultiLabelCases, sigmoid
from automl_vision.evaluation.predictions import Predictions
from probe import forward


def regressed(dataset: Dataset, features: np.ndarray) -> tuple[dict[str, np.ndarray], list[Any]]:
    """Probabilities of validation and test images, (images, classes), from scikit-learn; and the fitted models."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = np.flatnonzero(dataset.splits == "train")

    def fitted(labels: np.ndarray) -> Any:
        strengths = np.logspace(-4, 0, 5)
        regression = LogisticRegressionCV(
            Cs=strengths, cv=3, max_iter=300, l1_ratios=(0.0,), scoring="neg_log_loss", use_legacy_attributes=False
        )
        return make_pipeline(StandardScaler(), regression).fit(features[train], labels)

    rows = {split: np.flatnonzero(dataset.splits == split) for split in ("val", "test")}
    if dataset.task == CLASSIFICATION:
        model = fitted(dataset.targets[train].argmax(axis=1))
        return {split: np.asarray(model.predict_proba(features[found])) for split, found in rows.items()}, [model]
    models = [fitted(column) for column in dataset.targets[train].T]
    scores = {
        split: np.stack([model.predict_proba(features[found])[:, 1] for model in models], axis=1)
        for split, found in rows.items()
    }
    return scores, models


MEASURES = {CLASSIFICATION: ("accuracy",), MULTI_LABEL: ("iou", "average_precision_macro")}


def cases_of(dataset: Dataset, scores: np.ndarray) -> Any:
    """Scores of the test images beside their labels."""
    truth = dataset.targets[dataset.splits == "test"]
    if dataset.task == CLASSIFICATION:
        return ClassificationCases(scores, truth.argmax(axis=1))
    return MultiLabelCases(scores, truth, np.full(truth.shape[1], 0.5))


def calibrated(predictions: Predictions) -> dict[str, np.ndarray]:
    """Calibrated probabilities by split, from a trial's own record."""
    found = {}
    for split in predictions.splits:
        part = predictions.of_split(split)
        logits = part.logits.astype(float) / part.calibration.temperature
        found[split] = softmax(logits) if part.task == CLASSIFICATION else sigmoid(logits)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dataset = Dataset.open(options.data)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        baseline = regressed(dataset, forward(dataset, Path(folder))[0])[0]["test"]
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
        ours = calibrated(trial.get_predictions())["test"]
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

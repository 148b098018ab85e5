"""A suite that cannot fail proves nothing: wrong detectors and scorings, each with the test that finds it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from automl_vision.core.tasks import OBJECT_DETECTION
from automl_vision.evaluation.metric import mean_metric
from automl_vision.evaluation.scoring.classification import ClassificationScoring
from automl_vision.evaluation.scoring.scoring import ScoringSettings
from automl_vision.models.detectors.one_stage import RetinaNet
from automl_vision.models.model import Model
from automl_vision.recipes import catalog
from automl_vision.testing import DetectorConformance, TaskConformance


class Unmeasured(RetinaNet):
    """Divides by the number of objects."""

    def losses(self, extracted: Any, targets: Any) -> dict[str, Tensor]:
        return {name: loss / targets.valid.sum() for name, loss in super().losses(extracted, targets).items()}


class Unsorted(RetinaNet):
    """Worst objects first."""

    def detect(self, extracted: Any) -> tuple[Tensor, ...]:
        return tuple(values.flip(1) for values in super().detect(extracted))


class Relative(RetinaNet):
    """Boxes that leave the canvas."""

    def detect(self, extracted: Any) -> tuple[Tensor, ...]:
        boxes, *others = super().detect(extracted)
        return boxes * 2, *others


class Forgetful(RetinaNet):
    """A random number that is neither weight nor buffer."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.offset = torch.rand(1)

    def detect(self, extracted: Any) -> tuple[Tensor, ...]:
        boxes, scores, labels = super().detect(extracted)
        return boxes, scores * self.offset, labels


class Social(RetinaNet):
    """Scores relative to the other images of the batch."""

    def detect(self, extracted: Any) -> tuple[Tensor, ...]:
        boxes, scores, labels = super().detect(extracted)
        return boxes, scores / scores.sum(), labels


class Frozen(RetinaNet):
    """Losses without gradients for the pyramid."""

    def losses(self, extracted: Any, targets: Any) -> dict[str, Tensor]:
        return super().losses([features.detach() for features in extracted], targets)


class Padded(RetinaNet):
    """Takes padding for objects."""

    def losses(self, extracted: Any, targets: Any) -> dict[str, Tensor]:
        return super().losses(extracted, replace(targets, valid=torch.ones_like(targets.valid)))


def detections(suite: DetectorConformance, model: Model) -> list[Tensor]:
    with torch.no_grad():
        return suite._evaluated(model, *suite.scene())[1]


DETECTOR_TESTS: dict[str, Callable[[DetectorConformance, Model, Path], object]] = {
    "empty": lambda suite, model, _: suite.test_images_without_objects_train(),
    "weights": lambda suite, model, _: suite.test_losses_train_every_weight(),
    "padding": lambda suite, model, _: suite.test_padding_changes_no_loss(model),
    "valid": lambda suite, model, _: suite.test_detections_are_valid(detections(suite, model)),
    "alone": lambda suite, model, _: suite.test_an_image_alone_has_the_detections_that_it_has_in_a_batch(
        model, detections(suite, model)
    ),
    "rebuilt": lambda suite, model, folder: suite.test_it_is_built_again_from_its_description(
        model, detections(suite, model), folder
    ),
}


@pytest.mark.parametrize(
    ("kind", "found_by"),
    [
        (Unmeasured, "empty"),
        (Unsorted, "valid"),
        (Relative, "valid"),
        (Forgetful, "rebuilt"),
        (Social, "alone"),
        (Frozen, "weights"),
        (Padded, "padding"),
    ],
)
def test_a_wrong_detector_is_found(tmp_path: Path, kind: type[RetinaNet], found_by: str) -> None:
    algorithms = list(catalog._ALGORITHMS)
    (known,) = [found for found in catalog.algorithms(OBJECT_DETECTION) if found.name == "retinanet_*_fpn"]
    catalog.register_algorithm(replace(known, name="wrong_*_fpn", network=f"{kind.__module__}:{kind.__name__}"))
    suite = type("Suite", (DetectorConformance,), {"model_name": "wrong_test_efficientnet_fpn"})()
    try:
        model = suite.make()
        model.network.eval()
        with pytest.raises(AssertionError):
            DETECTOR_TESTS[found_by](suite, model, tmp_path)
    finally:
        catalog._ALGORITHMS[:] = algorithms


class Loss(ClassificationScoring):
    """Less is better for the primary metric, but its record says that more is."""

    METRICS: ClassVar = {"accuracy": mean_metric("accuracy", "", "", lambda cases: 1.0 - cases.right)}


class Turned(ClassificationScoring):
    """Outputs with their sign changed in the file."""

    def to_columns(self, outputs: Any) -> dict[str, Any]:
        return super().to_columns(-outputs)


class Dividing(ClassificationScoring):
    """Divides by the number of images."""

    def metrics(self, outputs: Any, rows: Any, calibration: Any) -> dict[str, float]:
        metrics = super().metrics(outputs, rows, calibration) if len(rows) else {"accuracy": math.nan}
        return {**metrics, "share": 1 / len(rows)}


SCORING_TESTS: dict[str, Callable[[TaskConformance, Any, Any, Path], object]] = {
    "direction": lambda suite, scoring, rows, _: suite.test_perfect_outputs_have_the_best_metrics(scoring, rows),
    "empty": lambda suite, scoring, *_: suite.test_metrics_of_no_images_are_defined(scoring),
    "written": lambda suite, scoring, rows, folder: suite.test_outputs_are_written_and_read(scoring, rows, folder),
}


@pytest.mark.parametrize(("kind", "found_by"), [(Loss, "direction"), (Turned, "written"), (Dividing, "empty")])
def test_a_wrong_scoring_is_found(
    shapes: Any, kind: type[ClassificationScoring], found_by: str, tmp_path: Path
) -> None:
    suite = type("Suite", (TaskConformance,), {"task": shapes.task})()
    scoring = kind(shapes, ScoringSettings())
    with pytest.raises((AssertionError, ValueError, ZeroDivisionError)):
        SCORING_TESTS[found_by](suite, scoring, np.flatnonzero(shapes.splits == "val"), tmp_path)

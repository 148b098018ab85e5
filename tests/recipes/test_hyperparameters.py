"""Hyperparameters are those of the algorithm, also after a trip through JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from automl_vision import AutoMLVisionConfig
from automl_vision.core.errors import ConfigError
from automl_vision.core.tasks import CLASSIFICATION, INSTANCE_SEGMENTATION, MULTI_LABEL, OBJECT_DETECTION, TASKS
from automl_vision.recipes.catalog import families, family_of, own_models
from automl_vision.recipes.checking import check_hyperparameters
from automl_vision.recipes.hyperparameters import (
    ClassificationHyperparameters,
    DetectionHyperparameters,
    DFineHyperparameters,
    OneStageHyperparameters,
    RFDetrHyperparameters,
    RFDetrSegHyperparameters,
    SegmentationHyperparameters,
)
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.runs.spec import RunSpec
from automl_vision.search.planned_trial import PlannedTrial

FAMILY = [
    (CLASSIFICATION, "resnet18", ClassificationHyperparameters),
    (MULTI_LABEL, None, ClassificationHyperparameters),
    (OBJECT_DETECTION, None, DetectionHyperparameters),
    (OBJECT_DETECTION, "fasterrcnn_resnet50_fpn", DetectionHyperparameters),
    (OBJECT_DETECTION, "retinanet_resnet50_fpn", DetectionHyperparameters),
    (OBJECT_DETECTION, "yolov5", OneStageHyperparameters),
    (OBJECT_DETECTION, "dfine", DFineHyperparameters),
    (OBJECT_DETECTION, "rfdetr", RFDetrHyperparameters),
    (INSTANCE_SEGMENTATION, "maskrcnn_resnet18_fpn", SegmentationHyperparameters),
    (INSTANCE_SEGMENTATION, "rfdetr_seg", RFDetrSegHyperparameters),
]


@pytest.mark.parametrize(("task", "model_name", "family"), FAMILY)
def test_the_algorithm_decides_the_family(task: str, model_name: str | None, family: type):
    assert family_of(task, model_name) is family
    assert family in families()


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_default_algorithm_of_its_own(task: str):
    assert TASKS[task].default_model in own_models(task)
    checked, mistakes = check_hyperparameters(task, {}, TASKS[task].default_model)
    assert not mistakes
    assert type(checked) is family_of(task, TASKS[task].default_model)


@pytest.mark.parametrize(
    ("task", "model_name", "values", "expected"),
    [
        (OBJECT_DETECTION, None, {"box_nms_thresh": 0.4}, {"nms_iou_threshold": 0.4}),
        (OBJECT_DETECTION, None, {"box_score_thresh": "0.2"}, {"box_score_threshold": 0.2}),
        (OBJECT_DETECTION, "yolov5", {"box_iou_threshold": 0.6}, {"nms_iou_threshold": 0.6}),
        (OBJECT_DETECTION, "yolov5", {"model_size": "large"}, {"model_size": "large", "number_of_epochs": 30}),
        (INSTANCE_SEGMENTATION, None, {"tile_grid_size": "3x2"}, {"tile_grid_size": "3x2", "number_of_epochs": 15}),
    ],
)
def test_current_and_old_names_set_a_hyperparameter(
    task: str, model_name: str | None, values: dict[str, Any], expected: dict[str, Any]
):
    checked, mistakes = check_hyperparameters(task, values, model_name)
    assert not mistakes
    assert checked is not None
    assert {name: getattr(checked, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("task", "model_name", "values", "message"),
    [
        (OBJECT_DETECTION, None, {"min_sise": 400}, 'no hyperparameter is named "min_sise". Did you mean "min_size"?'),
        (OBJECT_DETECTION, None, {"model_size": "large"}, 'no hyperparameter is named "model_size"'),
        (OBJECT_DETECTION, "yolov5", {"min_size": 400}, 'no hyperparameter is named "min_size"'),
        (OBJECT_DETECTION, None, {"tile_grid_size": "3"}, "tile_grid_size: string should match pattern"),
        (INSTANCE_SEGMENTATION, None, {"mask_threshold": 1.0}, "mask_threshold: input should be less than 1"),
        (
            OBJECT_DETECTION,
            "rfdetr",
            {"repeat_factor_threshold": 1.5},
            "repeat_factor_threshold: input should be less than or equal to 1",
        ),
        (
            INSTANCE_SEGMENTATION,
            None,
            {"repeat_factor_threshold": -0.1},
            "repeat_factor_threshold: input should be greater than or equal to 0",
        ),
        (
            CLASSIFICATION,
            None,
            {"repeat_factor_threshold": 0.1},
            'no hyperparameter is named "repeat_factor_threshold"',
        ),
        (CLASSIFICATION, None, {"nms_iou_threshold": 0.5}, 'no hyperparameter is named "nms_iou_threshold"'),
    ],
)
def test_an_unknown_name_or_value_is_one_mistake_that_names_it(
    task: str, model_name: str | None, values: dict[str, Any], message: str
):
    checked, mistakes = check_hyperparameters(task, values, model_name)
    assert checked is None
    assert len(mistakes) == 1
    assert message in str(mistakes[0])


@pytest.mark.parametrize(("task", "model_name", "family"), FAMILY)
def test_specs_keep_their_family_through_json(task: str, model_name: str | None, family: type):
    name = model_name or TASKS[task].default_model
    hyperparameters = family_of(task, name)(number_of_epochs=3)
    trial = TrialSpec(
        task=task,
        manifest="m",
        fingerprint="f",
        model_name=name,
        hyperparameters=hyperparameters,
        folder="t",
        cache="c",
    )
    back = TrialSpec.model_validate(json.loads(json.dumps(trial.model_dump())))
    assert type(back.hyperparameters) is family
    assert back == trial
    sweep = RunSpec(
        experiment="e", task=task, manifest="m", max_bad_share=0.1, primary_metric="accuracy", budget_seconds=1.0,
        seed=0, compute_target="cpu", threads=1, workspace="w",
        trials=[PlannedTrial(model_name=name, hyperparameters=hyperparameters)],
    )  # fmt: skip
    back_sweep = RunSpec.model_validate_json(sweep.model_dump_json())
    assert type(back_sweep.trials[0].hyperparameters) is family
    assert back_sweep == sweep


def test_a_trial_of_another_family_is_refused():
    with pytest.raises(ValidationError, match="min_size"):
        TrialSpec.model_validate(
            {"task": CLASSIFICATION, "manifest": "m", "fingerprint": "f", "model_name": "resnet18",
             "hyperparameters": {"min_size": 300}, "folder": "t", "cache": "c"}
        )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        ({"model_name": "resnet18"}, ['no model of image-object-detection is named "resnet18"']),
        ({"arguments": {"model_name": "fasterrcnn_resnet5O_fpn"}}, ['Did you mean "fasterrcnn_resnet50_fpn"']),
        ({"model_name": "yolov5", "arguments": {"min_size": 3}}, ['no hyperparameter is named "min_size"']),
        ({"model_name": "maskrcnn_resnet18_fpn"}, ['no model of image-object-detection is named "maskrcnn_resnet18']),
    ],
)
def test_a_config_with_a_wrong_algorithm_is_an_error_that_names_it(settings: dict[str, Any], messages: list[str]):
    with pytest.raises(ConfigError) as caught:
        AutoMLVisionConfig(task=OBJECT_DETECTION, training_data="anywhere", **settings)
    for message in messages:
        assert message in str(caught.value)


def test_any_timm_network_is_a_backbone():
    config = AutoMLVisionConfig(task=OBJECT_DETECTION, training_data="x", model_name="fasterrcnn_convnext_tiny_fpn")
    assert config.algorithm == "fasterrcnn_convnext_tiny_fpn"
    assert type(config.hyperparameters) is DetectionHyperparameters

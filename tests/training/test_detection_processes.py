"""Two processes train one detector: as one process does, as far as nothing is drawn by each of them alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automl_vision.compute.compute import Job
from automl_vision.compute.local import LocalCompute
from automl_vision.core.event_log import EventLog
from automl_vision.core.files import read_json
from automl_vision.core.records import EvaluationEvent
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.checkpoint import load_weights, weights_file
from automl_vision.training.job import in_all_processes
from automl_vision.training.reporter import FileReporter
from processes import finish

MakeDetectorSpec = Callable[..., TrialSpec]
TRAINED, VALIDATED = 8, 4  # images


@in_all_processes
def train_and_keep(spec: TrialSpec, reporter: FileReporter) -> None:
    """Train a trial, and keep what each of its processes has seen and has in the end."""
    from automl_vision.training.trial import open_trial

    seen: list[int] = []

    def count(model: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if model.training:
            seen.append(len(inputs[0]))

    with open_trial(spec, reporter) as trial:
        trial.model.register_forward_pre_hook(count)
        trial.run()
        weights = {"trained": trial.model.state_dict(), "averaged": trial.loop.averaged.state_dict()}
        torch.save({"seen": sum(seen), **weights}, trial.folder / f"process-{trial.processes.index}.pt")


@pytest.fixture
def few_boxes(boxes: Dataset) -> Dataset:
    return _few(boxes)


@pytest.fixture
def few_masks(masks: Dataset) -> Dataset:
    return _few(masks)


def _few(dataset: Dataset) -> Dataset:
    """So many images that all steps are full."""
    splits = np.array(["train"] * TRAINED + ["val"] * VALIDATED + [""] * (len(dataset) - TRAINED - VALIDATED))
    return dataset.with_splits(splits.astype("<U8"))


def run(compute: LocalCompute, spec: TrialSpec) -> list[dict[str, Any]]:
    """What each process of the trial has kept."""
    job = compute.submit(Job("test_detection_processes:train_and_keep", {"spec": spec.model_dump()}, Path(spec.folder)))
    failure = finish(compute, job)
    assert failure is None, failure
    assert read_json(Path(spec.folder) / "result.json")["processes"] == spec.processes
    assert "Warning" not in (Path(spec.folder) / "log.txt").read_text()
    files = [Path(spec.folder) / f"process-{index}.pt" for index in range(spec.processes)]
    return [torch.load(file, weights_only=True) for file in files]


def evaluations(spec: TrialSpec) -> list[EvaluationEvent]:
    return EventLog(Path(spec.folder)).evaluations()


def _are_equal(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(
        torch.equal(value, second[kind][name])
        for kind in ("trained", "averaged")
        for name, value in first[kind].items()
    )


@pytest.mark.parametrize("kind", ["fcos", pytest.param("retinanet", marks=pytest.mark.slow)])
def test_two_processes_of_an_image_each_are_one_that_adds_up_two(
    compute: LocalCompute, few_boxes: Dataset, detector_spec: MakeDetectorSpec, kind: str
):
    """These detectors draw nothing, and group norm leaves images alone: losses and weights are those of one process.

    A loss is divided by the objects of the images that a process sees at once, so that has to be the same number.
    """
    settings = {
        "model_name": f"{kind}_test_efficientnet_gn_fpn", "augmentation": "standard", "validation_batch_size": 4,
        "log_validation_loss": True, "repeat_factor_threshold": 1.0,
    }  # fmt: skip
    one = detector_spec(few_boxes, "one", training_batch_size=1, grad_accumulation_step=2, **settings)
    two = detector_spec(few_boxes, "two", training_batch_size=2, processes=2, **settings)
    (alone,), (first, second) = run(compute, one), run(compute, two)
    assert alone["seen"] == first["seen"] + second["seen"] == 2 * TRAINED
    assert first["seen"] == second["seen"]
    assert _are_equal(first, second)
    for kept in ("trained", "averaged"):
        for name, value in alone[kept].items():
            torch.testing.assert_close(first[kept][name], value, atol=1e-4, rtol=1e-3)
    for ours, theirs in zip(evaluations(one), evaluations(two), strict=True):
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, rel=1e-3)
        assert ours.epoch == 0 or ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-3)
        assert ours.metrics == pytest.approx(theirs.metrics, abs=1e-3)


@pytest.mark.parametrize("kind", ["fasterrcnn", pytest.param("maskrcnn", marks=pytest.mark.slow)])
def test_two_processes_draw_other_regions_and_learn_the_same(
    compute: LocalCompute, few_boxes: Dataset, few_masks: Dataset, detector_spec: MakeDetectorSpec, kind: str
):
    """Each process draws its own regions, so that a step is only nearly that of one process."""
    dataset = few_masks if kind == "maskrcnn" else few_boxes
    settings = {
        "model_name": f"{kind}_test_efficientnet_gn_fpn", "training_batch_size": 4, "number_of_epochs": 1,
        "optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "learning_rate": 1e-4, "log_validation_loss": True,
    }  # fmt: skip
    one, two = (detector_spec(dataset, f"{count}", processes=count, **settings) for count in (1, 2))
    (alone,), (first, second) = run(compute, one), run(compute, two)
    assert alone["seen"] == first["seen"] + second["seen"] == TRAINED
    assert first["seen"] == second["seen"]
    assert _are_equal(first, second)
    (before, after), (before_two, after_two) = evaluations(one), evaluations(two)
    assert before.validation_loss == pytest.approx(before_two.validation_loss, rel=1e-3)
    assert after.train_loss == pytest.approx(after_two.train_loss, rel=0.03)
    assert after.validation_loss == pytest.approx(after_two.validation_loss, rel=0.03)
    start = load_weights(weights_file(Path(one.folder), 0))
    steps = [
        torch.cat([(kept["trained"][f"network.{name}"] - value).flatten() for name, value in start.items()])
        for kept in (alone, first)
    ]
    assert steps[0].norm().item() == pytest.approx(steps[1].norm().item(), rel=0.1)
    assert torch.cosine_similarity(*steps, dim=0) > 0.98

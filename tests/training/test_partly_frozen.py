"""A pretrained classifier trains with its first stages frozen, which OpenVINO computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from automl_vision.data.dataset import Dataset
from automl_vision.models.weights import read_state_dict
from automl_vision.recipes.network_families import frozen_stages
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.serving.model_folder import WEIGHTS_FILE
from automl_vision.training import plan
from automl_vision.training.loop import Loop, TrainedEpoch
from automl_vision.training.trial import open_trial, train
from conftest import RecordingReporter, small_detector, small_hyperparameters

MakeSpec = Callable[..., TrialSpec]
PRETRAINED = {
    "model_name": "efficientnet_lite0", "pretrained": True, "freeze_batch_norm": True, "optimizer": "adamw",
    "learning_rate": 1e-3, "linear_probe": False, "ema_decay": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "changes", "stages"),
    [
        ("efficientnet_lite0", {"pretrained": True}, 4),
        ("mobilenetv3_large_100", {"pretrained": True}, 4),
        ("efficientnet_lite0", {"pretrained": False}, 0),
        ("efficientnet_lite0", {"pretrained": True, "layers_to_freeze": 0}, 0),
        ("efficientnet_lite0", {"pretrained": True, "layers_to_freeze": 2}, 2),
        ("resnet50", {"pretrained": True}, 0),
    ],
)
def test_the_family_of_a_pretrained_network_says_what_is_frozen(
    architecture: str, changes: dict[str, object], stages: int
) -> None:
    assert frozen_stages(small_hyperparameters(**changes), architecture) == stages


def test_detectors_freeze_as_many_as_before() -> None:
    task, name = "image-object-detection", "fasterrcnn_test_efficientnet_fpn"
    assert frozen_stages(small_detector(task, name, pretrained=True), "efficientnet_lite0") == 4
    assert frozen_stages(small_detector(task, name, pretrained=True, layers_to_freeze=1), "efficientnet_lite0") == 1


@pytest.fixture
def worthwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short training is, and however little is gained."""
    monkeypatch.setattr(plan, "_SAVED", float("inf"))
    monkeypatch.setattr(plan, "_GAINED", 100.0)


def test_it_trains_as_pytorch_alone_does(
    shapes: Dataset, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, worthwhile: None
) -> None:
    pytest.importorskip("openvino")
    reporter = RecordingReporter()
    converted = train(make_spec(shapes, "converted", **PRETRAINED), reporter)
    assert any("OpenVINO computes" in message for message in reporter.messages)
    monkeypatch.setattr(plan, "_SAVED", 0.0)
    alone = RecordingReporter()
    plain = train(make_spec(shapes, "plain", **PRETRAINED), alone)
    assert not any("OpenVINO computes" in message for message in alone.messages)
    assert converted.score == pytest.approx(plain.score, abs=0.2)
    assert alone.evaluations[-1].validation_loss == pytest.approx(reporter.evaluations[-1].validation_loss, rel=0.02)


def test_what_is_frozen_stays_and_the_rest_moves(shapes: Dataset, make_spec: MakeSpec, worthwhile: None) -> None:
    pytest.importorskip("openvino")
    spec = make_spec(shapes, **PRETRAINED)
    with open_trial(spec, RecordingReporter()) as trial:
        before = {name: value.clone() for name, value in trial.model.network.state_dict().items()}
        frozen = set(trial.frozen)
        assert trial.loop.frozen_stages is not None
        trial.run()
    after = read_state_dict(Path(spec.folder) / WEIGHTS_FILE)
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert {"conv_stem.weight", "blocks.2.1.conv_pw.weight"} <= frozen
    assert not frozen & moved
    assert {"blocks.3.0.conv_pw.weight", "conv_head.weight", "classifier.weight"} <= moved


def test_a_trial_that_was_interrupted_ends_as_one_that_was_not(
    shapes: Dataset, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, worthwhile: None
) -> None:
    pytest.importorskip("openvino")
    undisturbed, interrupted = (make_spec(shapes, name, **PRETRAINED) for name in ("undisturbed", "interrupted"))
    train(undisturbed, RecordingReporter())
    with monkeypatch.context() as context:
        own = Loop.train_epoch

        def only_first(loop: Loop, epoch: int, *arguments: Any) -> TrainedEpoch:
            if epoch > 1:
                raise KeyboardInterrupt
            return own(loop, epoch, *arguments)

        context.setattr(Loop, "train_epoch", only_first)
        with pytest.raises(KeyboardInterrupt):
            train(interrupted, RecordingReporter())
    with open_trial(interrupted, RecordingReporter()) as trial:
        assert trial.loop.frozen_stages is not None
        trial.run()
    first, second = (read_state_dict(Path(spec.folder) / WEIGHTS_FILE) for spec in (undisturbed, interrupted))
    assert all(torch.equal(value, second[name]) for name, value in first.items())

"""Each hyperparameter has its stated effect, and a trial survives what may happen to it."""

from __future__ import annotations

import math
import multiprocessing
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn, optim
from torch.nn import functional as F

from automl_vision.core.errors import DataError, TrialError
from automl_vision.core.event_log import EventLog
from automl_vision.core.files import read_json
from automl_vision.core.records import Evaluation, Message
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.evaluation.doubt import Judged, in_doubt_the_first
from automl_vision.evaluation.paired import SCORES
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.evaluation.scoring.scoring import ScoringSettings, create_scoring
from automl_vision.models.image_model import ImageModel
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.recipes.hyperparameters import DetectionHyperparameters
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.serving.device import computes_bfloat16
from automl_vision.tasks.image_labels import class_weights
from automl_vision.tasks.task import Batch, Task, create_task
from automl_vision.tasks.transforms import random_crop_box
from automl_vision.training.batch_size import activation_bytes
from automl_vision.training.checkpoint import BEST_WEIGHTS, load_checkpoint, load_weights, weights_file
from automl_vision.training.early_stopping import EarlyStopping
from automl_vision.training.final_evaluation import Choice, interpolated
from automl_vision.training.history import Record
from automl_vision.training.job import run_trial
from automl_vision.training.loop import Loop, Plan, Stopwatch, set_training_mode, training_steps
from automl_vision.training.optimizers import create_optimizer, default_learning_rate
from automl_vision.training.precision import Precision, candidates, fastest_precision
from automl_vision.training.schedules import cooled_epochs, learning_rate_factor
from automl_vision.training.time_budget import Pace
from automl_vision.training.trial import open_trial, train
from conftest import SMALL_MODEL, RecordingReporter, small_hyperparameters, write_multi_label_csv

MakeSpec = Callable[..., TrialSpec]


def make_loop(dataset: Dataset, cache: Path, *, model_name: str = "test_efficientnet", **changes: object) -> Loop:
    """A loop on drawn images, with weights that depend on nothing but the seed."""
    hyperparameters = small_hyperparameters(**changes)
    torch.manual_seed(0)
    model = create_model(model_name, task=CLASSIFICATION, classes=len(dataset.classes), hyperparameters=hyperparameters)
    image_model = ImageModel(model.network, model.normalization)
    if hyperparameters.layers_to_freeze:
        freeze_stages(image_model.network, hyperparameters.layers_to_freeze)
    size = hyperparameters.training_batch_size or 8
    plan = Plan(
        epochs=hyperparameters.number_of_epochs,
        batch_size=size * hyperparameters.grad_accumulation_step,
        micro_batch=size,
        validation_batch=8,
        learning_rate=hyperparameters.learning_rate or 0.01,
        precision="fp32",
        channels_last=False,
    )
    task = create_task(dataset.task, dataset, hyperparameters)
    return Loop(image_model, task, open_pixels(dataset, 32, cache), plan, seed=0)


def train_one_epoch(loop: Loop, dataset: Dataset) -> optim.Optimizer:
    optimizer = create_optimizer(loop.model, loop.task.hyperparameters, loop.plan.learning_rate)
    rows = np.flatnonzero(dataset.splits == "train")
    loop.train_epoch(1, rows, optimizer, lambda done, loss: True)
    return optimizer


@pytest.mark.parametrize(
    ("changes", "kind", "expected"),
    [
        ({"optimizer": "sgd", "momentum": 0.8, "nesterov": True}, optim.SGD, {"momentum": 0.8, "nesterov": True}),
        ({"optimizer": "sgd", "momentum": 0.0, "nesterov": True}, optim.SGD, {"momentum": 0.0, "nesterov": False}),
        ({"optimizer": "sgd", "nesterov": False}, optim.SGD, {"nesterov": False, "momentum": 0.9}),
        ({"optimizer": "adam", "beta1": 0.8, "beta2": 0.99}, optim.Adam, {"betas": (0.8, 0.99), "amsgrad": False}),
        ({"optimizer": "adamw", "amsgrad": True}, optim.AdamW, {"betas": (0.9, 0.999), "amsgrad": True}),
    ],
)
def test_the_optimizer_is_the_one_asked_for(changes: dict[str, object], kind: type, expected: dict[str, object]):
    source = create_model(SMALL_MODEL, task=CLASSIFICATION, classes=3, hyperparameters=small_hyperparameters())
    model = ImageModel(source.network, source.normalization)
    optimizer = create_optimizer(model, small_hyperparameters(**changes, weight_decay=0.03), 0.02)
    assert type(optimizer) is kind
    for group in optimizer.param_groups:
        assert {name: group[name] for name in expected} == expected
        assert group["lr"] == 0.02
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays[id(model.network.classifier.weight)] == 0.03
    assert decays[id(model.network.classifier.bias)] == decays[id(model.network.bn1.weight)] == 0.0
    assert set(decays) == {id(p) for p in model.parameters()}


@pytest.mark.parametrize(
    ("name", "optimizer", "batch_size", "expected"),
    [
        ("efficientnet_lite0", "adamw", 32, 2.5e-4),
        ("efficientnet_lite0", "adam", 8, 1.25e-4),  # the square root of the batch
        ("efficientnet_lite0", "sgd", 8, 0.01),
        ("vits16r224", "adamw", 32, 1e-4),  # of another family
        ("convnext_nano", "adamw", 32, 1e-4),
    ],
)
def test_the_default_rate_follows_batch_and_family(name: str, optimizer: str, batch_size: int, expected: float):
    assert default_learning_rate(CLASSIFICATION, name, optimizer, batch_size) == pytest.approx(expected)


def test_random_weights_have_a_rate_of_their_own():
    rates = [default_learning_rate(CLASSIFICATION, SMALL_MODEL, "adamw", n, pretrained=False) for n in (4, 32)]
    assert rates == [5e-4, 5e-4]


@pytest.mark.parametrize(
    ("name", "changes", "is_slower"),
    [
        ("test_vit", {"pretrained": True}, True),
        ("test_vit", {"pretrained": True, "layer_decay": 1.0}, False),
        ("test_vit", {}, False),  # random weights have nothing to keep
        ("test_vit", {"is_started": True}, True),
        (SMALL_MODEL, {"pretrained": True}, False),
    ],
)
def test_early_blocks_of_pretrained_transformers_learn_less(name: str, changes: dict[str, Any], is_slower: bool):
    source = create_model(name, task=CLASSIFICATION, classes=3, hyperparameters=small_hyperparameters())
    is_started = changes.get("is_started", False)
    settings = {key: value for key, value in changes.items() if key != "is_started"}
    settings, model = small_hyperparameters(**settings), ImageModel(source.network, source.normalization)
    groups = create_optimizer(model, settings, 0.01, architecture=name, is_started=is_started).param_groups
    assert (min(group["lr_scale"] for group in groups) < 0.5) == is_slower


def test_layer_decay_slows_the_stages_before_the_head(shapes: Dataset, tmp_path: Path):
    loop = make_loop(shapes, tmp_path, layer_decay=0.5, learning_rate=0.04)
    optimizer = train_one_epoch(loop, shapes)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    network = loop.model.network
    assert rates[id(network.classifier.weight)] == pytest.approx(0.04)
    assert rates[id(network.conv_head.weight)] == pytest.approx(0.02)
    assert rates[id(network.conv_stem.weight)] < 0.005


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0.0, 0.0),
        (0.5, 0.25),
        (1.0, 0.5),
        (2.0, 1.0),
        (6.0, 0.5 * (1 + math.cos(2 * math.pi * 0.45 * 0.5))),
        (10.0, 0.5 * (1 + math.cos(2 * math.pi * 0.45))),
    ],
)
def test_warmup_cosine_follows_its_formula(epoch: float, expected: float):
    hyperparameters = small_hyperparameters(lr_scheduler="warmup_cosine")
    assert learning_rate_factor(epoch, 10, hyperparameters) == pytest.approx(expected)


@pytest.mark.parametrize(("epochs", "warmup"), [(1, 0.25), (4, 1.0), (8, 2.0), (100, 2.0)])
def test_the_warmup_of_a_detector_takes_a_quarter_of_the_epochs_at_most(epochs: int, warmup: float):
    hyperparameters = DetectionHyperparameters(warmup_cosine_lr_warmup_epochs=2)
    assert learning_rate_factor(warmup / 2, epochs, hyperparameters) == pytest.approx(0.5)
    assert learning_rate_factor(warmup, epochs, hyperparameters) == pytest.approx(1.0)


def test_training_that_diverges_says_so(shapes: Dataset, tmp_path: Path):
    loop = make_loop(shapes, tmp_path, learning_rate=1.0, optimizer="sgd")
    for parameter in loop.model.parameters():
        parameter.data *= 1e30
    with pytest.raises(TrialError, match="training diverged; give a learning_rate below 1"):
        train_one_epoch(loop, shapes)


def pace(*, budget: float | None, validation_seconds: float) -> Pace:
    return Pace(
        Stopwatch(before=10.0),
        budget,
        training_images=100,
        validation_images=50,
        final_images=100,
        validations_at_end=0,
        final_slowness=1.0,
        step_seconds=0.1,
        validation_seconds=validation_seconds,
    )


def test_time_is_left_to_predict_what_packaging_proves_and_measures():
    alone = pace(budget=400.0, validation_seconds=5.0)
    packaged = replace(alone, final_slowness=3.0, packaged_images=100)
    assert packaged.final_seconds == 3.0 + 100 * 0.3
    assert packaged.left == pytest.approx(alone.left - 100 * (0.3 - 0.1) - 100 * 0.3, abs=0.1)
    assert packaged.fit(0, 40, 1)[0] < alone.fit(0, 40, 1)[0] < 40


def test_a_head_alone_has_most_of_the_time_for_its_features():
    known = replace(pace(budget=110.0, validation_seconds=1.0), training_images=10_000)
    assert known.probed(known.forward_seconds) == pytest.approx(0.4 * 100 / (2 * 0.1 / 3), abs=1)
    head = replace(known, head_only=True)
    assert head.forward_seconds == 0.1  # no backward pass was measured
    assert head.probed(head.forward_seconds) == pytest.approx(0.8 * 100 / (2 * 0.1), abs=1)


@pytest.mark.parametrize(
    ("budget", "validation_seconds", "asked", "expected"),
    [
        (None, 5.0, 1, (20, 1)),  # no limit
        (10 + 3 + 2 + 1.1 * 20 * 11 + 1, 1.0, 1, (20, 1)),  # all fit: validated as asked for
        (10 + 3 + 2 + 1.1 * 8 * 11 + 1, 1.0, 1, (8, 1)),  # a validation takes a tenth of an epoch
        (10 + 3 + 10 + 1.1 * 8 * 11 + 1, 5.0, 1, (7, 2)),  # four validations at least
        (10 + 3 + 10 + 1.1 * 16 * 11 + 1, 5.0, 1, (15.5, 4)),  # the last one half
        (10 + 3 + 10 + 1.1 * 16 * 11 + 1, 5.0, 6, (16.25, 6)),  # rarer was asked for
        (10 + 3 + 2 + 1.1 * 1.8 * 11, 1.0, 1, (1.75, 1)),
        (10.0, 5.0, 1, (0, 1)),
    ],
)
def test_what_fits_into_a_budget(
    budget: float | None, validation_seconds: float, asked: int, expected: tuple[float, int]
):
    assert pace(budget=budget, validation_seconds=validation_seconds).fit(0, 20, asked) == expected


def test_the_last_epoch_may_be_a_part_of_one(shapes: Dataset, tmp_path: Path):
    loop = make_loop(shapes, tmp_path, training_batch_size=4, lr_scheduler="warmup_cosine")
    loop.plan.epochs = 1.5
    rows = np.flatnonzero(shapes.splits == "train")[:16]
    optimizer = create_optimizer(loop.model, loop.task.hyperparameters, loop.plan.learning_rate)
    images: dict[int, list[int]] = {1: [], 2: []}
    for epoch, done in images.items():
        loop.train_epoch(epoch, rows, optimizer, lambda count, loss, done=done: done.append(count) is None)
    assert images == {1: [4, 8, 12, 16], 2: [4, 8]}
    end = learning_rate_factor(1.5, 1.5, loop.task.hyperparameters)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(loop.plan.learning_rate * end)


@pytest.mark.parametrize(("epoch", "expected"), [(0.0, 1.0), (2.9, 1.0), (3.0, 0.1), (5.99, 0.1), (6.0, 0.01)])
def test_step_follows_its_formula(epoch: float, expected: float):
    hyperparameters = small_hyperparameters(lr_scheduler="step", step_lr_gamma=0.1, step_lr_step_size=3)
    assert learning_rate_factor(epoch, 10, hyperparameters) == pytest.approx(expected)


def test_the_optimizer_gets_the_rate_of_the_schedule(shapes: Dataset, tmp_path: Path):
    loop = make_loop(shapes, tmp_path, number_of_epochs=4, warmup_cosine_lr_warmup_epochs=2, learning_rate=0.04)
    optimizer = train_one_epoch(loop, shapes)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.04 * 0.5)  # after 1 of 2 epochs of warm-up


def test_frozen_stages_do_not_move_and_the_others_do(shapes: Dataset, tmp_path: Path):
    loop = make_loop(shapes, tmp_path, layers_to_freeze=3, learning_rate=0.1, ema_decay=0)
    before = {name: value.clone() for name, value in loop.model.network.state_dict().items()}
    frozen = {name for name, p in loop.model.network.named_parameters() if not p.requires_grad}
    train_one_epoch(loop, shapes)
    moved = {name for name, value in loop.model.network.state_dict().items() if not torch.equal(value, before[name])}
    assert frozen
    assert any(name.startswith("conv_stem") for name in frozen)
    assert not frozen & moved
    assert set(dict(loop.model.network.named_parameters())) - frozen <= moved
    stages = {name.rpartition(".")[0] for name in frozen}
    statistics = {name for name in before if "running" in name and name.rpartition(".")[0] in stages}
    assert statistics
    assert not statistics & moved


def test_all_stages_frozen_leaves_the_head():
    model = create_model("test_efficientnet", task=CLASSIFICATION, classes=3, hyperparameters=small_hyperparameters())
    freeze_stages(model.network, 100)
    assert [name for name, p in model.network.named_parameters() if p.requires_grad] == [
        "classifier.weight",
        "classifier.bias",
    ]


@pytest.mark.parametrize(("freeze", "moves"), [(True, False), (False, True)])
def test_freeze_batch_norm_keeps_the_statistics(shapes: Dataset, tmp_path: Path, freeze: bool, moves: bool):
    loop = make_loop(shapes, tmp_path, freeze_batch_norm=freeze)
    loop.task.hyperparameters = loop.task.hyperparameters.model_copy(update={"pretrained": True})
    before = loop.model.network.bn1.running_mean.clone()
    train_one_epoch(loop, shapes)
    assert torch.equal(before, loop.model.network.bn1.running_mean) is not moves


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0, [1, 1]), (1, [math.sqrt(4 / 6), math.sqrt(4 / 2)]), (2, [4 / 6, 4 / 2])],
)
def test_class_weights_follow_their_formula(mode: int, expected: list[float]):
    targets = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], bool)
    np.testing.assert_allclose(class_weights(targets, mode), expected, rtol=1e-6)


class _FixedLogits(nn.Module):
    """A network that gives the same logits whatever it sees."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits


def _task_and_batch(dataset: Dataset, **changes: object) -> tuple[Task, Batch, torch.Tensor]:
    task = create_task(dataset.task, dataset, small_hyperparameters(**changes))
    rows = np.flatnonzero(dataset.splits == "train")[:6].tolist()
    targets = torch.from_numpy(dataset.targets[rows].astype(np.float32))
    logits = torch.randn(len(rows), len(dataset.classes), generator=torch.Generator().manual_seed(1))
    return task, Batch(torch.zeros(len(rows), 3, 4, 4, dtype=torch.uint8), targets), logits


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_weighted_loss_of_one_class_an_image(shapes: Dataset, mode: int):
    task, batch, logits = _task_and_batch(shapes, weighted_loss=mode)
    weights = torch.from_numpy(task.class_weights)
    labels = batch.targets.argmax(dim=1)
    expected = (F.cross_entropy(logits, labels, reduction="none") * weights[labels]).mean()
    torch.testing.assert_close(task.loss(_FixedLogits(logits), batch), expected)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_weighted_loss_of_many_labels_an_image(multi_label_folder: Path, mode: int):
    dataset = Dataset.open(multi_label_folder).with_validation(0.25)
    task, batch, logits = _task_and_batch(dataset, weighted_loss=mode)
    losses = F.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none")
    expected = (losses * torch.from_numpy(task.class_weights)).sum(dim=1).mean()
    torch.testing.assert_close(task.loss(_FixedLogits(logits), batch), expected)


def test_label_smoothing_equals_torch(shapes: Dataset):
    task, batch, logits = _task_and_batch(shapes, label_smoothing=0.2)
    expected = F.cross_entropy(logits, batch.targets.argmax(dim=1), label_smoothing=0.2)
    torch.testing.assert_close(task.loss(_FixedLogits(logits), batch), expected)


@pytest.mark.parametrize("changes", [{"mixup_alpha": 0.4}, {"cutmix_alpha": 1.0}])
def test_mixing_keeps_each_target_a_distribution(shapes: Dataset, changes: dict[str, object]):
    task, batch, _ = _task_and_batch(shapes, **changes)
    batch.images.random_(generator=torch.Generator().manual_seed(0))
    batch.seed = (1, 2, 3)
    images, targets = task.mixed(batch)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(len(targets)))
    assert not torch.equal(images, batch.images.float())
    again, _ = task.mixed(batch)
    assert torch.equal(images, again)


@pytest.mark.parametrize("augmentation", ["none", "flip", "trivial_augment"])
def test_random_changes_depend_on_seed_and_row_alone(shapes: Dataset, tmp_path: Path, augmentation: str):
    task = create_task(shapes.task, shapes, small_hyperparameters(augmentation=augmentation, random_crop_scale=0.3))
    pixels = open_pixels(shapes, 32, tmp_path)
    together = task.train_batch(pixels, [3, 5, 7], seed=(0, 1)).images
    alone = task.train_batch(pixels, [5], seed=(0, 1)).images
    other = task.train_batch(pixels, [5], seed=(0, 2)).images
    assert together.shape == (3, 3, 32, 32)
    assert together.dtype == torch.uint8
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(alone, other)


def test_gradient_accumulation_equals_the_larger_batch(shapes: Dataset, tmp_path: Path):
    settings = {"model_name": "test_efficientnet_gn", "learning_rate": 0.1, "ema_decay": 0}  # no batch norm
    large = make_loop(shapes, tmp_path, training_batch_size=8, **settings)
    small = make_loop(shapes, tmp_path, training_batch_size=4, grad_accumulation_step=2, **settings)
    train_one_epoch(large, shapes)
    train_one_epoch(small, shapes)
    for name, value in large.model.state_dict().items():
        torch.testing.assert_close(small.model.state_dict()[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("clipping", "moved"), [(None, 0.1), (0.01, 0.01)])
def test_gradient_clipping_limits_a_step(shapes: Dataset, tmp_path: Path, clipping: float | None, moved: float):
    settings = {"optimizer": "sgd", "momentum": 0, "nesterov": False, "weight_decay": 0, "ema_decay": 0}
    loop = make_loop(
        shapes, tmp_path, gradient_clipping=clipping, learning_rate=1.0, training_batch_size=40,
        model_name="test_efficientnet_gn", lr_scheduler="step", **settings,
    )  # fmt: skip
    before = [parameter.detach().clone() for parameter in loop.model.parameters()]
    train_one_epoch(loop, shapes)
    after = loop.model.parameters()
    change = torch.stack([(a - b).norm() for a, b in zip(after, before, strict=True)]).norm().item()
    assert change > moved if clipping is None else change == pytest.approx(moved, rel=1e-3)


def test_the_average_is_behind_the_model(shapes: Dataset, tmp_path: Path):
    averaged = make_loop(shapes, tmp_path, ema_decay=0.9, learning_rate=0.1)
    start = averaged.model.network.conv_stem.weight.detach().clone()
    train_one_epoch(averaged, shapes)
    model = (averaged.model.network.conv_stem.weight - start).norm()
    average = (averaged.averaged.network.conv_stem.weight - start).norm()
    assert 0 < average < model
    plain = make_loop(shapes, tmp_path, ema_decay=0)
    assert plain.averaged is plain.model


@pytest.mark.parametrize(
    ("patience", "delay", "scores", "stops_at"),
    [
        (2, 0, [0.5, 0.4, 0.3, 0.9], 3),
        (2, 0, [0.5, 0.6, 0.6, 0.6], 4),  # a tie is no gain
        (1, 3, [0.5, 0.4, 0.3, 0.2, 0.9], 4),
        (1, 3, [0.5, 0.4, 0.3, 0.6, 0.5], 5),
        (3, 0, [0.1, 0.2, 0.3, 0.4, 0.5], None),
        (2, 2, [0.9, 0.1, 0.2, 0.3, 0.4], 4),  # the mark is set during the delay
    ],
)
def test_early_stopping_stops_where_the_rule_says(patience: int, delay: int, scores: list[float], stops_at: int | None):
    stopping = EarlyStopping(patience, delay)
    stops = [number for number, score in enumerate(scores, start=1) if stopping.should_stop(score)]
    assert (stops[0] if stops else None) == stops_at


@pytest.mark.parametrize(
    ("done", "epochs", "changes", "expected"),
    [
        (8, 40, {}, 10.0),
        (8, 9, {}, None),  # the rate is near its end by itself
        (2, 40, {}, 2.5),
        (8, 40, {"lr_scheduler": "step"}, None),  # which falls by epochs done, not by those to come
        (8, 40, {"warmup_cosine_lr_cycles": 0.0}, None),  # a rate that stays has no end to come to
    ],
)
def test_a_rate_that_is_still_high_cools_down(
    done: int, epochs: int, changes: dict[str, object], expected: float | None
):
    hyperparameters = small_hyperparameters(**{"lr_scheduler": "warmup_cosine", **changes})
    assert cooled_epochs(done, epochs, hyperparameters) == expected


def test_without_gain_the_rate_comes_to_its_end_first(shapes: Dataset, make_spec: MakeSpec):
    stopping = {"early_stopping": True, "early_stopping_patience": 2, "early_stopping_delay": 0}
    still = {"learning_rate": 1e-12, "ema_decay": 0, "model_name": "test_efficientnet_gn"}
    reporter = RecordingReporter()
    spec = make_spec(shapes, number_of_epochs=40, **stopping, **still)
    result = train(spec, reporter)
    rates = [evaluation.learning_rate for evaluation in reporter.evaluations]
    assert (result.epochs, result.stopped) == (4, "no gain over 2 evaluations")
    assert rates[3] == pytest.approx(result.learning_rate, rel=0.01)
    assert rates[4] < 0.1 * result.learning_rate
    assert any("the learning rate ends with epoch 4" in text for text in reporter.messages)
    state = load_checkpoint(Path(spec.folder))
    assert state is not None
    assert Record.from_json(state.record).to_json() == state.record
    assert state.record["last"] == 3.75


def test_a_trial_reports_keeps_and_proves(shapes: Dataset, make_spec: MakeSpec):
    reporter = RecordingReporter()
    spec = make_spec(shapes, number_of_epochs=3)
    result = train(spec, reporter)
    folder = Path(spec.folder)
    assert [e.epoch for e in reporter.evaluations] == [0, 1, 2, 3]
    best = max(reporter.evaluations, key=lambda e: (e.metrics["accuracy"], -(e.validation_loss or 0)))
    assert result.best_epoch == best.epoch
    assert {file.name for file in folder.glob("weights-*")} == {weights_file(folder, e).name for e in (0, best.epoch)}
    assert load_weights(folder / BEST_WEIGHTS).keys() == load_weights(weights_file(folder, 0)).keys()
    assert read_json(folder / "result.json")["score"] == result.score
    report = read_json(folder / "metrics.json")["splits"]["val"]
    assert report["intervals"]["accuracy"]["low"] <= report["metrics"]["accuracy"]
    predictions = Predictions.load(folder / PREDICTIONS_FILE).of_split("val")
    truth = shapes.targets[predictions.rows].argmax(axis=1)
    assert (predictions.logits.argmax(axis=1) == truth).mean() == report["metrics"]["accuracy"]


def test_a_trial_ranked_by_a_metric_of_which_lower_is_better_keeps_its_lowest(shapes: Dataset, make_spec: MakeSpec):
    reporter = RecordingReporter()
    spec = make_spec(shapes, number_of_epochs=3, primary_metric="log_loss")
    result = train(spec, reporter)
    values = {e.epoch: e.metrics["log_loss"] for e in reporter.evaluations}
    assert result.primary_metric == "log_loss"
    assert result.best_epoch == min(values, key=lambda epoch: values[epoch])
    report = read_json(Path(spec.folder) / "metrics.json")["splits"]["val"]
    assert result.score == report["metrics"]["log_loss"] == report["intervals"]["log_loss"]["value"] > 0


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([math.nan, math.nan], 1),
        ([math.nan, 0.5, 0.4], 1),
        ([0.5, math.nan], 0),
        ([math.nan, -math.inf], 1),
        ([-math.inf], 0),
    ],
)
def test_the_last_epoch_is_the_best_until_a_score_is_a_number(scores: list[float], best: int):
    record = Record(EarlyStopping(patience=5, delay=0))
    for epoch, score in enumerate(scores):
        record.add(Evaluation(epoch=epoch, metrics={}), score, 1.0)
    assert record.best.epoch == best
    assert record.kept_epochs(None) == {0, best}


def test_a_metric_that_overflowing_logits_leave_undefined_may_become_defined(shapes: Dataset):
    scoring = create_scoring(shapes.task, shapes, ScoringSettings("log_loss"))
    logits = np.zeros((4, 3), np.float32)
    assert scoring.are_finite(logits)
    logits[1, 1] = np.inf
    assert not scoring.are_finite(logits)


def test_a_multi_label_trial(tmp_path: Path, make_spec: MakeSpec):
    dataset = Dataset.open(write_multi_label_csv(tmp_path / "data")).with_validation(0.25)
    reporter = RecordingReporter()
    result = train(make_spec(dataset, number_of_epochs=1), reporter)
    assert result.primary_metric == "iou"
    assert 0 <= result.score <= 1


def test_the_head_starts_from_a_logistic_regression(shapes: Dataset, make_spec: MakeSpec, tmp_path: Path):
    source = create_model("test_efficientnet", task=CLASSIFICATION, classes=5, hyperparameters=small_hyperparameters())
    weights = tmp_path / "backbone.pth"
    torch.save(source.network.state_dict(), weights)
    scores = {}
    for probe in (True, False):
        reporter = RecordingReporter()
        spec = make_spec(
            shapes, f"probe {probe}", pretrained=True, weights=str(weights), linear_probe=probe, learning_rate=1e-6
        )
        train(spec, reporter)
        scores[probe] = reporter.evaluations[0].validation_loss
    assert scores[True] < scores[False]


@pytest.mark.parametrize("epochs", [4, 5])
def test_after_some_epochs_the_last_weights_are_kept_in_doubt(
    shapes: Dataset, make_spec: MakeSpec, tmp_path: Path, epochs: int
):
    """At a rate of 0 all weights are as good."""
    source = create_model("test_efficientnet", task=CLASSIFICATION, classes=3, hyperparameters=small_hyperparameters())
    torch.save(source.network.state_dict(), tmp_path / "w.pth")
    changes = {"number_of_epochs": epochs, "learning_rate": 0.0, "early_stopping": False, "freeze_batch_norm": True}
    reporter = RecordingReporter()
    result = train(make_spec(shapes, pretrained=True, weights=str(tmp_path / "w.pth"), **changes), reporter)
    luckiest = max(reporter.evaluations, key=lambda e: (e.metrics["accuracy"], -(e.validation_loss or 0))).epoch
    kept = luckiest if epochs < 5 else epochs
    assert (result.best_epoch, result.fine_tuned_share) == (kept, float(kept > 0))
    assert f"kept weights: those of {f'epoch {kept}' if kept else 'the start'}" in reporter.messages


def test_a_probe_is_kept_that_training_destroys(shapes: Dataset, make_spec: MakeSpec, tmp_path: Path):
    source = create_model("test_efficientnet", task=CLASSIFICATION, classes=3, hyperparameters=small_hyperparameters())
    torch.save(source.network.state_dict(), tmp_path / "w.pth")
    spec = make_spec(shapes, pretrained=True, weights=str(tmp_path / "w.pth"), learning_rate=1.0, ema_decay=0)
    reporter = RecordingReporter()
    result = train(spec, reporter)
    assert result.best_epoch == 0  # at a rate of 1 the weights are destroyed at once
    assert result.score >= max(e.metrics["accuracy"] for e in reporter.evaluations) - 1e-6


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({"evaluation_frequency": 2, "number_of_epochs": 5}, [0, 2, 4, 5]),
        ({"early_stopping_patience": 1, "learning_rate": 0.0, "model_name": "test_efficientnet_gn"}, [0, 1, 2, 3]),
        (
            {
                "early_stopping_patience": 1,
                "learning_rate": 0.0,
                "model_name": "test_efficientnet_gn",
                "lr_scheduler": "step",
            },
            [0, 1, 2],
        ),
        ({"early_stopping": False, "learning_rate": 0.0, "early_stopping_patience": 1}, [0, 1, 2, 3, 4]),
    ],
)
def test_epochs_that_are_validated(shapes: Dataset, make_spec: MakeSpec, changes: dict[str, object], epochs: list[int]):
    reporter = RecordingReporter()
    train(make_spec(shapes, **{"number_of_epochs": 4, "early_stopping_delay": 0, **changes}), reporter)
    assert [e.epoch for e in reporter.evaluations] == epochs


def test_checkpoint_frequency_keeps_weights(shapes: Dataset, make_spec: MakeSpec):
    spec = make_spec(shapes, number_of_epochs=4, checkpoint_frequency=2)
    result = train(spec, RecordingReporter())
    kept = {int(file.stem.split("-")[-1]) for file in Path(spec.folder).glob("weights-epoch-*")}
    assert kept == {0, 2, 4, result.best_epoch}


def test_training_metrics_and_validation_loss_are_optional(shapes: Dataset, make_spec: MakeSpec):
    reporter = RecordingReporter()
    train(make_spec(shapes, number_of_epochs=1, log_training_metrics=True, log_validation_loss=False), reporter)
    assert "accuracy" in reporter.evaluations[1].train_metrics
    assert reporter.evaluations[1].validation_loss is None


def test_a_trial_starts_from_earlier_weights(shapes: Dataset, make_spec: MakeSpec):
    first = make_spec(shapes, "first", number_of_epochs=2, learning_rate=0.05)
    result = train(first, RecordingReporter())
    weights = weights_file(Path(first.folder), result.best_epoch)
    second = RecordingReporter()
    train(make_spec(shapes, "second", number_of_epochs=1, start_from=str(weights), ema_decay=0), second)
    best = load_weights(weights)
    start = load_weights(weights) if second.evaluations[0].metrics["accuracy"] == result.score else {}
    assert start.keys() == best.keys()


def test_a_stop_request_ends_the_trial_with_what_it_has(shapes: Dataset, make_spec: MakeSpec):
    reporter = RecordingReporter(stop_after=2)
    result = train(make_spec(shapes, number_of_epochs=50), reporter)
    assert result.stopped == "asked to"
    assert result.epochs == 1
    assert reporter.evaluations[-1].passes == 16 / 18  # two steps of 8 images


def test_passes_are_counted_in_parts_of_an_epoch(shapes: Dataset, make_spec: MakeSpec):
    reporter = RecordingReporter()
    spec = make_spec(shapes, training_batch_size=3, number_of_epochs=2)
    with open_trial(spec, reporter) as trial:
        trial._start_head()
        trial._evaluate(0)
        trial._train_until_evaluation(1)
        trial.plan.epochs = 1.5
        trial._train_until_evaluation(2)
    assert [evaluation.passes for evaluation in reporter.evaluations] == [0.0, 1.0, 1.5]


def test_a_budget_limits_the_epochs(shapes: Dataset, make_spec: MakeSpec):
    reporter = RecordingReporter()
    result = train(make_spec(shapes, number_of_epochs=10_000, early_stopping=False, budget_seconds=3.0), reporter)
    assert result.epochs < 10_000
    assert result.seconds < 15
    assert any("epochs fit" in text for text in reporter.messages)


def judged_by(losses: dict[Choice, list[float]]) -> Callable[[Choice], Judged]:
    """Judges weights by the losses of their images."""
    return lambda choice: Judged(-float(np.mean(losses[choice])), {SCORES: np.array(losses[choice])})


def test_weights_are_kept_in_doubt_and_given_up_where_others_are_clearly_better():
    last, start, half = Choice(15, 1.0), Choice(0, 0.0), Choice(15, 0.5)
    random = np.random.default_rng(0)
    usual = random.uniform(0.2, 1.0, 50)
    noise = random.normal(0, 0.5, 50)
    lucky = usual - 0.05 + noise - noise.mean()  # better in the mean, and by chance for all that is known
    better, best = usual - 0.2 + 0.1 * noise, usual - 0.3 + 0.1 * noise
    for others, kept in [
        ({start: lucky, half: usual + 0.2}, last),
        ({start: better, half: usual}, start),
        ({start: better, half: best}, half),
        ({start: usual + 0.5, half: usual + 0.1}, last),
        ({start: usual, half: usual}, last),
    ]:
        losses = {choice: list(values) for choice, values in {last: usual, **others}.items()}
        assert in_doubt_the_first(list(losses), judged_by(losses)) == kept


def test_interpolated_weights_lie_between():
    start, end = {"w": torch.zeros(2), "count": torch.tensor(3)}, {"w": torch.ones(2), "count": torch.tensor(5)}
    halfway = interpolated(start, end, 0.25)
    assert halfway["w"].tolist() == [0.25, 0.25]
    assert halfway["count"].item() == 5


def test_a_last_single_image_joins_the_step_before():
    assert training_steps(range(9), 4) == [[0, 1, 2, 3], [4, 5, 6, 7, 8]]
    assert training_steps(range(3), 1) == [[0], [1], [2]]
    assert training_steps([7], 4) == [[7]]


def test_looking_for_the_batch_size_leaves_the_model_alone():
    model = create_model(
        SMALL_MODEL, task=CLASSIFICATION, classes=2, hyperparameters=small_hyperparameters()
    ).network.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert activation_bytes(model, torch.rand(1, 3, 32, 32)) > 100_000
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_sizes_of_crops_and_batches(shapes: Dataset, tmp_path: Path, make_spec: MakeSpec):
    hyperparameters = small_hyperparameters(
        training_crop_size=24, validation_crop_size=28, validation_resize_size=30, training_batch_size=5
    )
    task = create_task(shapes.task, shapes, hyperparameters)
    pixels = open_pixels(shapes, task.pixel_size, tmp_path)
    assert min(pixels[0].shape[:2]) == 30
    assert task.train_batch(pixels, [0, 1], seed=(0, 1)).images.shape == (2, 3, 24, 24)
    assert task.evaluation_batch(pixels, [0]).images.shape == (1, 3, 28, 28)
    result = train(make_spec(shapes, training_batch_size=5, grad_accumulation_step=2), RecordingReporter())
    assert result.batch_size == 10


@pytest.mark.parametrize("validation_batch_size", [1, 5, 100])
def test_the_validation_batch_changes_nothing_but_speed(
    shapes: Dataset, make_spec: MakeSpec, validation_batch_size: int
):
    spec = make_spec(shapes, number_of_epochs=1, validation_batch_size=validation_batch_size)
    train(spec, RecordingReporter())
    state = load_checkpoint(Path(spec.folder))
    assert state is not None
    assert state.plan["validation_batch"] == validation_batch_size


def test_the_least_share_of_a_random_crop_holds():
    random = np.random.default_rng(0)
    for scale in (0.2, 0.7, 1.0):
        boxes = [random_crop_box(40, 40, scale=scale, random=random) for _ in range(200)]
        shares = [height * width / 1600 for _, _, height, width in boxes]
        assert min(shares) >= scale - 0.06  # sides are whole pixels
        assert max(shares) <= 1.0
        assert all(top >= 0 and left >= 0 and top + h <= 40 and left + w <= 40 for top, left, h, w in boxes)


def test_dropout_is_before_the_head():
    model = create_model(
        SMALL_MODEL, task=CLASSIFICATION, classes=2, hyperparameters=small_hyperparameters(drop_rate=0.9)
    ).network
    images = torch.rand(1, 3, 32, 32)
    model.train()
    set_training_mode(model, freeze_batch_norm=True)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
def test_the_precision_is_the_one_asked_for_or_the_fastest(shapes: Dataset, make_spec: MakeSpec, precision: str):
    reporter = RecordingReporter()
    result = train(make_spec(shapes, number_of_epochs=1, precision=precision), reporter)
    (said,) = [text for text in reporter.messages if text.startswith("precision")]
    timings = {name: float(ms) for name, ms in re.findall(r"[(,:] ((?:bf16|fp32)(?: channels_last)?) (\d+) ms", said)}
    assert len(timings) == (4 if precision == "auto" and computes_bfloat16() else 2)
    assert timings[result.precision] == min(timings.values())
    if precision != "auto":
        assert result.precision.startswith(precision)


def test_the_seed_decides(shapes: Dataset, make_spec: MakeSpec):
    losses = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        reporter = RecordingReporter()
        train(make_spec(shapes, name, seed=seed, number_of_epochs=1), reporter)
        losses.append(reporter.evaluations[-1].train_loss)
    assert losses[0] == losses[1] != losses[2]


def test_changed_data_is_refused(shapes: Dataset, make_spec: MakeSpec):
    with pytest.raises(DataError, match="changed since the trial was planned"):
        train(make_spec(shapes, fingerprint="another"), RecordingReporter())


def test_frozen_norms_stay_in_evaluation_mode():
    model = create_model("test_resnet", task=CLASSIFICATION, classes=2, hyperparameters=small_hyperparameters()).network
    set_training_mode(model, freeze_batch_norm=True)
    assert model.training
    assert not any(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def run_trial_with_little_memory(spec: dict[str, object], spare: int) -> None:
    """A trial in a process whose address space may grow by `spare` bytes once everything is loaded."""
    import resource

    import automl_vision.training.trial  # noqa: F401 - loaded before the limit is set

    train(TrialSpec.model_validate({**spec, "folder": f"{spec['folder']}-warm-up"}), RecordingReporter())
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + spare, size + spare))
    run_trial(spec)


def test_out_of_memory_halves_the_batch_and_says_so(shapes: Dataset, make_spec: MakeSpec):
    small = {"number_of_epochs": 1, "training_crop_size": 32}
    spec = make_spec(shapes, **small, training_batch_size=1)
    large = spec.hyperparameters.model_copy(update={"training_crop_size": 512, "training_batch_size": 18})
    child = multiprocessing.get_context("spawn").Process(
        target=run_trial_with_little_memory,
        args=(spec.model_copy(update={"hyperparameters": large}).model_dump(), 640_000_000),
    )
    child.start()
    child.join()
    assert child.exitcode == 0
    folder = Path(spec.folder)
    events, _ = EventLog(folder).read()
    said = [event.text for event in events if isinstance(event, Message) and "out of memory" in event.text]
    assert said
    assert "gradients added up to steps of 18 images" in said[0]
    assert read_json(folder / "result.json")["batch_size"] == 18


class Clock:
    """Training steps that move a clock on by what they are told to take, and are counted."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def perf_counter(self) -> float:
        return self.now

    def choose(self, cache: Path, **seconds: float) -> str:
        def step(precision: Precision) -> None:
            self.calls.append(precision.name)
            self.now += seconds[precision.name]

        self.calls.clear()
        return fastest_precision(step, "auto", torch.device("cpu"), cache=cache, key="model")[0].name


def test_the_number_format_is_compared_again_when_its_speed_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clock = Clock()
    monkeypatch.setattr("automl_vision.training.precision.time", clock)
    monkeypatch.setattr("automl_vision.training.precision.computes_bfloat16", lambda: True)
    assert clock.choose(tmp_path, bf16=1, fp32=2) == "bf16"
    assert set(clock.calls) == {"bf16", "fp32"}
    assert clock.choose(tmp_path, bf16=1.2, fp32=1) == "bf16"
    assert set(clock.calls) == {"bf16"}  # about as fast as it was: nothing else is timed
    assert clock.choose(tmp_path, bf16=3, fp32=2) == "fp32"
    assert clock.choose(tmp_path, bf16=1, fp32=2) == "fp32"
    assert set(clock.calls) == {"fp32"}  # the new comparison is what is kept


def test_a_processor_without_bf16_is_not_asked_for_it(monkeypatch: pytest.MonkeyPatch):
    def names(wanted: str, *, has: bool) -> set[str]:
        monkeypatch.setattr("automl_vision.training.precision.computes_bfloat16", lambda: has)
        return {precision.name for precision in candidates(wanted, torch.device("cpu"))}

    assert names("auto", has=True) == {"bf16", "fp32"}
    assert names("auto", has=False) == {"fp32"}
    assert names("bf16", has=False) == {"bf16"}  # who wants it has it

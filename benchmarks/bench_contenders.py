"""What the bench compares: each contender trains on one set within a time and returns its probabilities.

All of them start from the same weights, those of EfficientNet-Lite0 on ImageNet unless a model is named, and see the
same training, validation and test images. Not one of them sees a test label.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Workspace
from automl_vision.core.tasks import CLASSIFICATION, TASKS, has_objects
from automl_vision.evaluation.classification import softmax
from automl_vision.evaluation.multi_label import sigmoid
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.models.model import Model
from automl_vision.runs.leaderboard import Row
from automl_vision.serving.device import computes_bfloat16
from automl_vision.training.trial import train
from one_trial import Kept, prepared, settings_of
from quality import calibrated, regressed

BACKBONE = "efficientnet_lite0"
_BATCH = 32


@dataclass
class Job:
    """One cell of the bench.

    Attributes:
        dataset: with a split for every image.
        seconds: of wall-clock time; None: as the contender wishes.
        seed: of its random choices.
        folder: for its files.
        cache: shared by all jobs.
        threads: that it may use; 0: all.
    """

    dataset: Dataset
    seconds: float | None
    seed: int
    folder: Path
    cache: Path
    threads: int


@dataclass
class Outcome:
    """What a contender made.

    Attributes:
        answers: of labels, probabilities (images, classes) by split, "val" and "test", in the order of the rows; of
            objects, what was found in the images of these splits.
        facts: figures that later questions may need, as JSON values.
    """

    answers: dict[str, NDArray[np.float64]] | Predictions
    facts: dict[str, Any] = field(default_factory=dict)


Contender = Callable[[Job], Outcome]


def _trial(job: Job, settings: dict[str, Any]) -> Outcome:
    """One trial of ours, with some hyperparameters."""
    values, trial = dict(settings), job.folder / "trial"
    name = values.pop("model_name", TASKS[job.dataset.task].default_model)
    spec = prepared(
        job.dataset, name, values, trial, cache=job.cache, seed=job.seed, seconds=job.seconds, threads=job.threads
    )
    reporter = Kept()
    result = train(spec, reporter)
    facts = {"result": result.model_dump(), "messages": reporter.messages, "evaluations": reporter.evaluations}
    predictions = Predictions.load(trial / PREDICTIONS_FILE)
    return Outcome(_answers(predictions), {**facts, "temperature": predictions.calibration.temperature})


def _answers(predictions: Predictions) -> dict[str, NDArray[np.float64]] | Predictions:
    return predictions if has_objects(predictions.task) else calibrated(predictions)


def _run(job: Job, **settings: Any) -> Outcome:
    """A whole run of ours, as users start it."""
    source = job.folder / "data.parquet"
    job.dataset.save(source)
    config = AutoMLVisionConfig(
        task=job.dataset.task,
        training_data=str(source),
        experiment_timeout_hours=(job.seconds or 600.0) / 3600,
        seed=job.seed,
        **settings,
    )
    run = Experiment(Workspace(job.folder / "workspace"), "bench").submit(config)
    run.wait_for_completion()
    best = run.get_best_child()
    facts = {
        "messages": [message.text for message in run.folder.events.messages()],
        "trial": best.number,
        "result": best.folder.result().model_dump(),
        "trials": [_shown(row) for row in run.leaderboard()],
    }
    return Outcome(_answers(best.get_predictions()), facts)


def _shown(row: Row) -> dict[str, Any]:
    """What a later question may ask of a trial that was not kept."""
    scores = {"validation": row.score, "test": row.test_score}
    known = {split: found.value for split, found in scores.items() if found is not None}
    return {"trial": row.trial, "role": row.role, "seconds": row.seconds, "epochs": row.epochs, **known}


def random_search(job: Job) -> Outcome:
    """Ours without its knowledge: random search over rate, weight decay, mixing and backbone."""
    space = {
        "model_name": "choice('efficientnet_lite0', 'efficientnet_lite1', 'efficientnet_lite2')",
        "learning_rate": "loguniform(-9.2, -4.6)",
        "weight_decay": "loguniform(-11.5, -4.6)",
        "mixup_alpha": "choice(0.0, 0.2)",
        "cutmix_alpha": "choice(0.0, 1.0)",
    }
    return _run(job, hyperparameter_sampling={"sampling": "random", "space": space}, iterations=1000)


# --- contenders that use nothing of ours but the pixels and the weights


def pixels_of(job: Job, side: int) -> NDArray[np.uint8]:
    """All images, the shorter side 256 px for an input of 224, cut to a square, (images, 256, 256, 3)."""
    from automl_vision.data.images import center_crop
    from automl_vision.data.pixel_cache import open_pixels

    larger = round(side * 256 / 224)
    pixels = open_pixels(job.dataset, larger, job.cache)
    return np.stack([center_crop(pixels[row], larger) for row in range(len(job.dataset))])


def start_model(classes: int) -> Model:
    """timm's network with the weights that the product bundles, and the statistics that its input is normalised by."""
    from automl_vision.models.registry import create_model
    from automl_vision.recipes.hyperparameters import ClassificationHyperparameters

    settings = ClassificationHyperparameters()
    return create_model(BACKBONE, task=CLASSIFICATION, classes=classes, hyperparameters=settings)


def _network(classes: int) -> Any:
    """The same network; it takes bytes and has its colours' scale inside."""
    import torch

    from automl_vision.models.image_model import ImageModel

    model = start_model(classes)
    return ImageModel(model.network, model.normalization).to(memory_format=torch.channels_last)


def autocast() -> Any:
    """bf16 where the processor computes it; where it does not, bf16 takes several times as long as fp32."""
    import torch

    return torch.autocast("cpu", torch.bfloat16, enabled=computes_bfloat16())


def _features(network: Any, images: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Pooled features of the images at a size, (images, features)."""
    import torch
    from torch.nn import functional as F

    parts = []
    with torch.inference_mode(), autocast():
        for start in range(0, len(images), _BATCH):
            batch = torch.from_numpy(images[start : start + _BATCH]).permute(0, 3, 1, 2)
            batch = F.interpolate(batch, (side, side), mode="bilinear", antialias=True, align_corners=False)
            parts.append(network.features(batch).float().numpy())
    return np.concatenate(parts)


def probe(job: Job, side: int = 224) -> Outcome:
    """scikit-learn's logistic regression on frozen features, its strength by cross-validation."""
    features = _features(_network(2).eval(), pixels_of(job, side), side)
    return Outcome(regressed(job.dataset, features)[0])


def plain_lpft(job: Job, side: int = 224) -> Outcome:
    """LP-FT as a good practitioner writes it: the regression's head, then 8 epochs of AdamW at 3e-4 in one cycle."""
    import torch
    from timm.utils import ModelEmaV3
    from torch import nn
    from torch.nn import functional as F
    from torchvision.transforms import v2

    torch.manual_seed(job.seed)
    images, dataset, epochs = pixels_of(job, side), job.dataset, 8
    network = _network(len(dataset.classes))
    _, models = regressed(dataset, _features(network.eval(), images, side))
    _set_head(network.head, models)
    ema = ModelEmaV3(network, decay=0.99, use_warmup=True)
    augment = v2.Compose(
        [v2.RandomResizedCrop(side, (0.6, 1.0), antialias=True), v2.RandomHorizontalFlip(), v2.TrivialAugmentWide()]
    )
    rows = np.flatnonzero(dataset.splits == "train")
    targets = torch.from_numpy(dataset.targets.astype(np.float32))
    steps = max(1, len(rows) // _BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-4, total_steps=epochs * steps)
    single = dataset.task == CLASSIFICATION
    random, number = np.random.default_rng(job.seed), 0
    for _ in range(epochs):
        network.train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        order = random.permutation(rows)
        for step in range(steps):
            chosen = order[step * _BATCH : (step + 1) * _BATCH]
            batch = torch.stack([augment(torch.from_numpy(images[row]).permute(2, 0, 1)) for row in chosen])
            with autocast():
                logits = network(batch.contiguous(memory_format=torch.channels_last)).float()
            if single:
                loss = F.cross_entropy(logits, targets[chosen].argmax(1), label_smoothing=0.1)
            else:
                loss = F.binary_cross_entropy_with_logits(logits, targets[chosen] * 0.9 + 0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            number += 1
            ema.update(network, step=number)
    features = _features(ema.module.eval(), images, side)
    head = ema.module.head
    logits = features @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    found = softmax(logits) if single else sigmoid(logits)
    return Outcome({split: found[dataset.splits == split] for split in ("val", "test")})


def _set_head(head: Any, models: list[Any]) -> None:
    """Give a linear head the weights of regressions on standardised features."""
    import torch

    weights, biases = [], []
    for model in models:
        scaler, regression = model[0], model[1]
        coefficients = regression.coef_ / scaler.scale_
        weights.append(coefficients)
        biases.append(regression.intercept_ - coefficients @ scaler.mean_)
    weight, bias = np.concatenate(weights), np.concatenate(biases)
    if len(weight) == 1 and len(head.bias) == 2:  # scikit-learn has one row for two classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    head.weight.data.copy_(torch.from_numpy(weight))
    head.bias.data.copy_(torch.from_numpy(bias))


def _fastai(job: Job, **settings: int) -> Outcome:
    from bench_rivals import fastai_fine_tune  # only where it is asked for, since it may not be installed

    return fastai_fine_tune(job, **settings)


def _autogluon(job: Job, **settings: str) -> Outcome:
    from bench_autogluon import autogluon

    return autogluon(job, **settings)


def _torchvision(job: Job, **settings: int) -> Outcome:
    from bench_torchvision import reference_detector  # torch takes seconds to load

    return reference_detector(job, **settings)


def settings_in(name: str) -> dict[str, Any]:
    """The settings of a contender that is named `KIND:NAME=VALUE,...`."""
    return settings_of([pair for pair in name.partition(":")[2].split(",") if pair])


def find_contender(name: str) -> Contender:
    """The contender of a name.

    `automode` is ours with nothing but a budget, and `automode:NAME=VALUE,...` with settings of a job.
    `trial:NAME=VALUE,...` is one trial of ours with hyperparameters; `probe@160`, `lpft@160` and `torchvision@320` see
    smaller images, and `fastai@16` trains with batches of 16. `autogluon` has the presets of medium quality, and
    `autogluon:high` those of high quality. `torchvision` is for boxes, the others for labels.
    """
    numbered = {
        "probe": (probe, "side"),
        "lpft": (plain_lpft, "side"),
        "fastai": (_fastai, "batch"),
        "torchvision": (_torchvision, "side"),
    }
    plain, _, number = name.partition("@")
    if name == "random":
        return random_search
    if plain in numbered:
        contender, what = numbered[plain]
        return partial(contender, **({what: int(number)} if number else {}))
    kind, _, quality = name.partition(":")
    if kind == "autogluon":
        return partial(_autogluon, presets=f"{quality or 'medium'}_quality")
    if kind not in ("trial", "automode"):
        raise SystemExit(
            f"no contender is named {name}; there are random, {', '.join(numbered)}, autogluon, automode, and trial: "
            "or automode: followed by NAME=VALUE,..."
        )
    settings = settings_in(name)
    return (lambda job: _run(job, **settings)) if kind == "automode" else (lambda job: _trial(job, settings))


def timed(contender: Contender, job: Job) -> Outcome:
    """The outcome, with its wall-clock and processor seconds among the facts."""
    start, cpu = time.perf_counter(), time.process_time()
    outcome = contender(job)
    outcome.facts |= {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    return outcome

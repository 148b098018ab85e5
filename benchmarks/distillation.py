"""What more epochs give a network that was trained: with labels alone, with an average's answers, with more images.

    python benchmarks/distillation.py run --out bench --sets clothing@30 bccd:crops@30 --epochs 12 6
    python benchmarks/distillation.py table --out bench

`run` trains the default recipe on each set, the heads alone of EfficientNet-Lite0 and Lite2 at a larger input, and
averages the three as AutoMode does. Then it goes on from the first network for some more epochs, each time in another
way, and records the logits of validation and test images after each epoch. `table` prints test accuracy after the last
epoch, the difference to the first network in the mean over the sets and on the worst one, and the ratio of the log
losses. The temperature is that of validation images; networks that were trained on these have the one of training with
labels. A smaller `--side` makes all inputs smaller, and each set cheaper.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.classification import log_loss, softmax
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.models.image_model import ImageModel
from automl_vision.models.networks import load_model
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.runs.averaging import FINE_TUNED, chosen_shares
from automl_vision.serving.model_folder import WEIGHTS_FILE
from automl_vision.tasks.image_labels import ImageLabelTask
from automl_vision.tasks.task import Batch
from automl_vision.training.checkpoint import load_weights, weights_file
from automl_vision.training.trial import open_trial
from bench_contenders import autocast
from bench_sets import BenchSet, add_set_options
from epochs import print_table, temperature_of
from one_trial import Kept, prepared

_NETWORK = "efficientnet_lite0"
_HEADS = (_NETWORK, "efficientnet_lite2")
_LARGER = 288 / 224  # the heads' input, in units of the first network's
_SIZES = ("validation_resize_size", "validation_crop_size")


@dataclass(frozen=True)
class Way:
    """How training goes on.

    Attributes:
        taught: share of the average's answers in the targets; the rest are the labels.
        live: whether the average sees each augmented image; otherwise the evaluation image and its mirror image, once.
        refits: whether validation images are trained on too.
        anew: whether training starts from the pretrained weights instead, with the epochs of both parts.
        rate: highest of the schedule, in units of the default one.
    """

    taught: float = 0.0
    live: bool = False
    refits: bool = False
    anew: bool = False
    rate: float = 1.0


WAYS = {
    "all epochs at once": Way(anew=True),
    "labels": Way(),
    "half taught": Way(0.5, live=True),
    "half taught by kept answers": Way(0.5),
    "refit": Way(refits=True),
    "refit, half taught": Way(0.5, live=True, refits=True),
    "labels at a third of the rate": Way(rate=1 / 3),
    "taught": Way(1.0, live=True),
    "refit, half taught by kept answers": Way(0.5, refits=True),
    "refit at a third of the rate": Way(refits=True, rate=1 / 3),
}


@dataclass
class Teacher:
    """An average of trained networks.

    Attributes:
        members: network, side of its input, and factor on its logits.
    """

    members: list[tuple[ImageModel, int, float]]

    def __call__(self, images: Tensor) -> Tensor:
        """Probabilities (n, classes) for images (n, 3, height, width) from 0 to 255."""
        with torch.no_grad(), autocast():
            parts = [factor * network(_resized(images, side)).float() for network, side, factor in self.members]
        return torch.stack(parts).sum(0).softmax(1)


def _resized(images: Tensor, side: int) -> Tensor:
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)


@dataclass(frozen=True)
class Bench:
    """One set and where it is worked on.

    Attributes:
        dataset: with a split for every image.
        folder: for trials, deleted at the end.
        options: of the command line.
        seed: of the first network; the others have the next one.
    """

    dataset: Dataset
    folder: Path
    options: argparse.Namespace
    seed: int

    @property
    def side(self) -> int:
        """Pixels of the first network's input."""
        return int(self.options.side)

    @property
    def larger(self) -> int:
        """Pixels of the heads' input."""
        return 32 * round(_LARGER * self.side / 32)

    def sizes(self, side: int) -> dict[str, int]:
        """Hyperparameters for an input of a size."""
        return dict.fromkeys(("training_crop_size", *_SIZES), side)

    def spec(self, name: str, settings: dict[str, Any], place: str, seed: int) -> TrialSpec:
        """A trial without early stopping that keeps the weights of all epochs."""
        settings = {"early_stopping": False, "checkpoint_frequency": 1, **settings}
        cache, threads = self.options.out / "cache", self.options.threads
        return prepared(self.dataset, name, settings, self.folder / place, cache=cache, seed=seed, threads=threads)


def teacher_of(bench: Bench) -> tuple[Teacher, dict[str, Any]]:
    """Train the first network and the heads, and average them; returns the average's logits too."""
    dataset, seed = bench.dataset, bench.seed
    settings = {"number_of_epochs": bench.options.epochs[0], **bench.sizes(bench.side)}
    specs = [bench.spec(_NETWORK, settings, "first", seed)]
    for name in _HEADS:
        spec = bench.spec(name, bench.sizes(bench.larger), f"{name}@{bench.larger}", seed)
        specs.append(spec.model_copy(update={"head_only": True}))
    outputs: dict[str, list[Any]] = {"val": [], "test": []}
    temperatures = []
    for spec in specs:
        with open_trial(spec, Kept()) as trial:
            trial.run()
        found = Predictions.load(Path(spec.folder) / PREDICTIONS_FILE)
        temperatures.append(found.calibration.temperature)
        for split, kept in outputs.items():
            kept.append(found.of_split(split).logits / temperatures[-1])
    prior = {0: FINE_TUNED, 1: 1.0, 2: 1.0}
    scoring = create_scoring(CLASSIFICATION, dataset)
    shares = chosen_shares(dict(enumerate(outputs["val"])), prior, scoring, np.flatnonzero(dataset.splits == "val"))
    members = []
    for i, share in shares.items():
        model = load_model(Path(specs[i].folder))
        network = ImageModel(model.network, model.normalization).eval().to(memory_format=torch.channels_last)
        members.append((network, specs[i].hyperparameters.validation_crop_size, share / temperatures[i]))
    average = {split: sum(share * kept[i] for i, share in shares.items()) for split, kept in outputs.items()}
    return Teacher(members), {split: values[None] for split, values in average.items()}


def go_on(bench: Bench, way: Way, teacher: Teacher) -> dict[str, Any]:
    """Train in one way, and return the logits of validation and test images after each epoch, from before the first.

    Where training goes on, images are kept at the larger size, so that the teacher sees what it was trained for.
    """
    folder, (first, more) = bench.folder, bench.options.epochs
    side, larger = bench.side, bench.larger
    kept = side if way.anew else larger
    settings = {"training_crop_size": larger if way.live else side, **dict.fromkeys(_SIZES, kept)}
    settings |= {"number_of_epochs": first + more if way.anew else more}
    spec = bench.spec(_NETWORK, settings, "more", bench.seed + 1)
    if not way.anew:
        spec = spec.model_copy(update={"start_from": str(folder / "first" / WEIGHTS_FILE)})
    outputs: dict[str, list[Any]] = {"val": [], "test": []}
    with open_trial(spec, Kept()) as trial:
        trial.plan.learning_rate *= way.rate
        task, predict = trial.task, trial.task.predict
        task.loss = _loss(task, way, teacher, trial.pixels, side)  # type: ignore[method-assign]
        task.predict = lambda network, batch: predict(network, _smaller(batch, side))  # type: ignore[method-assign]
        if way.refits:
            trial.rows["train"] = np.sort(np.concatenate([trial.rows["train"], trial.rows["val"]]))
        trial.run()
        averaged = trial.loop.averaged.network
        for epoch in range(trial.plan.last_epoch + 1):
            averaged.load_state_dict(load_weights(weights_file(folder / "more", epoch)))
            for split, logits in outputs.items():
                logits.append(trial.loop.outputs(trial.rows[split].tolist()))
    shutil.rmtree(folder / "more")
    return {split: np.stack(logits) for split, logits in outputs.items()}


def _smaller(batch: Batch, side: int) -> Batch:
    return replace(batch, images=_resized(batch.images, side))


def _loss(
    task: ImageLabelTask, way: Way, teacher: Teacher, pixels: Any, side: int
) -> Callable[[nn.Module, Batch], Tensor]:
    answers: dict[int, Tensor] = {}

    def kept(rows: Sequence[int]) -> Tensor:
        for row in rows:
            if row not in answers:
                image = task.evaluation_batch(pixels, [row]).images.to(memory_format=torch.channels_last)
                answers[row] = (teacher(image) + teacher(image.flip(3)))[0] / 2
        return torch.stack([answers[row] for row in rows])

    def loss(network: nn.Module, batch: Batch) -> Tensor:
        smoothing = task.hyperparameters.label_smoothing
        batch.targets = (1 - smoothing) * batch.targets + smoothing / task.outcomes
        if way.taught and not way.live:
            batch.targets = (1 - way.taught) * batch.targets + way.taught * kept(batch.rows)
        images, targets = task.mixed(batch)
        if way.live:
            targets = (1 - way.taught) * targets + way.taught * teacher(images)
            images = _resized(images, side).contiguous(memory_format=torch.channels_last)
        weights = torch.from_numpy(task.class_weights)
        return task.losses(network(images).float(), targets, weights).mean()

    return loss


def run(name: str, options: argparse.Namespace, seed: int) -> None:
    """Work through the ways on one set, and record each that is not yet."""
    stem = f"{name.replace(':', '.')}__{options.side}px__{'+'.join(map(str, options.epochs))}__{seed}"
    files = {way: options.out / "distillation" / f"{stem}__{way}.npz" for way in options.ways}
    if all(file.exists() for file in files.values()):
        return
    dataset = BenchSet.parse(name, options.data).open(options.out, seed=seed)
    folder = options.out / "distillation" / stem
    shutil.rmtree(folder, ignore_errors=True)
    bench = Bench(dataset, folder, options, seed)
    teacher, average = teacher_of(bench)
    truth = {f"{split}_truth": dataset.targets[dataset.splits == split].argmax(1) for split in ("val", "test")}
    np.savez_compressed(folder.with_name(f"{stem}__average.npz"), **average, **truth)
    for what, file in files.items():
        if not file.exists():
            np.savez_compressed(file, **go_on(bench, WAYS[what], teacher), **truth)
            print(name, seed, what, flush=True)
    shutil.rmtree(folder)


def table(options: argparse.Namespace) -> None:
    """Print what each way gives on test images."""
    found: dict[str, list[tuple[float, float]]] = {}
    for average in sorted((options.out / "distillation").glob("*__average.npz")):
        files = {way: average.with_name(average.name.replace("__average", f"__{way}")) for way in options.ways}
        if not all(file.exists() for file in files.values()):
            continue
        own = {"the first network": _scores(files["labels"], epoch=0), "average": _scores(average)}
        scale = _temperature(files["labels"])
        for way, file in files.items():
            own[way] = _scores(file, scale=scale if WAYS[way].refits else None)
        print(
            average.stem.removesuffix("__average") + ": " + ", ".join(f"{accuracy:.3f}" for accuracy, _ in own.values())
        )
        for name, values in own.items():
            found.setdefault(name, []).append(values)
    print_table(found, "what")


def _temperature(file: Path, epoch: int = -1) -> float:
    with np.load(file) as arrays:
        return temperature_of(arrays["val"][epoch].astype(np.float64), arrays["val_truth"])


def _scores(file: Path, epoch: int = -1, scale: float | None = None) -> tuple[float, float]:
    """Accuracy and log loss on test images, at the temperature that validation images ask for unless one is given."""
    scale = scale or _temperature(file, epoch)
    with np.load(file) as arrays:
        test, truth = arrays["test"][epoch].astype(np.float64), arrays["test_truth"]
    return float((test.argmax(1) == truth).mean()), log_loss(softmax(test / scale), truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    add_set_options(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, nargs=2, default=[12, 6], help="of the first network, and more")
    parser.add_argument("--side", type=int, default=224, help="pixels of the first network's input")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS)[:6])
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.what == "table":
        table(options)
        return
    for seed in options.seeds:
        for name in options.sets:
            run(name, options, seed)


if __name__ == "__main__":
    main()

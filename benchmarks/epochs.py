"""Which epoch of a trial to keep: rules of choice compared on the test images of trials whose every epoch was recorded.

    python benchmarks/epochs.py run --out bench --sets clothing@30 bccd:crops@30 --networks efficientnet_lite0@128x15
    python benchmarks/epochs.py table --out bench

`run` trains the default recipe on each set without early stopping, keeps all weights, and records the logits of
validation and test images after each epoch, and after the last one those of the mirrored images too; a network is named
with the side of its input and its epochs, of which 0 trains the head alone. `table` prints what each rule, which sees
validation images alone, gives on test images: its difference to the rule of the best metric, the mean over the sets and
the worst one. `averages.py` and `mirror.py` read the same files.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.calibration import fit_temperature
from automl_vision.evaluation.classification import log_loss, softmax
from automl_vision.training.checkpoint import load_weights, weights_file
from automl_vision.training.trial import open_trial
from bench_sets import BenchSet, add_set_options
from one_trial import Kept, prepared

Floats = NDArray[np.float64]
Recorded = tuple[Floats, NDArray[np.intp]]
"""Logits and the truth."""
Found = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Network:
    """What is trained: an algorithm, the side of its input in pixels, and its epochs."""

    model_name: str
    side: int
    epochs: int

    @staticmethod
    def parse(text: str) -> Network:
        """Read `efficientnet_lite0@128x15`."""
        model_name, _, rest = text.partition("@")
        side, _, epochs = rest.partition("x")
        return Network(model_name, int(side), int(epochs))

    def __str__(self) -> str:
        return f"{self.model_name}@{self.side}x{self.epochs}"


def run(name: str, network: Network, options: argparse.Namespace, seed: int) -> None:
    """Train on one set and record the logits by epoch, unless that was done before."""
    file = options.out / "epochs" / f"{name.replace(':', '.')}__{network}__{seed}.npz"
    if file.exists():
        return
    dataset = BenchSet.parse(name, options.data).open(options.out, seed=seed)
    folder = file.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    sizes = dict.fromkeys(("training_crop_size", "validation_resize_size", "validation_crop_size"), network.side)
    settings = {**sizes, "number_of_epochs": max(1, network.epochs), "early_stopping": False, "checkpoint_frequency": 1}
    cache = options.out / "cache"
    spec = prepared(dataset, network.model_name, settings, folder, cache=cache, seed=seed, threads=options.threads)
    spec = spec.model_copy(update={"head_only": network.epochs == 0})
    with open_trial(spec, Kept()) as trial:
        trial.run()
        averaged, kept = trial.loop.averaged.network, {"val": [], "test": []}
        for epoch in range(network.epochs + 1):
            averaged.load_state_dict(load_weights(weights_file(folder, epoch)))
            for split, logits in kept.items():
                logits.append(trial.loop.outputs(trial.rows[split].tolist()))
        trial.loop.averaged.register_forward_pre_hook(lambda _, images: (images[0].flip(3),))
        mirrored = {f"{split}_mirrored": trial.loop.outputs(trial.rows[split].tolist()) for split in kept}
        truth = {f"{split}_truth": dataset.targets[trial.rows[split]].argmax(1) for split in kept}
    np.savez_compressed(file, **{split: np.stack(logits) for split, logits in kept.items()}, **mirrored, **truth)
    shutil.rmtree(folder)
    print(name, network, seed, flush=True)


def accuracies(logits: Floats, truth: NDArray[np.intp]) -> Floats:
    """Of each epoch, from (epochs, images, classes)."""
    return (logits.argmax(2) == truth).mean(1)


def losses(logits: Floats, truth: NDArray[np.intp]) -> Floats:
    """Log loss of each epoch at its best temperature."""
    return np.array([calibrated_loss(each, truth) for each in logits])


def calibrated_loss(logits: Floats, truth: NDArray[np.intp]) -> float:
    return log_loss(softmax(logits / temperature_of(logits, truth)), truth)


def temperature_of(logits: Floats, truth: NDArray[np.intp]) -> float:
    return fit_temperature(lambda values: log_loss(softmax(values), truth), logits)


def _smooth(values: Floats, reach: int = 1) -> Floats:
    """The mean with the neighbours of each epoch; epoch 0 stays alone, since it is no neighbour of training."""
    own = values.copy()
    for i in range(1, len(values)):
        own[i] = values[max(1, i - reach) : i + reach + 1].mean()
    return own


def _best_metric(logits: Floats, truth: NDArray[np.intp]) -> int:
    return int(np.lexsort((losses(logits, truth), -accuracies(logits, truth)))[0])


def _mixed(weight: float) -> Callable[[Floats, NDArray[np.intp]], int]:
    """The epoch with the best sum of accuracy and of a part of the log loss."""
    return lambda logits, truth: int(np.argmax(accuracies(logits, truth) - weight * losses(logits, truth)))


RULES: dict[str, Callable[[Floats, NDArray[np.intp]], int]] = {
    "best metric, then loss": _best_metric,
    "least loss": lambda logits, truth: int(np.argmin(losses(logits, truth))),
    "best smoothed metric": lambda logits, truth: int(np.argmax(_smooth(accuracies(logits, truth)))),
    "least smoothed loss": lambda logits, truth: int(np.argmin(_smooth(losses(logits, truth)))),
    "metric - 0.3 loss": _mixed(0.3),
    "smoothed metric - 0.3 loss": lambda logits, truth: int(
        np.argmax(_smooth(accuracies(logits, truth) - 0.3 * losses(logits, truth)))
    ),
    "last epoch": lambda logits, _: len(logits) - 1,
    "last epoch, or the start if its loss is less": lambda logits, truth: (
        0 if losses(logits[[0, -1]], truth).argmin() == 0 else len(logits) - 1
    ),
    "the start": lambda *_: 0,
    "best on test": lambda *_: -1,
}


def recorded(file: Path) -> tuple[Recorded, ...]:
    """Logits by epoch and the truth, of validation and of test images."""
    with np.load(file) as arrays:
        return tuple((arrays[split].astype(np.float64), arrays[f"{split}_truth"]) for split in ("val", "test"))


def figures(val: Recorded, test: Recorded) -> tuple[float, float]:
    """Accuracy and log loss on test images, with the temperature of the validation images.

    Args:
        val, test: logits (images, classes) and the truth.
    """
    logits, truth = test
    loss = log_loss(softmax(logits / temperature_of(*val)), truth)
    return float((logits.argmax(1) == truth).mean()), loss


def compare(
    description: str | None, scores: Callable[[Sequence[Path], BenchSet, argparse.Namespace, int], Found]
) -> None:
    """Read `--networks` of all sets that have them recorded, and print the table of what is computed from them.

    Args:
        description: of the script.
        scores: accuracy and log loss by what is looked at, from the files of the networks, the set, options and seed.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_options(parser)
    parser.add_argument("--networks", nargs="+", required=True, help="the first one may have a * for several")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {}
    runs = 0
    for first in sorted((options.out / "epochs").glob(f"*__{options.networks[0]}__*.npz")):
        name, network, seed = first.stem.split("__")
        files = [first, *(first.with_name(f"{name}__{other}__{seed}.npz") for other in options.networks[1:])]
        if all(file.exists() for file in files):
            runs += 1
            print(f"{name} {network} {seed}:")
            bench_set = BenchSet.parse(name.replace(".crops", ":crops"), options.data)
            for what, values in scores(files, bench_set, options, int(seed)).items():
                found.setdefault(what, []).append(values)
    print_table(found, f"of {runs} runs")


def table(out: Path) -> None:
    """Print each rule's accuracy and log loss on test images."""
    found: dict[str, list[tuple[float, float]]] = {}
    for file in sorted(out.glob("epochs/*.npz")):
        val, test = recorded(file)
        scores = accuracies(*test)
        print(f"{file.stem}: val {np.round(accuracies(*val), 3)} test {np.round(scores, 3)}")
        for rule, choose in RULES.items():
            epoch = int(scores.argmax()) if rule == "best on test" else choose(*val)
            found.setdefault(rule, []).append((scores[epoch], calibrated_loss(test[0][epoch], test[1])))
    print_table(found, "rule")


def print_table(found: dict[str, list[tuple[float, float]]], what: str) -> None:
    """Mean accuracy, and differences and the ratio of log losses to the first row."""
    base = np.array(next(iter(found.values())))
    print(f"\n| {what} | accuracy | points | worst | log loss |\n| --- | --- | --- | --- | --- |")
    for name, values in found.items():
        own = np.array(values)
        gains, ratio = 100 * (own - base)[:, 0], np.exp(np.log(own[:, 1] / base[:, 1]).mean())
        print(f"| {name} | {own[:, 0].mean():.3f} | {gains.mean():+.2f} | {gains.min():+.2f} | {ratio:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    add_set_options(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--networks", nargs="+", type=Network.parse, default=[Network("efficientnet_lite0", 224, 15)])
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.what != "run":
        table(options.out)
        return
    for seed in options.seeds:
        for name in options.sets:
            for network in options.networks:
                run(name, network, options, seed)


if __name__ == "__main__":
    main()

"""What the mean over an image and its mirror image adds to a network, and to an average of networks, on many sets.

    python benchmarks/epochs.py run --out bench --sets clothing@30 ... --networks efficientnet_lite0@224x12 \\
        efficientnet_lite0@288x0 efficientnet_lite2@288x0
    python benchmarks/mirror.py --out bench --networks efficientnet_lite0@224x12 efficientnet_lite0@288x0 ...

Reads the logits that `epochs.py` recorded after the last epoch of each network. Printed are test accuracy and the ratio
of the log losses, both to the first network with plain images: each network alone, and the average that AutoMode
chooses by validation images: with plain images, and with mirror images too for heads alone, trained ones alone, or all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.evaluation.classification import log_loss, softmax
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.runs.averaging import FINE_TUNED, chosen_shares
from bench_sets import BenchSet, add_set_options
from epochs import Floats, print_table, temperature_of

_SPLITS = ("val", "test")


class Answers:
    """Calibrated logits of the validation and test images of one network, (images, classes)."""

    def __init__(self, file: Path, *, mirrored: bool) -> None:
        with np.load(file) as arrays:
            self.truth = {split: arrays[f"{split}_truth"] for split in _SPLITS}
            plain = {split: arrays[split][-1].astype(np.float64) for split in _SPLITS}
            mirror = {split: arrays[f"{split}_mirrored"].astype(np.float64) for split in _SPLITS}
        logits = {split: (plain[split] + mirror[split]) / 2 if mirrored else plain[split] for split in _SPLITS}
        scale = temperature_of(logits["val"], self.truth["val"])
        self.logits: dict[str, Floats] = {split: values / scale for split, values in logits.items()}


def figures(val: Floats, test: Floats, answers: Answers) -> tuple[float, float]:
    """Accuracy and log loss on test images, with the temperature of the validation images."""
    truth = answers.truth
    loss = log_loss(softmax(test / temperature_of(val, truth["val"])), truth["test"])
    return float((test.argmax(1) == truth["test"]).mean()), loss


def scores(files: list[Path], name: str, options: argparse.Namespace, seed: int) -> dict[str, tuple[float, float]]:
    """Test figures of one set by what is looked at."""
    networks = [file.stem.split("__")[1] for file in files]
    is_head = [network.endswith("x0") for network in networks]
    by_view = {mirrored: [Answers(file, mirrored=mirrored) for file in files] for mirrored in (False, True)}
    dataset = BenchSet.parse(name, options.data).open(options.out, seed=seed)
    rows, scoring = np.flatnonzero(dataset.splits == "val"), create_scoring(CLASSIFICATION, dataset)
    prior = {i: 1.0 if head else FINE_TUNED for i, head in enumerate(is_head)}
    found = {}
    for i, network in enumerate(networks):
        for mirrored, words in ((False, ""), (True, ", mirrored too")):
            own = by_view[mirrored][i]
            found[f"{network}{words}"] = figures(own.logits["val"], own.logits["test"], own)
    for words, views in (
        ("", [False] * len(files)), (", heads mirrored too", is_head),
        (", trained ones mirrored too", [not head for head in is_head]), (", all mirrored too", [True] * len(files)),
    ):  # fmt: skip
        members = [by_view[view][i] for i, view in enumerate(views)]
        shares = chosen_shares({i: each.logits["val"] for i, each in enumerate(members)}, prior, scoring, rows)
        val, test = (np.sum([share * members[i].logits[split] for i, share in shares.items()], 0) for split in _SPLITS)
        found[f"average{words}"] = figures(val, test, members[0])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_options(parser)
    parser.add_argument("--networks", nargs="+", required=True)
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {}
    for first in sorted((options.out / "epochs").glob(f"*__{options.networks[0]}__*.npz")):
        name, _, seed = first.stem.split("__")
        files = [first.with_name(f"{name}__{network}__{seed}.npz") for network in options.networks]
        if all(file.exists() for file in files):
            print(name, seed)
            for what, values in scores(files, name.replace(".crops", ":crops"), options, int(seed)).items():
                print(f"  {what}: {values[0]:.3f}, {values[1]:.3f}")
                found.setdefault(what, []).append(values)
    print_table(found, "what")


if __name__ == "__main__":
    main()

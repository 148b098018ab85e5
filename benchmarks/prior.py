"""What candidates gain over the default recipe in the same time, averaged with it, and whether other sets foretell it.

    python benchmarks/prior.py --out bench

`bench` is what `bench.py run` left: `trial:` contenders with one set of hyperparameters per candidate, where a slower
network has fewer epochs, so that all take about the same time. The score of a trial is that of the test images.

Every source of images is left out in turn, with all of its parts: the others say which candidate, or the default
recipe, is the best. "regret" is how many points the best one on the set that was left out is better than that choice.
An average has the mean of the logarithms of the calibrated probabilities.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import DataFacts, PastTrial
from automl_vision.core.tasks import CLASSIFICATION, has_objects
from automl_vision.evaluation.classification import softmax
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.runs.past_trials import data_facts, input_sizes
from automl_vision.search.experience import DEFAULT_ROLE, experience
from automl_vision.search.portfolio import Candidate
from bench import finished_cells, outputs_of, scores_of_images
from bench_contenders import BACKBONE, settings_in
from bench_sets import BenchSet, add_set_options

_SIZE = "validation_crop_size"
_POINT = 0.01


def role_of(contender: str) -> str:
    """What AutoMode calls the trial of a contender."""
    settings = settings_in(contender)
    name = str(settings.get("model_name", BACKBONE))
    changes = ((_SIZE, settings[_SIZE]),) if _SIZE in settings else ()
    return Candidate(name, changes).role if name != BACKBONE or changes else DEFAULT_ROLE


@dataclass(frozen=True)
class Tried:
    """A trial of the bench.

    Attributes:
        past: as AutoMode would remember it.
        logarithms: (images, classes), of the probabilities of the test images.
        truth: (images, classes), of these.
    """

    past: PastTrial
    logarithms: NDArray[np.float64]
    truth: NDArray[np.bool_]


def tried(out: Path, data: Path, sets: Sequence[str]) -> dict[str, list[Tried]]:
    """The bench's trials by source of their images."""
    found: dict[str, list[Tried]] = defaultdict(list)
    facts_of: dict[str, DataFacts] = {}
    for facts, folder in finished_cells(out):
        name, contender = facts["set_name"], facts["contender"]
        if (sets and name not in sets) or not contender.startswith("trial:") or has_objects(facts["task"]):
            continue
        if name not in facts_of:
            dataset = BenchSet.parse(name, data).open(out, seed=facts["seed"])
            facts_of[name] = data_facts(dataset[np.flatnonzero(dataset.splits != "left_out")])
        of_source = found[name.partition("@")[0].partition(":")[0]]
        of_source.append(_tried(len(of_source), facts, folder, facts_of[name]))
    return found


def _tried(number: int, facts: Mapping[str, Any], folder: Path, of_data: DataFacts) -> Tried:
    settings = settings_in(facts["contender"])
    name, result = str(settings.pop("model_name", BACKBONE)), facts["result"]
    arrays = outputs_of(folder)
    probabilities, truth = arrays["test"], arrays["test_truth"]
    hyperparameters = ClassificationHyperparameters.model_validate(settings)
    past = PastTrial(
        run=_digest(f"{facts['set_name']} {facts['seed']}"),
        trial=number,
        ended=0.0,
        task=facts["task"],
        data=_digest(facts["set_name"]),
        facts=of_data,
        model_name=name,
        role=role_of(facts["contender"]),
        sizes=input_sizes(hyperparameters.model_dump()),
        metric="accuracy" if facts["task"] == CLASSIFICATION else "iou",
        score=float(scores_of_images(facts["task"], probabilities, truth)[0].mean()),
        epochs=result["epochs"],
        seconds=facts["seconds"],
        cores=1,
    )
    return Tried(past, np.log(np.clip(probabilities, 1e-6, 1.0)), truth)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def print_worth(by_source: Mapping[str, Sequence[PastTrial]]) -> None:
    """Gains in points and the regret of each way to choose, of every source on which all candidates were trained."""
    every = {trial.role for found in by_source.values() for trial in found}
    by_source = {source: found for source, found in by_source.items() if {trial.role for trial in found} == every}
    roles = sorted(every - {DEFAULT_ROLE})
    print(f"| source | {' | '.join(roles)} | other sets' choice | its regret | random | default |")
    print(f"{'| --- ' * (len(roles) + 5)}|")
    regrets = []
    for source, found in sorted(by_source.items()):
        gains = {role: _gain(found, role) / _POINT for role in roles}
        best = max(0.0, *gains.values())
        others = [trial for other, some in by_source.items() if other != source for trial in some]
        known = experience(others, found[0].facts, found[0].task).gains
        expected = {DEFAULT_ROLE: 0.0} | {role: gain.mean for role, gain in known.items()}
        chosen = max(expected, key=lambda role: expected[role])
        ways = [gains.get(chosen, 0.0), mean([0.0, *gains.values()]), 0.0]
        regrets.append([best - way for way in ways])
        cells = [f"{gains[role]:+.1f}" for role in roles] + [chosen] + [f"{regret:.1f}" for regret in regrets[-1]]
        print(f"| {source} | {' | '.join(cells)} |")
    print("mean regret in points, of the other sets' choice, of a random one, of the default: ", end="")
    print(", ".join(f"{value:.2f}" for value in np.mean(regrets, axis=0)), end="\n\n")


def print_averages(by_source: Mapping[str, Sequence[Tried]]) -> None:
    """Score and log loss of the default recipe, of each candidate, and of both averaged."""
    print("| source | candidate | default | candidate alone | averaged |\n| --- | --- | --- | --- | --- |")
    for source, found in sorted(by_source.items()):
        default = {each.past.run: each for each in found if each.past.role == DEFAULT_ROLE}
        for each in found:
            base = default.get(each.past.run)
            if base is None or base is each:
                continue
            pairs = [_scores(some, each) for some in ([base], [each], [base, each])]
            print(f"| {source} | {each.past.role} | {' | '.join(pairs)} |")


def _scores(averaged: Sequence[Tried], of: Tried) -> str:
    logits = np.mean([each.logarithms for each in averaged], axis=0)
    probabilities = softmax(logits) if of.past.task == CLASSIFICATION else np.exp(logits)
    values = scores_of_images(of.past.task, probabilities, of.truth).mean(axis=1)
    return f"{values[0]:.3f}, {values[1]:.3f}"


def _gain(found: Sequence[PastTrial], role: str) -> float:
    """Mean gain of a candidate over the default recipe on the same data."""
    default = {trial.run: trial.score for trial in found if trial.role == DEFAULT_ROLE}
    return mean(trial.score - default[trial.run] for trial in found if trial.role == role and trial.run in default)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_options(parser)
    options = parser.parse_args()
    by_source = tried(options.out, options.data, options.sets)
    print_worth({source: [each.past for each in found] for source, found in by_source.items()})
    print_averages(by_source)


if __name__ == "__main__":
    main()

"""Whether Bayesian sampling beats random sampling at equal trials: on public test functions and on recorded trials.

python benchmarks/samplers.py [--trials 40] [--seeds 10] [--table benchmarks/trials.json]
python benchmarks/samplers.py --record FOLDER   # trains the grid of small trials and writes the table

The test functions are those of the literature (Surjanovic and Bingham, Virtual Library of Simulation Experiments), the
last one with a condition. The table holds real trials of a small network (timm's test_efficientnet at 48 pixels, from
random weights), one for each point of a grid, so that a sampler's proposals can be looked up instead of trained.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision.search.distributions import choice, uniform
from automl_vision.search.samplers import (
    BayesianParameterSampling,
    GridParameterSampling,
    RandomParameterSampling,
    Sampler,
    Sampling,
)

Values = dict[str, Any]

TABLE = Path(__file__).parent / "trials.json"
GRID = {
    "learning_rate": choice(3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "optimizer": choice("sgd", "adamw"),
    "label_smoothing": choice(0.0, 0.1),
    "augmentation": choice("flip", "trivial_augment"),
}


def branin(v: Values) -> float:
    x, y = v["x0"], v["x1"]
    a = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return -(a**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


_HARTMANN_A = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
                        [17, 8, 0.05, 10, 0.1, 14]])  # fmt: skip
_HARTMANN_P = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                               [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])  # fmt: skip


def hartmann6(v: Values) -> float:
    x = np.array([v[f"x{i}"] for i in range(6)])
    return float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(_HARTMANN_A * (x - _HARTMANN_P) ** 2).sum(axis=1)))


def ackley(v: Values) -> float:
    x = np.array([v[f"x{i}"] for i in range(4)])
    near = -20 * math.exp(-0.2 * math.sqrt((x**2).mean()))
    return -(near - math.exp(np.cos(2 * math.pi * x).mean()) + 20 + math.e)


def rosenbrock(v: Values) -> float:
    x = np.array([v[f"x{i}"] for i in range(3)])
    return -float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def conditional(v: Values) -> float:
    """Branin in one alternative; in the other a bowl that is never as good."""
    return branin(v) if "x0" in v else -5 - (v["z"] - 1) ** 2


_BRANIN = {"x0": uniform(-5, 10), "x1": uniform(0, 15)}
FUNCTIONS: dict[str, tuple[Callable[[Values], float], Any]] = {
    "Branin (2)": (branin, _BRANIN),
    "Rosenbrock (3)": (rosenbrock, {f"x{i}": uniform(-2, 2) for i in range(3)}),
    "Ackley (4)": (ackley, {f"x{i}": uniform(-10, 10) for i in range(4)}),
    "Hartmann (6)": (hartmann6, {f"x{i}": uniform(0, 1) for i in range(6)}),
    "conditional (3)": (conditional, [_BRANIN, {"z": uniform(-10, 10)}]),
}


def best_of(sampling: Sampling, function: Callable[[Values], float], trials: int) -> float:
    """The best value that a sampler finds."""
    sampler, best = Sampler(sampling), -math.inf
    for _ in range(trials):
        proposal = sampler.ask()
        if proposal is None:
            break
        value = function(proposal.values)
        sampler.tell(proposal.number, value)
        best = max(best, value)
    return best


def compare(name: str, function: Callable[[Values], float], space: Any, trials: int, seeds: int) -> str:
    """One row of the table: median of the best values, and how often Bayesian is at least as good and better."""
    random, tpe, gp = (
        np.array([best_of(make(seed), function, trials) for seed in range(seeds)])
        for make in (
            lambda seed: RandomParameterSampling(space, seed=seed),
            lambda seed: BayesianParameterSampling(space, seed=seed),
            lambda seed: BayesianParameterSampling(space, seed=seed, algorithm="gp"),
        )
    )
    cells = [f"{np.median(random):.4g}"]
    for found in (tpe, gp):
        cells.append(f"{np.median(found):.4g} (better {int((found > random).sum())}, as good "
                     f"{int((found == random).sum())} of {seeds})")  # fmt: skip
    return f"| {name} | {trials} | " + " | ".join(cells) + " |"


def record(data: Path) -> None:
    """Train every point of the grid in a sweep and write the scores."""
    from automl_vision import AutoMLVisionConfig, Experiment, Workspace

    sizes = dict.fromkeys(("training_crop_size", "validation_resize_size", "validation_crop_size"), 48)
    with tempfile.TemporaryDirectory() as temporary:
        run = Experiment(Workspace(temporary), "table").submit(
            AutoMLVisionConfig(
                task="image-classification",
                training_data=data,
                model_name="test_efficientnet",
                hyperparameter_sampling=GridParameterSampling(GRID),
                max_concurrent_iterations=2,
                arguments={
                    **sizes,
                    "number_of_epochs": 4,
                    "pretrained": 0,
                    "precision": "fp32",
                    "mixup_alpha": 0,
                    "cutmix_alpha": 0,
                },
            )
        )
        run.wait_for_completion(show_output=True)
        rows = [{"values": row.sampled, "score": row.score.value} for row in run.leaderboard() if row.score]
    TABLE.write_text(json.dumps({"data": data.name, "metric": "accuracy", "rows": rows}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--record", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.record:
        record(options.record)
        return
    print("| function (dimensions) | trials | random | TPE | GP |\n| --- | --- | --- | --- | --- |")
    for name, (function, space) in FUNCTIONS.items():
        print(compare(name, function, space, options.trials, options.seeds), flush=True)
    if TABLE.exists():
        rows = json.loads(TABLE.read_text())["rows"]
        scores = {json.dumps(row["values"], sort_keys=True): row["score"] for row in rows}
        names = list(rows[0]["values"])
        space = {name: choice(list(dict.fromkeys(row["values"][name] for row in rows))) for name in names}
        found = compare(
            f"{len(rows)} recorded trials ({len(names)})",
            lambda values: scores[json.dumps(values, sort_keys=True)],
            space,
            len(rows) // 2,
            3 * options.seeds,
        )
        print(found)


if __name__ == "__main__":
    main()

"""Whether models keep limits of latency and size that nobody tuned to: jobs with random limits, and what they deliver.

    python benchmarks/limits.py --out limits --sets bean-leaves@30 deep-weeds@30 --jobs 30 --minutes 1

Each job is an AutoMode run within `--minutes`, on the sets in turn. Its limit of latency is drawn between a quarter and
four times what the default network of the set takes, on a logarithmic scale; every other job limits the size as well,
to between 1.05 and 4 times the default's. The delivered model is measured by the job and once more by this script.
A job that has its result is not repeated.
"""

from __future__ import annotations

import argparse
import math
import shutil
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Workspace
from automl_vision.core.files import read_json, write_json
from automl_vision.packaging.measuring import measure_planned
from automl_vision.runs.leaderboard import Row
from automl_vision.serving.speed import measure_latency
from bench_contenders import BACKBONE
from bench_sets import BenchSet, add_set_options
from one_trial import prepared

_IMAGES = 8


def default_speed(dataset: Dataset, place: Path) -> tuple[float, float]:
    """Milliseconds for an image and megabytes of the default network, measured now."""
    spec = prepared(dataset, BACKBONE, {}, place / "trial", cache=place / "cache")
    speed = measure_planned(spec, place / "scratch")
    milliseconds, megabytes = speed.image_ms(1), speed.megabytes
    assert milliseconds is not None and megabytes is not None
    return milliseconds, megabytes


def work(dataset: Dataset, limits: dict[str, float], minutes: float, seed: int, place: Path) -> dict[str, Any]:
    """Train one model within limits, and measure it again."""
    source = place / "data.parquet"
    dataset.save(source)
    config = AutoMLVisionConfig(
        task=dataset.task, training_data=str(source), experiment_timeout_hours=minutes / 60, seed=seed, **limits
    )
    start = time.monotonic()
    run = Experiment(Workspace(place / "workspace"), "limits").submit(config)
    run.wait_for_completion()
    seconds, best = time.monotonic() - start, run.get_best_child()
    rows: dict[int, Row] = {row.trial: row for row in run.leaderboard()}
    test = [dataset[row].image() for row in np.flatnonzero(dataset.splits == "test")[:_IMAGES]]
    again = measure_latency(run.folder.model, test, batches=(1,))[1].median_ms
    row = rows[best.number]
    return {
        "seconds": seconds,
        "model": row.role or row.model_name,
        "latency": row.latency_ms,
        "again": again,
        "megabytes": row.size_mb,
        "score": None if row.score is None else row.score.value,
        "notes": run.folder.record().model_notes,
    }


def print_results(results: list[dict[str, Any]]) -> None:
    """A row for each job, and how many keep their limits."""
    print("| set | limits | model | ms, again | MB | score | seconds |\n| --- | --- | --- | --- | --- | --- | --- |")
    kept = {"latency": 0, "again": 0}
    for facts in results:
        wanted = ", ".join(f"{value:.3g} {name.rsplit('_', 1)[1]}" for name, value in facts["limits"].items())
        if "error" in facts:
            print(f"| {facts['set']} | {wanted} | failed: {facts['error'].splitlines()[-1]} | | | | |")
            continue
        limit, size = facts["limits"]["max_latency_ms"], facts["limits"].get("max_size_mb", math.inf)
        for name in kept:
            kept[name] += facts[name] is not None and facts[name] <= limit and facts["megabytes"] <= size
        times = f"{facts['latency']:.2f}, {facts['again']:.2f}"
        score = f"{facts['score']:.3f} | {facts['seconds']:.0f}"
        print(f"| {facts['set']} | {wanted} | {facts['model']} | {times} | {facts['megabytes']:.1f} | {score} |")
    print(f"\n{len(results)} jobs; within their limits: {kept['latency']}, measured again: {kept['again']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=1.0, help="of each job")
    parser.add_argument("--seed", type=int, default=0, help="of the limits and of the trainings")
    add_set_options(parser)
    options = parser.parse_args()
    random, results = np.random.default_rng(options.seed), []
    for number in range(options.jobs):
        name = options.sets[number % len(options.sets)]
        times, sizes = math.exp(random.uniform(math.log(0.25), math.log(4))), random.uniform(1.05, 4)
        place = options.out / "jobs" / str(number)
        file = options.out / "jobs" / f"{number}.json"
        if not file.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            dataset = BenchSet.parse(name, options.data).open(options.out, seed=options.seed)
            milliseconds, megabytes = default_speed(dataset, place)
            limits = {"max_latency_ms": times * milliseconds} | (
                {"max_size_mb": sizes * megabytes} if number % 2 else {}
            )
            facts: dict[str, Any] = {"set": name, "limits": limits}
            try:
                facts |= work(dataset, limits, options.minutes, options.seed, place)
            except Exception:
                facts["error"] = traceback.format_exc()
            shutil.rmtree(place, ignore_errors=True)
            write_json(file, facts)
        results.append(read_json(file))
    print_results(results)


if __name__ == "__main__":
    main()

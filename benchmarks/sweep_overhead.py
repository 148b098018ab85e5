"""What a sweep costs besides its trials: sixteen trials of two seconds, two at a time, take sixteen seconds at best.

python benchmarks/sweep_overhead.py [--contenders ours optuna ray] [--memory]

Each contender runs the same trial function in a fresh process; the trial keeps one core busy for two seconds of the
clock, so that the ideal is the same on every machine. "sweep" is the time from the first call that starts anything
(processes, a cluster, a study) to the last result; "with imports" is the whole process. Ours records every trial in
files that survive kill -9, as a run does. `--memory` runs 1,000 trials that do nothing and prints the memory of the
process that controls them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402 - after the number of threads is set

TRIALS, SECONDS, AT_ONCE = 16, 2.0, 2


def work(x: float, seconds: float = SECONDS) -> float:
    """Keep a core busy with products of matrices, and give a score."""
    end = time.perf_counter() + seconds
    matrix = np.random.default_rng(0).random((128, 128))
    while time.perf_counter() < end:
        matrix = matrix @ matrix / np.abs(matrix).max()
    return -((x - 0.3) ** 2)


def trial(folder: str, x: float, seconds: float) -> None:
    """The same as a job of ours: it reports and leaves a result."""
    from automl_vision.core.files import append_json_line, write_json

    score = work(x, seconds)
    event = {"event": "evaluation", "time": time.time(), "epoch": 1, "metrics": {"accuracy": score}}
    append_json_line(Path(folder) / "events.jsonl", {**event, "train_metrics": {}, "seconds": seconds})
    result = {"best_epoch": 1, "fine_tuned_share": 1.0, "epochs": 1, "primary_metric": "accuracy", "weights_source": ""}
    write_json(Path(folder) / "result.json", {**result, "score": score, "seconds": seconds, "stopped": None})


def ours(trials: int, seconds: float, at_once: int, memory: list[tuple[int, float]] | None = None) -> float:
    """Our event loop with random sampling, every trial recorded; gives the best score."""
    from automl_vision.compute.local import LocalCompute

    compute = LocalCompute(["numpy"])
    compute.warm_up()  # a run does this before it prepares its data

    import psutil

    from automl_vision.compute.compute import Job, Slot
    from automl_vision.core.records import Ranking
    from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
    from automl_vision.runs.budget import Budget
    from automl_vision.runs.trial_loop import TrialLoop
    from automl_vision.runs.trial_sources import SampledTrials
    from automl_vision.search.distributions import uniform
    from automl_vision.search.planned_trial import PlannedTrial
    from automl_vision.search.samplers import RandomParameterSampling
    from automl_vision.workspace.run_folder import RunFolder
    from automl_vision.workspace.trial_folder import TrialFolder

    class Silent:
        """Hears everything and keeps nothing but the memory."""

        def started(self, *_: Any) -> None: ...
        def reported(self, *_: Any) -> None: ...
        def check(self) -> None: ...

        def ended(self, folder: TrialFolder, _status: str) -> None:
            if memory is not None and folder.number % 100 == 99:
                memory.append((folder.number + 1, psutil.Process().memory_info().rss / 2**20))

    def make_job(folder: TrialFolder, planned: PlannedTrial, _slot: Slot, _seconds: float) -> Job:
        arguments = {"folder": str(folder.path), "x": planned.sampled["momentum"], "seconds": seconds}
        return Job("sweep_overhead:trial", arguments, folder.path)

    with tempfile.TemporaryDirectory() as temporary:
        folder = RunFolder(Path(temporary) / "run")
        folder.create({})
        base = PlannedTrial(model_name="resnet18", hyperparameters=ClassificationHyperparameters())
        sampling = RandomParameterSampling({"momentum": uniform(0, 1)})
        loop = TrialLoop(
            task="image-classification",
            folder=folder,
            compute=compute,
            ranking=Ranking("accuracy"),
            make_job=make_job,
            budget=Budget(1e6),
            observer=Silent(),
        )
        source = SampledTrials(sampling, base, {}, "image-classification", trials)
        loop.run(source, [Slot(i) for i in range(at_once)])
        assert sum(state.status.has_result for state in loop.trials) == trials
        return max(state.score or -1.0 for state in loop.trials)


def optuna_worker(journal: str, trials: int) -> None:
    """One of joblib's processes."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        study_name="s", storage=JournalStorage(JournalFileBackend(journal)), sampler=optuna.samplers.RandomSampler()
    )
    study.optimize(lambda t: work(t.suggest_float("x", 0, 1)), n_trials=trials)


def optuna_joblib() -> float:
    """Optuna on a journal file, in processes of joblib."""
    import optuna
    from joblib import Parallel, delayed
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary:
        journal = f"{temporary}/journal"
        storage = JournalStorage(JournalFileBackend(journal))
        study = optuna.create_study(study_name="s", storage=storage, direction="maximize")
        Parallel(n_jobs=AT_ONCE)(delayed(optuna_worker)(journal, TRIALS // AT_ONCE) for _ in range(AT_ONCE))
        assert len(study.trials) == TRIALS
        return float(study.best_value)


def ray_tune() -> float:
    """Ray Tune on a cluster that it starts."""
    os.environ |= {"RAY_AIR_NEW_OUTPUT": "0", "RAY_USAGE_STATS_ENABLED": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    import ray
    from ray import tune

    ray.init(num_cpus=AT_ONCE, include_dashboard=False, logging_level="ERROR", log_to_driver=False)

    def objective(config: dict[str, float]) -> dict[str, float]:
        return {"score": work(config["x"])}

    with tempfile.TemporaryDirectory() as temporary:
        tuner = tune.Tuner(
            tune.with_resources(objective, {"cpu": 1}),
            param_space={"x": tune.uniform(0, 1)},
            tune_config=tune.TuneConfig(
                num_samples=TRIALS, max_concurrent_trials=AT_ONCE, metric="score", mode="max", reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=temporary, verbose=0),
        )
        results = tuner.fit()
        assert len(results) == TRIALS
        assert not results.errors
        best = float(results.get_best_result().metrics["score"])
    ray.shutdown()
    return best


CONTENDERS = {"ours": lambda: ours(TRIALS, SECONDS, AT_ONCE), "optuna": optuna_joblib, "ray": ray_tune}


def measured(name: str) -> dict[str, float]:
    """A contender in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, __file__, "--contender", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    whole = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return {"sweep": json.loads(done.stdout.splitlines()[-1])["seconds"], "with imports": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=1, help="the contenders take turns")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        start = time.perf_counter()
        CONTENDERS[options.contender]()
        print(json.dumps({"seconds": time.perf_counter() - start}))
        return
    if options.memory:
        memory: list[tuple[int, float]] = []
        ours(1000, 0.0, AT_ONCE, memory)
        for count, megabytes in memory:
            print(f"{count:>5} trials recorded: {megabytes:.1f} MB")
        return
    ideal = TRIALS * SECONDS / AT_ONCE
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in options.contenders}
    for _ in range(options.rounds):
        for name in options.contenders:
            rows[name].append(measured(name))
    print(f"{TRIALS} trials of {SECONDS:g} s, {AT_ONCE} at a time; ideal {ideal:g} s")
    for name, values in rows.items():
        sweep, whole = (statistics.median(v[key] for v in values) for key in ("sweep", "with imports"))
        print(f"{name:<8} sweep {sweep:6.2f} s ({100 * (sweep / ideal - 1):+5.1f} %)   with imports {whole:6.2f} s")


if __name__ == "__main__":
    main()

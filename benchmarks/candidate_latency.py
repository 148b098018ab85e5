"""How stable a candidate's measured latency is, whether it depends on the images, and what measuring adds to a run.

    python benchmarks/candidate_latency.py WORKSPACE/runs/RUN [--repeats 5]

Each network of a finished run is exported once and measured several times, the networks in shuffled order. "spread" is
the ratio of the highest to the lowest median per image. "grey" is the median on images in which nothing is to be found,
relative to that on validation images: work that does not depend on what is found has 1. The last line says how long the
run took to measure the trials that it did not package, and its share of the run.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from pathlib import Path

import numpy as np

from automl_vision.core.records import Progress
from automl_vision.packaging.exporters import EXPORTERS
from automl_vision.packaging.finished_trial import read_finished_trial
from automl_vision.serving.speed import BATCHES, measure_latency
from automl_vision.workspace.run_folder import RunFolder


def exported(run: RunFolder, place: Path) -> dict[str, tuple[Path, list[bytes]]]:
    """A model folder and images for each trial whose network was measured, by its name and number."""
    found = {}
    for trial in run.trials():
        speed = trial.speed()
        if speed is None or not speed.batches or speed.measured_of is not None:
            continue
        finished, folder = read_finished_trial(trial.path), place / str(trial.number)
        folder.mkdir()
        finished.export(next(iter(EXPORTERS.values())), folder)
        finished.describe({}).save(folder)
        images = list(finished.validation_files(max(BATCHES)).values())
        found[f"{trial.plan().model_name} (trial {trial.number})"] = folder, images
    return found


def measuring_seconds(run: RunFolder) -> float:
    """Seconds from the first step of measuring to the end of the run."""
    steps = [event.time for event in run.events.read()[0] if isinstance(event, Progress) and event.phase == "measuring"]
    ended = run.record().ended
    return ended - steps[0] if steps and ended is not None else 0.0


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    run = RunFolder(options.run)
    with tempfile.TemporaryDirectory() as place:
        networks = exported(run, Path(place))
        order = [name for name in networks for _ in range(options.repeats)]
        random.Random(0).shuffle(order)
        medians: dict[tuple[str, int], list[float]] = {}
        for name in order:
            for batch, times in measure_latency(*networks[name]).items():
                medians.setdefault((name, batch), []).append(times.median_ms / batch)
        grey = [np.full((480, 640, 3), 114, np.uint8)]
        empty = {name: measure_latency(folder, grey) for name, (folder, _) in networks.items()}
    print(f"{options.repeats} measurements of each network, one thread")
    for (name, batch), values in medians.items():
        middle = statistics.median(values)
        ratio = empty[name][batch].median_ms / batch / middle
        print(f"{name:<44} batch {batch}: {middle:7.2f} ms, spread {max(values) / min(values):.2f}, grey {ratio:.2f}")
    seconds, whole = measuring_seconds(run), run.record().seconds
    if 0 < seconds < whole:  # measured within the run, not later
        print(f"measuring {len(run.trials())} trials took {seconds:.0f} s, {seconds / whole:.1%} of the run")


if __name__ == "__main__":
    main()

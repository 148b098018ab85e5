"""Latency and size of the exported networks that AutoMode may try, for the table `recipes/network_costs.toml`.

    python benchmarks/network_costs.py --data clothing bccd car-damage

Each network has random weights, which change neither. It is measured as a trial's is: ONNX Runtime with one thread,
time of the processor. `latency` is a multiple of the first network's at the same input, `megabytes` the exported
file's. Classifiers see 224 px; of detectors the input follows the boxes of the set.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from automl_vision.data.dataset import Dataset
from automl_vision.packaging.measuring import measure_planned
from automl_vision.recipes.catalog import algorithms
from automl_vision.recipes.detector_input import decide_geometry
from automl_vision.recipes.start_models import start_models
from one_trial import prepared


def networks(task: str) -> list[str]:
    """The default of the task first, then what it may start from elsewhere, and what AutoMode tries where it can."""
    *others, default = [row.model for row in start_models(task)]
    tried = [name for algorithm in algorithms(task) for name in algorithm.automode]
    return list(dict.fromkeys([default, *others, *tried]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="sets, one of each task")
    parser.add_argument("--networks", nargs="+", help="only these, and the default of the task")
    options = parser.parse_args()
    root = Path(os.environ.get("AUTOML_VISION_TEST_DATA", "../shared/data"))
    for name in options.data:
        dataset = Dataset.open(root / name).with_validation(0.2)
        base = None
        for model in networks(dataset.task):
            if base is not None and options.networks and model not in options.networks:
                continue
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                try:
                    spec = prepared(dataset, model, {}, folder / "trial", cache=folder / "cache")
                    geometry = decide_geometry(dataset, spec.hyperparameters)
                    speed = measure_planned(spec.model_copy(update={"geometry": geometry}), folder / "scratch")
                except Exception as error:
                    print(f"# {model}: {error}", flush=True)
                    continue
            milliseconds, size = speed.image_ms(1), speed.megabytes
            assert milliseconds is not None and size is not None
            base = base or milliseconds
            print(f'"{model}" = {{ latency = {milliseconds / base:.2f}, megabytes = {size:.1f} }}', flush=True)


if __name__ == "__main__":
    main()

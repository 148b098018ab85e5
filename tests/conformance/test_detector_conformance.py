"""Every detector of the catalog against its contract, on a backbone of 360,000 weights where it takes one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automl_vision.core.errors import UnknownModelError
from automl_vision.core.tasks import TASKS
from automl_vision.recipes.catalog import ANY, Algorithm, algorithms, usable_algorithm
from automl_vision.recipes.geometry import Geometry
from automl_vision.testing import DetectorConformance
from conftest import SMALL_MODEL

LARGE = {"dfine", "rfdetr", "rfdetr_seg"}
"""Millions of weights; `tests/models/test_dfine.py` and `test_rfdetr.py` have small ones in the default suite."""

SMALLEST: Mapping[str, dict[str, Any]] = {name: {"model_size": "nano"} for name in LARGE}
"""Hyperparameters of algorithms without a backbone to choose."""

SQUARES = dict.fromkeys(("rfdetr", "rfdetr_seg"), Geometry(96, 96, lowest=3, highest=5, detections=20))
"""Inputs of algorithms that take no others."""


class ExportedSlowly(DetectorConformance):
    @pytest.mark.slow  # ten seconds each; `tests/packaging` exports some of them in the default suite
    def test_the_exported_network_passes_the_parity_gate(self, tmp_path: Path) -> None:
        super().test_the_exported_network_passes_the_parity_gate(tmp_path)


def conforms(algorithm: Algorithm, task: str) -> type[DetectorConformance]:
    members = {
        "model_name": algorithm.name.replace(ANY, SMALL_MODEL),
        "task": task,
        "hyperparameters": SMALLEST.get(algorithm.name, {}),
        "geometry": SQUARES.get(algorithm.name, DetectorConformance.geometry),
        "__module__": __name__,
    }
    made = type(f"Test_{algorithm.name.replace(ANY, SMALL_MODEL)}", (ExportedSlowly,), members)
    if algorithm.name in LARGE:
        pytest.mark.slow(made)
    try:
        usable_algorithm(members["model_name"], task)
    except UnknownModelError as error:
        return pytest.mark.skip(reason=str(error))(made)
    return made


for _task in (task for task in TASKS.values() if task.labels_objects):
    for _algorithm in algorithms(_task.name):
        _made = conforms(_algorithm, _task.name)
        globals()[_made.__name__] = _made

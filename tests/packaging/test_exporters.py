"""Exporters and runtimes are open to others, and the parity gate compares whatever was exported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from automl_vision import Dataset, Predictor
from automl_vision.core.errors import ModelFolderError, ParityError
from automl_vision.core.files import write_json
from automl_vision.packaging.exporters import EXPORTERS, Exported, Exporter, register_exporter
from automl_vision.packaging.package import package
from automl_vision.recipes.parity import label_parity
from automl_vision.serving.runtimes import RUNTIMES, Network, Runtime, register_runtime
from automl_vision.training.trial import train
from conftest import RecordingReporter
from model_folders import write_classifier

FILE = "model.ts"


class TorchScript(Runtime):
    """Runs a TorchScript file; what an outsider would write."""

    name = "torchscript"

    def reads(self, folder: Path) -> bool:
        return (folder / FILE).exists()

    def open(self, folder: Path, *, threads: int) -> Network:
        network = torch.jit.load(folder / FILE)

        def run(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
            with torch.inference_mode():
                return [network(torch.from_numpy(inputs)).numpy()]

        return run


class _Shifted(torch.nn.Module):
    def __init__(self, network: torch.nn.Module, offset: float) -> None:
        super().__init__()
        self.network, self.offset = network, offset

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images) + self.offset * torch.arange(3)


class TorchScriptExporter(Exporter):
    """Writes a TorchScript file whose outputs may be off by a constant."""

    runtime = "torchscript"
    offset = 0.0

    def export(self, exported: Exported, folder: Path) -> Path:
        shifted = _Shifted(exported.network, self.offset).eval()
        with torch.no_grad():
            traced = torch.jit.trace(shifted, torch.zeros(2, 3, *exported.input_size), check_trace=False)
        traced.save(folder / FILE)
        return folder / FILE


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(EXPORTERS), dict(RUNTIMES)
    yield
    for table, old in zip((EXPORTERS, RUNTIMES), before, strict=True):
        table.clear()
        table.update(old)


@pytest.fixture
def trial(shapes: Dataset, make_spec: Callable[..., Any]) -> Path:
    spec = make_spec(shapes.with_validation(0.25), number_of_epochs=1)
    train(spec, RecordingReporter())
    write_json(Path(spec.folder) / "spec.json", spec.model_dump())
    return Path(spec.folder)


def test_activations_work_in_place_again_after_an_export(tmp_path: Path):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU6(inplace=True)).eval()
    file = EXPORTERS["onnx"].export(Exported("small", network, (8, 8), ["maps"]), tmp_path)
    assert [node.op_type for node in onnx.load(file).graph.node] == ["Conv", "Clip"]
    assert network[1].inplace is True


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_registered_format_is_written_compared_and_run(trial: Path, tmp_path: Path):
    register_exporter(TorchScriptExporter)
    register_runtime(TorchScript)
    folder = package(trial, tmp_path / "model")
    parity = Predictor(folder).description.parity
    assert parity["largest_difference"] <= parity["tolerance"]
    assert parity["torchscript"]["largest_difference"] <= parity["torchscript"]["tolerance"]
    image = np.full((40, 48, 3), 120, np.uint8)
    ours, script = (Predictor(folder, runtime=name)(image)[0].probs for name in ("onnx", "torchscript"))
    np.testing.assert_allclose(ours, script, atol=1e-4)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_the_gate_refuses_a_registered_format_that_differs(trial: Path, tmp_path: Path):
    class Wrong(TorchScriptExporter):
        offset = 0.5

    EXPORTERS.clear()
    register_exporter(Wrong)
    register_runtime(TorchScript)
    with pytest.raises(ParityError, match="probabilities differ by up to"):
        package(trial, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_unknown_or_absent_runtime_is_named(tmp_path: Path):
    folder = write_classifier(tmp_path / "model")
    with pytest.raises(ModelFolderError, match=r'no runtime is named "onx"\. Did you mean "onnx"'):
        Predictor(folder, runtime="onx")
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelFolderError, match=r"has no model\.onnx; copy the model folder again, or package"):
        Predictor(folder)


def test_a_network_that_single_precision_rounds_much_is_packaged(trial: Path, tmp_path: Path):
    """A large part that all logits share changes no probability, but leaves few digits for what they differ in."""
    file = trial / "weights.safetensors"
    weights = load_file(file)
    weights["classifier.weight"] += 3e4
    save_file(weights, file)
    parity = Predictor(package(trial, tmp_path / "model")).description.parity
    assert parity["largest_difference"] > parity["tolerance"]
    assert parity["error_against_double_precision"] <= 8 * parity["error_of_the_trained_network"] < 0.04


def test_a_network_that_amplifies_an_approximate_operator_is_exported_without_it(trial: Path, tmp_path: Path):
    """Gates of 4e-7, of which ONNX Runtime's sigmoid has one digit, before weights that make up for them."""
    file = trial / "weights.safetensors"
    weights = load_file(file)
    weights["blocks.3.0.se.conv_expand.bias"] -= 14
    weights["blocks.3.0.conv_pwl.weight"] *= 0.5 * math.exp(14)
    save_file(weights, file)
    parity = Predictor(package(trial, tmp_path / "model")).description.parity
    assert parity["exact_operators"]
    assert parity["largest_difference"] <= parity["tolerance"]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_the_gate_tells_a_small_fault_from_rounding(trial: Path, tmp_path: Path):
    class SlightlyWrong(TorchScriptExporter):
        offset = 0.01

    EXPORTERS.clear()
    register_exporter(SlightlyWrong)
    register_runtime(TorchScript)
    with pytest.raises(ParityError, match="in double precision the trained network's are"):
        package(trial, tmp_path / "model")


@pytest.mark.parametrize(
    ("theirs", "exact", "is_equal"),
    [
        (0.50005, None, True),
        (0.5003, None, False),
        (0.5003, 0.5001, True),  # the trained network is off by 0.0001, the exported one by 0.0002
        (0.5003, 0.5003, True),
        (0.5005, 0.50005, False),  # by 0.00045, nine times as much
        (0.5003, 0.5, False),
        (0.52, 0.51, False),  # as far from it as the trained one, but nobody would call them equal
        (float("nan"), 0.5, False),
    ],
)
def test_probabilities_may_differ_as_far_as_rounding_explains(theirs: float, exact: float | None, is_equal: bool):
    mine, others, truth = (np.array([[p, 1 - p]]) for p in (0.5, theirs, exact or 0.0))
    parity = label_parity(mine, others, exact=None if exact is None else lambda: truth)
    assert (parity.problem is None) == is_equal

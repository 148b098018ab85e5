"""Formats of a packaged model: accepted with figures, refused with figures, loaded by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from automl_vision import Dataset, Predictor, export
from automl_vision.core.errors import AutoMLVisionError, DataError, ModelFolderError, PackagingError, ParityError
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.metric import find_metric
from automl_vision.packaging.formats import FORMATS, Int8, Source, _problem, add_format
from automl_vision.packaging.package import package
from automl_vision.packaging.rescoring import Rescored
from automl_vision.serving.device import sums_8_bit_exactly
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictions import Prediction
from automl_vision.serving.runtimes import RUNTIMES
from automl_vision.training.trial import train
from command_line import run_command
from conftest import RecordingReporter, draw_shapes, small_trial

NAMES = ("circle", "square", "triangle")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("many")
    for split, count in (("train", 8), ("val", 18)):
        for k, name in enumerate(NAMES):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                image = draw_shapes((name,), 1000 * k + i + (500 if split == "val" else 0))
                image.save(root / split / name / f"{i}.png")
    return Dataset.open(root)


@pytest.fixture(scope="module")
def packaged(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trial")
    spec = small_trial(root, dataset, number_of_epochs=1)
    train(spec, RecordingReporter())
    (Path(spec.folder) / "spec.json").write_text(json.dumps(spec.model_dump()))
    return package(spec.folder, root / "model")


@pytest.fixture
def model(packaged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packaged, tmp_path / "model"))


def _entry(model: Path, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = ModelDescription.load(model).formats[name]
    return entry


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_format_is_written_measured_and_loaded(model: Path, dataset: Dataset, name: str) -> None:
    if (absent := RUNTIMES[name].absent()) is not None:
        pytest.skip(absent)
    file = add_format(model, name, dataset, max_loss=0.5)
    entry, image = _entry(model, name), dataset[0].read()
    assert entry["bytes"] == file.stat().st_size
    assert entry["difference"]["low"] >= entry["difference"]["at_least"] == -0.5
    assert entry["parity"]["images"] == 54
    assert entry["parity"]["mean_difference"] <= entry["parity"]["limit"]
    assert {"batch 1", "batch 8"} <= entry["latency"].keys()
    mine, single = (Predictor(model, runtime=runtime)(image)[0].probs for runtime in (name, "onnx"))
    chosen = Predictor(model).choose([image])  # accepted, so it may be chosen
    if RUNTIMES[name].is_candidate and (RUNTIMES[name].precision != "int8" or sums_8_bit_exactly()):
        assert name in {timing.runtime for timing in chosen.measured}
    assert np.abs(mine - single).max() <= max(0.01, 3 * entry["parity"]["largest_difference"])
    assert f"| {name} | {file.name} |" in (model / "card.md").read_text()


class _Broken(Int8):
    """The weights of one layer are scaled wrongly, in every attempt."""

    def attempts(self, source: Source, target: Path) -> Iterator[dict[str, Any]]:
        for facts in super().attempts(source, target):
            network = onnx.load(target)
            scales = [t for t in network.graph.initializer if t.name.endswith("weight_scale")]
            last = scales[-1]
            last.CopyFrom(numpy_helper.from_array(-40 * numpy_helper.to_array(last), last.name))
            onnx.save(network, target)
            yield facts


def test_a_broken_quantisation_is_refused(model: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    (model / "model.int8.onnx").write_bytes(b"an earlier one")
    monkeypatch.setitem(FORMATS, "onnx-int8", _Broken())
    with pytest.raises(
        ParityError, match=r"no onnx-int8 was written: .*largest difference of outputs is 0\.\d+, in val/"
    ):
        add_format(model, "onnx-int8", dataset)
    assert not (model / "model.int8.onnx").exists()
    entry = _entry(model, "onnx-int8")
    layers = entry["quantized_layers"] + len(entry["float_layers"])
    assert len(entry["float_layers"]) == 4 * -(-layers // 10)  # each of four rounds left a tenth more in float
    with pytest.raises(ModelFolderError, match=r"because it was refused: .*; use the runtime onnx"):
        Predictor(model, runtime="onnx-int8")


def _truncate(model: Path) -> None:
    file = model / "model.onnx"
    file.write_bytes(file.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("change", "name", "arguments", "error", "message"),
    [
        (None, "onnx-int4", {}, PackagingError, 'no format is named "onnx-int4". Did you mean "onnx-int8"'),
        (
            None,
            "onnx-int8",
            {},
            DataError,
            "does not lie in a run, so its images are not known; name some with: --data",
        ),
        (None, "safetensors", {}, PackagingError, "name one with: --out FOLDER"),
        (None, "onnx-int8", {"out": "x"}, PackagingError, "only safetensors takes --out"),
        (_truncate, "onnx-int8", {"data": True}, ModelFolderError, "cannot be loaded"),
    ],
)
def test_mistakes_name_the_way_out(
    model: Path,
    dataset: Dataset,
    change: Any,
    name: str,
    arguments: dict[str, Any],
    error: type[AutoMLVisionError],
    message: str,
) -> None:
    if change is not None:
        change(model)
    if arguments.get("data"):
        arguments = {"data": dataset}
    with pytest.raises(error) as raised:
        export(model, name, **arguments)
    assert message in str(raised.value)


def test_too_few_images_do_not_judge(model: Path, shapes: Dataset) -> None:
    with pytest.raises(DataError, match="at least 50 validation images, and there are"):
        add_format(model, "onnx-fp16", shapes)


def test_too_little_time_names_the_command(model: Path, dataset: Dataset) -> None:
    with pytest.raises(PackagingError, match=r"add it with: automl-vision export .* --format onnx-int8"):
        add_format(model, "onnx-int8", dataset, seconds=0.0)
    assert not (model / "model.int8.onnx").exists()


def test_an_absent_format_names_the_command(model: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"write it with: automl-vision export .* --format onnx-int8"):
        Predictor(model, runtime="onnx-int8")


def test_safetensors_are_copied_by_the_command(model: Path, tmp_path: Path) -> None:
    done = run_command("export", str(model), "--format", "safetensors", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["network.json", "weights.safetensors"]


def test_the_layer_of_the_outputs_stays_in_float(model: Path, dataset: Dataset) -> None:
    network = onnx.load(add_format(model, "onnx-int8", dataset, max_loss=0.5))
    makers = {output: node for node in network.graph.node for output in node.output}
    last = makers[network.graph.output[0].name]
    assert last.op_type in ("Gemm", "MatMul")
    assert all(makers[name].op_type != "DequantizeLinear" for name in last.input if name in makers and "weight" in name)
    assert last.input[1] in {tensor.name for tensor in network.graph.initializer}
    assert any(node.op_type == "QuantizeLinear" for node in network.graph.node)


def _answers(probs: list[list[float]], metric: str = "accuracy") -> Rescored:
    task = "image-classification" if metric == "accuracy" else "image-classification-multi-label"
    found = [Prediction(("a", "b"), np.array(each), ("a",), np.zeros(2, np.float32)) for each in probs]
    rows = np.arange(len(found))
    return Rescored(rows, [str(row) for row in rows], list(found), find_metric(task, metric), None)


def test_the_expected_loss_is_that_of_ties() -> None:
    single = _answers([[0.9, 0.1]] * 98 + [[0.51, 0.49]] * 2)
    assert _answers([[0.8, 0.2]] * 98 + [[0.49, 0.51]] * 2).expected_loss(single).value == pytest.approx(0.0004)
    wrong = _answers([[0.2, 0.8]] * 2 + [[0.8, 0.2]] * 98).expected_loss(single)
    assert wrong.value == pytest.approx(0.016)
    assert wrong.low < wrong.value < wrong.high
    assert _answers([[0.2, 0.8]] * 6 + [[0.8, 0.2]] * 94).expected_loss(single) is None  # too many to be ties
    several = _answers([[0.9, 0.1]], "iou")
    assert several.expected_loss(several) is None


@pytest.mark.parametrize(
    ("gain", "expected", "refused"),
    [
        ((0.0, -0.005, 0.01), None, False),
        ((-0.015, -0.0376, 0.0), None, True),
        ((-0.015, -0.0376, 0.0), (0.0003, 0.0, 0.001), False),
        ((-0.015, -0.0376, 0.0), (0.003, 0.0, 0.006), True),
        ((-0.03, -0.06, -0.007), (0.0003, 0.0, 0.001), True),  # the labels show a loss
    ],
)
def test_few_images_are_judged_by_the_expected_loss(gain: Any, expected: Any, refused: bool) -> None:
    parity = {"images": 133, "largest_difference": 0.1, "largest_in": "a.jpg", "mean_difference": 0.01, "limit": 0.05}
    loss = None if expected is None else Interval(*expected)
    problem = _problem("accuracy", Interval(*gain), -0.01, parity, loss)
    assert (problem is not None) == refused

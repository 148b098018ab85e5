"""Formats of a packaged model: accepted with figures, refused with figures, loaded by name."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from automl_vision import Dataset, Predictor, export
from automl_vision.core.errors import AutoMLVisionError, DataError, ModelFolderError, PackagingError, ParityError
from automl_vision.core.tasks import TASKS
from automl_vision.data.detections import Detections
from automl_vision.evaluation.intervals import Interval
from automl_vision.evaluation.metric import find_metric
from automl_vision.packaging.formats import FORMATS, Int8, Source, _problem, add_format
from automl_vision.packaging.package import package
from automl_vision.packaging.rescoring import Rescored
from automl_vision.serving.device import sums_8_bit_exactly
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictions import ObjectPrediction, Prediction
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


class _Failing(Int8):
    """A network that no runtime can run on an image, though it can be loaded."""

    def attempts(self, source: Source, target: Path) -> Iterator[dict[str, Any]]:
        network = onnx.load(source.file)
        network.graph.initializer.append(numpy_helper.from_array(np.array([7, 7]), "other_shape"))
        output = network.graph.output[0].name
        for node in network.graph.node:
            node.output[:] = ["before" if name == output else name for name in node.output]
        network.graph.node.append(onnx.helper.make_node("Reshape", ["before", "other_shape"], [output], "last"))
        onnx.save(network, target)
        yield {}


def test_a_format_that_fails_is_refused(model: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "onnx-int8", _Failing())
    with pytest.raises(ParityError, match=r"no onnx-int8 was written: it fails to predict \(.*Reshape"):
        add_format(model, "onnx-int8", dataset)
    assert _entry(model, "onnx-int8")["refused"].startswith("it fails to predict")
    assert "onnx-int8 was refused: it fails to predict" in (model / "card.md").read_text()
    with pytest.raises(ModelFolderError, match=r"because it was refused: it fails to predict .*; use the runtime onnx"):
        Predictor(model, precision="int8", runtime="onnx")


class _Broken(Int8):
    """The weights of every layer are scaled wrongly, in every attempt."""

    def attempts(self, source: Source, target: Path) -> Iterator[dict[str, Any]]:
        for facts in super().attempts(source, target):
            network = onnx.load(target)
            for tensor in network.graph.initializer:
                if tensor.name.endswith("weight_scale"):
                    tensor.CopyFrom(numpy_helper.from_array(-40 * numpy_helper.to_array(tensor), tensor.name))
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


class _Negated(Int8):
    """The logits have the wrong sign."""

    def attempts(self, source: Source, target: Path) -> Iterator[dict[str, Any]]:
        network = onnx.load(source.file)
        last = network.graph.node[-1]
        assert last.op_type == "Gemm"
        for tensor in network.graph.initializer:
            if tensor.name in last.input[1:]:
                tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
        onnx.save(network, target)
        yield {}


def test_a_loss_is_a_share_of_the_value_where_the_metric_has_no_upper_end(
    model: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = ModelDescription.load(model)
    replace(description, scoring={**description.scoring, "primary_metric": "log_loss"}).save(model)
    monkeypatch.setitem(FORMATS, "onnx-int8", _Negated())
    with pytest.raises(ParityError, match="on 54 validation images log loss changes by -"):
        add_format(model, "onnx-int8", dataset, max_loss=0.02)
    single = _entry(model, "onnx")["metric"]["value"]
    assert _entry(model, "onnx-int8")["difference"]["at_least"] == pytest.approx(-0.02 * single)


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
        (None, "onnx", {}, PackagingError, "onnx has no format of its own: it loads model.onnx, which every model has"),
        (None, "cuda-fp16", {}, PackagingError, "no format of its own: it loads the format onnx-fp16; export that"),
        (None, "safetensors", {}, PackagingError, "name one with: --out FOLDER"),
        (None, "onnx-int8", {"out": "x"}, PackagingError, "only safetensors and triton take --out"),
        (_truncate, "onnx-int8", {"data": True}, ModelFolderError, "/model/model.onnx cannot be loaded"),
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
    ("gain", "expected", "needed", "refused"),
    [
        ((0.0, -0.005, 0.01), None, 0, None),
        ((-0.015, -0.0376, 0.0), None, 0, "accuracy changes by -0.0150"),
        ((-0.015, -0.0376, 0.0), (0.0003, 0.0, 0.001), 300, None),
        ((-0.015, -0.0376, 0.0), (0.003, 0.0, 0.006), 300, "accuracy changes by -0.0150"),
        ((-0.03, -0.06, -0.007), (0.0003, 0.0, 0.001), 300, "accuracy changes by -0.0300"),  # the labels show a loss
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 300, None),
        ((0.0, 0.0, 0.0), (0.003, 0.0, 0.006), 300, "at most 0.005: it is 0.0030"),
        ((0.0, 0.0, 0.0), None, 300, "for which 300 are needed, .* more than 5 % of the answers differ"),
        ((float("nan"),) * 3, None, 0, "accuracy changes by nan"),
    ],
)
def test_few_images_are_judged_by_the_expected_loss(gain: Any, expected: Any, needed: int, refused: str | None) -> None:
    parity = {"images": 133, "largest_difference": 0.1, "largest_in": "a.jpg", "mean_difference": 0.01, "limit": 0.05}
    loss = None if expected is None else Interval(*expected)
    problem = _problem("accuracy", Interval(*gain), -0.01, parity, loss, needed=needed)
    assert (problem is None) == (refused is None)
    assert refused is None or re.search(refused, problem or "")


def _objects(scores: list[float], left: float) -> Rescored:
    boxes = np.array([[left, 0, left + 10, 10]] * len(scores))
    found = Detections(1, np.zeros(len(scores), np.int64), np.zeros(len(scores), np.int64), boxes, np.array(scores))
    task = "image-object-detection"
    metric = find_metric(task, TASKS[task].primary_metric)
    return Rescored(np.arange(1), ["a"], [ObjectPrediction(("a",), 40, 40, found)], metric, None)


def test_where_no_object_reaches_its_threshold_all_are_compared() -> None:
    for scores, thresholds, wanted in (([0.02], (0.5,), 1.0), ([0.6], (0.5,), 1.0), ([], (0.5,), 0.0)):
        one, moved, same = _objects(scores, 0), _objects(scores, 20), _objects(scores, 0)
        assert one.differences(same, thresholds).tolist() == [0.0]
        assert moved.differences(one, thresholds).tolist() == [wanted]
    # an object that is shown hides those that are not
    assert _objects([0.6, 0.02], 0).differences(_objects([0.6], 0), (0.5,)).tolist() == [0.0]

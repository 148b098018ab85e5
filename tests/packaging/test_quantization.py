"""Quantisation of a small pyramid: what leaves the quantised layers, and calibrations that cannot be made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from automl_vision.packaging.quantization import Quantizer
from automl_vision.serving.device import sums_8_bit_exactly
from automl_vision.serving.runtimes import INT8_FILE, OPENVINO_INT8_FILE, RUNTIMES

SIDE, CHANNELS = 8, 8


def write_pyramid(folder: Path) -> Path:
    """Two levels as a detector has them: a score per cell, joined, then without its last axis; and a layer inside."""
    random = np.random.default_rng(0)
    constants = {
        "stem.weight": random.normal(size=(CHANNELS, 3, 3, 3)).astype(np.float32) / 5,
        "fine.weight": random.normal(size=(1, CHANNELS, 1, 1)).astype(np.float32),
        "coarse.weight": random.normal(size=(1, CHANNELS, 1, 1)).astype(np.float32) / 9,
        "fine.shape": np.array([-1, SIDE**2, 1]),
        "coarse.shape": np.array([-1, SIDE**2 // 4, 1]),
        "zero": np.array(0),
    }
    nodes = [
        helper.make_node("Conv", ["images", "stem.weight"], ["features"], pads=[1] * 4, name="stem"),
        helper.make_node("MaxPool", ["features"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2], name="pool"),
    ]
    for level, source in (("fine", "features"), ("coarse", "pooled")):
        nodes += [
            helper.make_node("Conv", [source, f"{level}.weight"], [level], name=f"{level}.conv"),
            helper.make_node("Transpose", [level], [f"{level}.last"], perm=[0, 2, 3, 1], name=f"{level}.transpose"),
            helper.make_node(
                "Reshape", [f"{level}.last", f"{level}.shape"], [f"{level}.flat"], name=f"{level}.reshape"
            ),
        ]
    nodes += [
        helper.make_node("Concat", ["fine.flat", "coarse.flat"], ["all"], axis=1, name="join"),
        helper.make_node("Gather", ["all", "zero"], ["scores"], axis=2, name="drop"),
    ]
    graph = helper.make_graph(
        nodes,
        "pyramid",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", SIDE**2 * 5 // 4])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    file = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)
    return file


@pytest.fixture
def inputs() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(6, 3, SIDE, SIDE)).astype(np.float32)


def assert_near(found: np.ndarray, wanted: np.ndarray) -> None:
    """Up to rounding, where sums of 8-bit products do not saturate; the product uses int8 on no other processor."""
    if sums_8_bit_exactly():
        assert np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


def test_openvino_reads_what_leaves_the_quantised_layers_unrounded(tmp_path: Path, inputs: np.ndarray) -> None:
    quantizer = Quantizer(write_pyramid(tmp_path), [image[None] for image in inputs], rounds_exits=False)
    assert quantizer.quantize(tmp_path / OPENVINO_INT8_FILE).layers == 3
    sources = {node.name: list(node.input) for node in onnx.load(tmp_path / OPENVINO_INT8_FILE).graph.node}
    assert sources["fine.transpose"] == ["fine"]
    assert sources["coarse.transpose"] == ["coarse"]
    assert sources["fine.conv"][0] == "features_DequantizeLinear_Output"
    wanted = RUNTIMES["onnx"].open(tmp_path, threads=1)(inputs)[0]
    names = [name for name in ("openvino-int8",) if RUNTIMES[name].absent() is None]
    (tmp_path / INT8_FILE).write_bytes((tmp_path / OPENVINO_INT8_FILE).read_bytes())
    for name in ("onnx-int8", *names):
        for count in (1, 6):
            found = RUNTIMES[name].open(tmp_path, threads=1)(inputs[:count])[0]
            assert found.shape == (count, SIDE**2 * 5 // 4)
            assert_near(found, wanted[:count])


def test_onnx_runtime_gets_what_leaves_the_quantised_layers_rounded(tmp_path: Path, inputs: np.ndarray) -> None:
    quantizer = Quantizer(write_pyramid(tmp_path), [image[None] for image in inputs])
    quantizer.quantize(tmp_path / INT8_FILE)
    sources = {node.name: list(node.input) for node in onnx.load(tmp_path / INT8_FILE).graph.node}
    assert sources["fine.transpose"] == ["fine_DequantizeLinear_Output"]


def test_a_merged_rectifier_is_not_lost(tmp_path: Path, inputs: np.ndarray) -> None:
    file = write_pyramid(tmp_path)
    network = onnx.load(file)
    nodes = {node.name: node for node in network.graph.node}
    nodes["fine.conv"].output[0] = "raw"
    network.graph.node.insert(3, helper.make_node("Relu", ["raw"], ["fine"], name="fine.relu"))
    onnx.save(network, file)
    Quantizer(file, [image[None] for image in inputs], rounds_exits=False).quantize(tmp_path / INT8_FILE)
    (found,) = RUNTIMES["onnx-int8"].open(tmp_path, threads=1)(inputs)
    (wanted,) = RUNTIMES["onnx"].open(tmp_path, threads=1)(inputs)
    assert found[:, : SIDE**2].min() >= 0
    assert_near(found, wanted)


def test_a_calibration_that_cannot_be_made_is_left_out(tmp_path: Path, inputs: np.ndarray) -> None:
    file = write_pyramid(tmp_path)
    network = onnx.load(file)
    nearly_constant = {  # no 2048 bins lie between its extremes
        "coarse.bias": np.array([1e4], np.float32),
        "coarse.weight": np.full((1, CHANNELS, 1, 1), 1e-4, np.float32),
    }
    kept = [each for each in network.graph.initializer if each.name not in nearly_constant]
    del network.graph.initializer[:]
    more = [numpy_helper.from_array(value, name) for name, value in nearly_constant.items()]
    network.graph.initializer.extend([*kept, *more])
    next(node for node in network.graph.node if node.name == "coarse.conv").input.append("coarse.bias")
    onnx.save(network, file)
    done = Quantizer(file, [image[None] for image in inputs]).quantize(tmp_path / INT8_FILE)
    assert done.layers == 3
    assert "minmax" in done.noise
    assert "percentile" not in done.noise
    (found,) = RUNTIMES["onnx-int8"].open(tmp_path, threads=1)(inputs)
    assert np.isfinite(found).all()

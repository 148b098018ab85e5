"""Model folders with small ONNX networks that were not trained: their answers follow from the pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from automl_vision.serving.model_folder import ModelDescription, ObjectSettings, Preprocessing
from automl_vision.serving.runtimes import FEATURES
from conftest import CLASSES

SIDE = 32
CANVAS = (40, 48)
_BOXES = np.array([[[2, 3, 20, 30], [10, 8, 40, 36], [1, 1, 9, 9]]], np.float32)
_SCORES = np.array([[0.9, 0.6, 0.04]], np.float32)
_LABELS = np.array([[0, 2, 1]], np.int64)


def write_classifier(folder: Path, *, task: str = "image-classification", seed: int = 0) -> Path:
    """A linear classifier of the mean colour."""
    weights = np.random.default_rng(seed).normal(size=(3, len(CLASSES))).astype(np.float32) * 20
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    nodes.append(helper.make_node("Identity", ["flat"], [FEATURES]))
    sizes = {"logits": len(CLASSES), FEATURES: 3}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in sizes.items()]
    thresholds = (0.5,) * len(CLASSES) if task.endswith("multi-label") else ()
    preprocessing = Preprocessing((0.5,) * 3, (0.5,) * 3, SIDE, SIDE)
    description = ModelDescription(task, CLASSES, preprocessing, 1.5, thresholds, "linear", "linear")
    return _write(folder, description, nodes, outputs, {"weights": weights})


def write_detector(folder: Path, *, masks: bool = False) -> Path:
    """A detector that finds the same three objects in every image; the last one is below its threshold."""
    constants = {"boxes1": _BOXES, "scores1": _SCORES, "labels1": _LABELS}
    if masks:
        constants["masks1"] = np.full((1, 3, 4, 4), 0.9, np.float32)
    kinds = {
        "boxes": TensorProto.FLOAT,
        "scores": TensorProto.FLOAT,
        "labels": TensorProto.INT64,
        "masks": TensorProto.FLOAT,
    }
    nodes = [
        helper.make_node("Shape", ["input"], ["count"], start=0, end=1),
    ]
    outputs = []
    for name in (name.removesuffix("1") for name in list(constants)):
        value = constants[f"{name}1"]
        constants[f"{name}_ones"] = np.ones(value.ndim - 1, np.int64)
        nodes.append(helper.make_node("Concat", ["count", f"{name}_ones"], [f"{name}_times"], axis=0))
        nodes.append(helper.make_node("Tile", [f"{name}1", f"{name}_times"], [name]))
        outputs.append(helper.make_tensor_value_info(name, kinds[name], ["n", *value.shape[1:]]))
    task = "image-instance-segmentation" if masks else "image-object-detection"
    preprocessing = Preprocessing((0.5,) * 3, (0.5,) * 3, canvas=CANVAS)
    settings = ObjectSettings(detections=10)
    description = ModelDescription(task, CLASSES, preprocessing, 1.0, (0.3,) * 3, "fixed", "fixed", objects=settings)
    return _write(folder, description, nodes, outputs, constants)


def _write(
    folder: Path,
    description: ModelDescription,
    nodes: list[onnx.NodeProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray],
) -> Path:
    height, width = description.preprocessing.input_size
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, height, width])
    graph = helper.make_graph(
        nodes, "small", [image], outputs, [numpy_helper.from_array(value, name) for name, value in constants.items()]
    )
    folder.mkdir(parents=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    description.save(folder)
    return folder

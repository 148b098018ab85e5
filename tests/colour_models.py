"""Images of three colours, and packaged models that tell them apart by their mean colour: real ONNX, a kilobyte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from automl_vision.serving.model_folder import CARD_FILE, ModelDescription, Preprocessing

COLOURS = ("blue", "green", "red")
GOOD = np.fliplr(np.eye(3)) * 40  # the channels are red, green and blue; logits of the classes in their order
COLOUR_BLIND = GOOD * np.array([1, 1, 0.85])  # takes red for something else, often
WORTHLESS = GOOD * np.array([1, 1, 0])  # never finds red


def write_colour_images(root: Path, *, per_class: int = 20, splits: tuple[str, ...] = ("train", "val", "test")) -> Path:
    """One folder a split and colour of noisy images, most of which are mostly of their colour."""
    random = np.random.default_rng(5)
    for split in splits:
        for name, channel in zip(COLOURS, (2, 1, 0), strict=True):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(per_class):
                mean = 110 + 30 * np.eye(3)[channel] + random.normal(0, 12, 3)
                pixels = np.clip(mean + random.normal(0, 10, (16, 16, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


def write_colour_model(
    folder: Path,
    weights: np.ndarray = GOOD,
    *,
    classes: tuple[str, ...] = COLOURS,
    milliseconds: float = 2.0,
    card: str = "# Colours\n",
    **provenance: object,
) -> Path:
    """A model folder whose logits are a product of the mean colour.

    Args:
        folder: to write.
        weights: (channels, classes).
        classes: in the order of the logits.
        milliseconds: latency that the description states.
        card: text of the model card.
        provenance: experiment, run and trial.
    """
    folder.mkdir(parents=True)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(classes)])],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    ModelDescription(
        task="image-classification",
        classes=classes,
        preprocessing=Preprocessing((0.0,) * 3, (1.0,) * 3, short_side=16, crop=16),
        temperature=1.0,
        thresholds=(),
        model_name="colours",
        architecture="mean and product",
        data={"fingerprint": "f1"},
        latency={"1 thread": {"median_ms": milliseconds, "p95_ms": milliseconds}},
        provenance={"versions": {"automl-vision": "0.1.0"}, **provenance},
    ).save(folder)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    return folder

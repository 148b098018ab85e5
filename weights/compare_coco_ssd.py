"""Compares converted weights with the published graph, which TensorFlow.js executes on the same pixels.

    python weights/compare_coco_ssd.py build/weights IMAGES...
    python weights/compare_coco_ssd.py build/weights --record tests/models/recorded/coco_ssd.json

The first form prints the largest difference of each feature map and fails above the tolerance. The second one records
what the graph returns when its weights are invented, for a test that needs neither network nor Node. Needs npm and
Node 20; TensorFlow.js is installed into the folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image

import automl_vision.models.architectures  # noqa: F401, makes the architecture known
from coco_ssd import Tensors, backbone_layers, convert, fetch, graph_folder, read_graph

SIDE = 300
"""Pixels of an image's side, at which the graph does not resize."""

TOLERANCE = 2e-5
"""Largest difference of a feature map, as a share of its largest magnitude; both sides compute in float32."""

_SUM = "ArithmeticOptimizer/AddOpsRewrite_add"  # of a block with a shortcut
NODES = {
    0: "expanded_conv/project/BatchNorm/batchnorm/add_1",
    1: f"expanded_conv_2/{_SUM}",
    2: f"expanded_conv_5/{_SUM}",
    3: f"expanded_conv_9/{_SUM}",
    4: f"expanded_conv_12/{_SUM}",
    5: f"expanded_conv_15/{_SUM}",
    6: "expanded_conv_16/project/BatchNorm/batchnorm/add_1",
}
"""The graph's node by timm's stage of blocks."""

LAST = "Conv_1/Relu6"
"""The graph's node that is timm's `forward_features`."""

_CHANNELS = (16, 24, 32, 64, 96, 160, 320, 1280)  # of these maps: table 2 of the paper

Maps = list[NDArray[np.float32]]

_SAMPLES = 8  # recorded values of each map


def original_maps(graph: Path, images: NDArray[np.uint8], folder: Path) -> list[Maps]:
    """The feature maps (height, width, channels) of each image, by the graph, in the order of `NODES` and `LAST`.

    Args:
        graph: folder of the graph.
        images: (n, SIDE, SIDE, 3).
        folder: into which TensorFlow.js is installed once.

    Raises:
        FileNotFoundError: npm is not installed.
        subprocess.CalledProcessError: TensorFlow.js cannot be installed, or cannot execute the graph.
    """
    runner = folder / "original"
    if not (runner / "node_modules").exists():
        shutil.copytree(Path(__file__).parent / "original", runner, dirs_exist_ok=True)
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--prefix", str(runner)], check=True)
    nodes = [f"FeatureExtractor/MobilenetV2/{node}" for node in (*NODES.values(), LAST)]
    with TemporaryDirectory() as outputs:
        pixels = Path(outputs) / "images.bin"
        pixels.write_bytes(np.ascontiguousarray(images).tobytes())
        command = ["node", str(runner / "run.js"), str(graph), str(pixels), str(SIDE), outputs, *nodes]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        flat = [
            [np.fromfile(Path(outputs) / f"{i}-{j}.bin", np.float32) for j in range(len(nodes))]
            for i in range(len(images))
        ]
    return [
        [values.reshape(round((values.size / c) ** 0.5), -1, c) for values, c in zip(maps, _CHANNELS, strict=True)]
        for maps in flat
    ]


def converted_maps(state: Tensors, images: NDArray[np.uint8]) -> list[Maps]:
    """The same feature maps, by timm's network with converted weights and its own preprocessing.

    Args:
        state: as `convert` returns it.
        images: (n, SIDE, SIDE, 3).
    """
    network = timm.create_model("tf_mobilenetv2_100", num_classes=0).eval()
    network.load_state_dict({name: torch.tensor(values) for name, values in state.items()})
    mean, std = (torch.tensor(network.pretrained_cfg[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    scaled = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        through = network.bn1(network.conv_stem(scaled))
        maps = [through := stage(through) for stage in network.blocks]
        maps.append(network.bn2(network.conv_head(through)))
    return [[values[i].permute(1, 2, 0).numpy() for values in maps] for i in range(len(images))]


def differences(first: Sequence[Maps], second: Sequence[Maps]) -> list[float]:
    """The largest difference of each map over all images, as a share of the map's largest magnitude."""
    return [
        max(float(np.abs(a[j] - b[j]).max() / np.abs(a[j]).max()) for a, b in zip(first, second, strict=True))
        for j in range(len(first[0]))
    ]


def load_images(files: Sequence[Path]) -> NDArray[np.uint8]:
    """Images (n, SIDE, SIDE, 3), stretched to the graph's input."""
    return np.stack([np.asarray(Image.open(file).convert("RGB").resize((SIDE, SIDE))) for file in files])


def invented_graph() -> Tensors:
    """Tensors for the backbone, by the graph's names, that keep the magnitude of what passes through them."""
    state = timm.create_model("tf_mobilenetv2_100").state_dict()
    tensors: Tensors = {}
    for layer, (convolution, _) in backbone_layers().items():
        outputs, inputs, height, width = state[f"{convolution}.weight"].shape
        generator = np.random.default_rng(zlib.crc32(layer.encode()))
        kernel = generator.normal(scale=(2 / (inputs * height * width)) ** 0.5, size=(height, width, inputs, outputs))
        if layer.endswith("/depthwise"):
            tensors[f"{layer}/depthwise_weights"] = kernel.transpose(0, 1, 3, 2)
            tensors[f"{layer}/BatchNorm/batchnorm/mul"] = generator.uniform(0.75, 1.25, outputs)
        else:
            tensors[f"{layer}/Conv2D/merged_input"] = kernel
        tensors[f"{layer}/BatchNorm/batchnorm/sub"] = generator.normal(size=outputs)
    return {name: values.astype(np.float32) for name, values in tensors.items()}


def invented_image() -> NDArray[np.uint8]:
    """One image (1, SIDE, SIDE, 3) of random blocks."""
    blocks = np.random.default_rng(0).integers(0, 256, (1, SIDE // 10, SIDE // 10, 3), np.uint8)
    image: NDArray[np.uint8] = blocks.repeat(10, axis=1).repeat(10, axis=2)
    return image


def sampled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A few values of a map, from corner to corner."""
    flat = values.reshape(-1)
    return flat[np.linspace(0, flat.size - 1, _SAMPLES).astype(int)]


def record(graph: Path, folder: Path, file: Path) -> None:
    """Write what the graph returns for an invented image when its backbone's weights are invented."""
    tensors = read_graph(graph) | invented_graph()
    topology = json.loads((graph / "model.json").read_text(encoding="utf-8"))
    entries = [entry for group in topology["weightsManifest"] for entry in group["weights"]]
    topology["weightsManifest"] = [{"paths": ["all.bin"], "weights": entries}]
    with TemporaryDirectory() as changed:
        (Path(changed) / "model.json").write_text(json.dumps(topology), encoding="utf-8")
        (Path(changed) / "all.bin").write_bytes(b"".join(tensors[entry["name"]].tobytes() for entry in entries))
        (maps,) = original_maps(Path(changed), invented_image(), folder)
    found = [
        {"shape": values.shape, "largest": float(np.abs(values).max()), "values": sampled(values).tolist()}
        for values in maps
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found) + "\n", encoding="utf-8")


def main() -> None:
    """Compare, or record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for downloads")
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--record", type=Path, metavar="FILE")
    options = parser.parse_args()
    folder = options.folder.absolute()
    graph = graph_folder(fetch(folder / "published"))
    if options.record:
        record(graph, folder, options.record)
        return
    images = load_images(options.images)
    found = differences(original_maps(graph, images, folder), converted_maps(convert(read_graph(graph)), images))
    for node, difference in zip((*NODES.values(), LAST), found, strict=True):
        print(f"{difference:.1e}  {node}")
    if max(found) > TOLERANCE:
        sys.exit(f"the maps differ by more than {TOLERANCE}")


if __name__ == "__main__":
    main()

"""Images per second of batch scoring beside its limits and other ways, and its memory on many images.

    python benchmarks/batch_scoring.py MODEL DATA [--images 512] [--repeats 3] [--threads 0]
    python benchmarks/batch_scoring.py --memory 100000

The first form scores images of a data set with the same packaged model in several ways, in turns, and prints the median
and range of images per second: "network" is the runtime alone on inputs that are ready, "decoding" the preprocessing
alone in the predictor's threads, "predictor" `Predictor.stream_all` with each number of decoding threads, "score"
`automl_vision.score` with its files, "DataLoader" a loop over `torch.utils.data.DataLoader` with the same preprocessing
and the same network in torch on all cores, "Ray Data" `map_batches` with the same predictor in one actor; the start of
the actor and of the loader's workers is counted. "share" is of the predictor's own limit: what the machine can do when
decoding and inference share its cores without any loss, 1 / (1 / network + 1 / decoding).

The second form makes small JPEGs (200 files under many names) and a network of one matrix, so that memory and not the
network is measured, and prints the resident memory of the process while it scores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from automl_vision import Predictor, score
from automl_vision.core.threads import map_in_order
from automl_vision.data.image_list import ImageList
from automl_vision.formats.listing import list_images
from automl_vision.serving.model_folder import ModelDescription, Preprocessing

_BATCH = 16
_DECODERS = (1, 2, 4, 8)


def network_alone(predictor: Predictor, files: list[Path]) -> None:
    """The runtime on batches that are ready."""
    batch = np.concatenate([predictor.preprocess(file) for file in files[:_BATCH]])
    for _ in range(len(files) // _BATCH):
        predictor.run(batch)


def decoding_alone(predictor: Predictor, files: list[Path]) -> None:
    """The preprocessing in threads, without the network."""
    cores = os.cpu_count() or 1
    for _ in map_in_order(predictor.preprocess, files, threads=cores, window=4 * _BATCH):
        pass


def scored(model: Path, images: ImageList, threads: int) -> None:
    """Batch scoring with all its files."""
    with tempfile.TemporaryDirectory() as folder:
        score(model, images, Path(folder) / "out.parquet", threads=threads)


class _Files:
    """A map-style dataset for `DataLoader`, which pickles it into its workers."""

    def __init__(self, model: Path, files: list[Path]) -> None:
        self.model, self.files = model, files
        self._predictor: Predictor | None = None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> np.ndarray:
        if self._predictor is None:
            self._predictor = Predictor(self.model, threads=1)
        return self._predictor.preprocess(self.files[number])[0]


def data_loader(model: Path, files: list[Path], network: Callable[..., object]) -> None:
    """A plain loop in torch; one worker per core beside the main process."""
    import torch
    from torch.utils.data import DataLoader

    loader = DataLoader(_Files(model, files), batch_size=_BATCH, num_workers=os.cpu_count() or 1)
    with torch.inference_mode():
        for batch in loader:
            network(batch)


class _RayPredictor:
    """What Ray Data calls with each batch."""

    def __init__(self, model: str, threads: int) -> None:
        self._predictor = Predictor(model, threads=threads)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = list(self._predictor.stream(batch["path"].tolist()))
        return {"confidence": np.array([each.confidence for each in found])}


def ray_data(model: Path, files: list[Path], threads: int) -> None:
    """Ray Data with one actor that has the same predictor."""
    import ray

    data = ray.data.from_items([{"path": str(file)} for file in files], override_num_blocks=8)
    options = {"fn_constructor_args": (str(model), threads), "batch_size": 4 * _BATCH, "num_cpus": 1}
    data.map_batches(_RayPredictor, compute=ray.data.ActorPoolStrategy(size=1), **options).materialize()


def compare(model: Path, data: Path, count: int, repeats: int, threads: int) -> None:
    """Print the table of speeds."""
    import pyarrow as pa
    import ray
    import torch

    from automl_vision import load_torch

    listed = list_images(data)
    files = [Path(listed.location(number)) for number in islice(cycle(range(len(listed))), count)]
    names = [listed.reference(number) for number in range(min(count, len(listed)))]
    images = ImageList(listed.root, pa.array(names), "benchmark")
    predictor = Predictor(model, threads=threads)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    torch_network = load_torch(model).eval()
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "network": (count // _BATCH * _BATCH, lambda: network_alone(predictor, files)),
        "decoding": (count, lambda: decoding_alone(predictor, files)),
    }
    for decoders in _DECODERS:
        each = Predictor(model, threads=threads, decoders=decoders)
        ways[f"predictor, {decoders} decoding"] = count, lambda each=each: list(each.stream(files))
    ways |= {
        "score": (len(names), lambda: scored(model, images, threads)),
        "DataLoader": (count, lambda: data_loader(model, files, torch_network)),
        "Ray Data": (count, lambda: ray_data(model, files, threads)),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (number, way) in ways.items():
            start = time.perf_counter()
            way()
            speeds[name].append(number / (time.perf_counter() - start))
    middle = {name: statistics.median(found) for name, found in speeds.items()}
    limit = 1 / (1 / middle["network"] + 1 / middle["decoding"])
    print(f"{count} images, {os.cpu_count()} cores; limit of both together {limit:.1f} images/s")
    print("| way | images/s | range | share of the limit |\n| --- | --- | --- | --- |")
    for name, found in speeds.items():
        print(f"| {name} | {middle[name]:.1f} | {min(found):.1f} to {max(found):.1f} | {middle[name] / limit:.2f} |")


def write_matrix_model(folder: Path) -> Path:
    """A classifier of the mean colour."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    classes, side = tuple(f"class {number}" for number in range(10)), 32
    weights = numpy_helper.from_array(np.random.default_rng(0).normal(size=(3, 10)).astype(np.float32), "weights")
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, side, side])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(classes)])
    graph = helper.make_graph(nodes, "matrix", [image], [logits], [weights])
    folder.mkdir()
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    preprocessing = Preprocessing((0.5,) * 3, (0.5,) * 3, side, side)
    ModelDescription("image-classification", classes, preprocessing, 1.0, (), "matrix", "matrix").save(folder)
    return folder


def made_photos(folder: Path, count: int) -> None:
    """200 small JPEGs under many names, in folders of a thousand."""
    random = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"{number // 1000:04d}"
        place.mkdir(parents=True, exist_ok=True)
        file = place / f"{number}.jpg"
        if number < 200:
            coarse = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC).save(file)
        else:
            os.link(folder / "0000" / f"{number % 200}.jpg", file)


def memory(count: int) -> None:
    """Print resident memory while many images are scored."""
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as place:
        model = write_matrix_model(Path(place) / "model")
        made_photos(Path(place) / "photos", count)
        start = time.perf_counter()
        rows: list[tuple[int, float]] = []

        def look(done: int, total: int) -> None:
            if done >= len(rows) * total // 20:
                rows.append((done, process.memory_info().rss / 2**20))
                print(f"{done:7,} images  {rows[-1][1]:7.1f} MB  {time.perf_counter() - start:6.1f} s", flush=True)

        report = score(model, Path(place) / "photos", Path(place) / "out.parquet", progress=look)
        print(f"after joining   {process.memory_info().rss / 2**20:7.1f} MB")
        print(report.sentences[0])
        after = [size for done, size in rows if done >= count // 10]
        print(f"from a tenth on: {min(after):.1f} to {max(after):.1f} MB")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", help="a model folder")
    parser.add_argument("data", type=Path, nargs="?", help="local images")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="cores for inference; 0 uses all")
    parser.add_argument(
        "--memory", type=int, metavar="IMAGES", help="show memory on this number of made images instead"
    )
    options = parser.parse_args()
    if options.memory:
        memory(options.memory)
    elif options.data is None:
        parser.error("name a model folder and images, or --memory")
    else:
        compare(options.model, options.data, options.images, options.repeats, options.threads)


if __name__ == "__main__":
    main()

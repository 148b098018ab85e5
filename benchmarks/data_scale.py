"""Import, manifest and pixel cache at scale, beside what a user would take instead; all on made or named data.

    python benchmarks/data_scale.py                  # 200,000 images, 1.5 million boxes
    python benchmarks/data_scale.py --photos FOLDER  # images/s of the pixel cache on a folder of photos

The import needs: pip install pycocotools supervision

Every import runs in a process of its own; the peak is its largest resident memory, imports of libraries included.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

CLASSES = 80


def make_coco(folder: Path, images: int, boxes: int) -> Path:
    """A COCO file with its images as empty files, for only names and annotations count here."""
    chooser = random.Random(0)
    entries = []
    for i in range(images):
        name = f"{i // 1000:04d}/{i:08d}.jpg"
        entries.append({"id": i, "file_name": name, "width": 640, "height": 480})
        if i % 1000 == 0:
            (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    annotations = []
    for i in range(boxes):
        x, y, w, h = (round(chooser.uniform(*span), 2) for span in ((0, 500), (0, 380), (4, 120), (4, 90)))
        image, category = chooser.randrange(images), chooser.randint(1, CLASSES)
        annotations.append(
            {
                "id": i + 1, "image_id": image, "category_id": category, "bbox": [x, y, w, h], "area": w * h,
                "iscrowd": 0, "segmentation": [],
            }
        )  # fmt: skip
    categories = [{"id": i, "name": f"class {i}"} for i in range(1, CLASSES + 1)]
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": entries, "annotations": annotations, "categories": categories}))
    return path


def ours(path: Path) -> int:
    from automl_vision.data.dataset import Dataset

    return len(Dataset.open(path, read_images=False).objects)


def ours_annotations(path: Path) -> int:
    """The annotations alone, as the other two read them: no image is looked for."""
    from automl_vision.core.garbage_collection import without_garbage_collection
    from automl_vision.data.annotations import Columns
    from automl_vision.formats.registry import find_format
    from automl_vision.formats.source import Source

    source = Source.open(path)
    with without_garbage_collection():
        return len(find_format(source, None, Columns()).read(source, Columns()).build_objects())


def pycocotools(path: Path) -> int:
    from pycocotools.coco import COCO

    return len(COCO(str(path)).anns)


def supervision(path: Path) -> int:
    import warnings

    warnings.simplefilter("ignore")
    from supervision import DetectionDataset

    dataset = DetectionDataset.from_coco(str(path.parent), str(path))
    return sum(len(found) for found in dataset.annotations.values())


LOADERS: dict[str, Callable[[Path], int]] = {
    "automl-vision": ours,
    "its annotations": ours_annotations,
    "pycocotools": pycocotools,
    "supervision": supervision,
}


def peak_megabytes() -> float:
    """Largest resident memory of this process, in MB; `getrusage` would count what its parent had before it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def load(name: str, path: Path) -> None:
    """Run one loader here and print its figures as JSON."""
    start = time.perf_counter()
    boxes = LOADERS[name](path)
    seconds = time.perf_counter() - start
    peak = peak_megabytes()
    sys.stdout.write(json.dumps({"boxes": boxes, "seconds": seconds, "peak": peak}) + "\n")


def compare_loaders(path: Path, repeats: int) -> None:
    """Time and peak memory of each loader on the same file, in turn."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LOADERS}
    for _ in range(repeats):
        for name, runs in found.items():
            command = [sys.executable, __file__, "--load", name, "--path", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                runs.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"import of {path.stat().st_size / 1e6:.0f} MB of COCO JSON, the best of {repeats}")
    for name, runs in found.items():
        if not runs:
            print(f"  {name:15} not installed")
            continue
        seconds, peak = min(run["seconds"] for run in runs), min(run["peak"] for run in runs)
        boxes = runs[0]["boxes"]
        print(f"  {name:15} {seconds:6.1f} s  {boxes / seconds / 1e3:7.0f} thousand boxes/s  peak {peak:6.0f} MB")


def time_manifest(rows: int) -> None:
    """What is done with a manifest of so many rows, and how much memory the process has needed by then."""
    from automl_vision.data.dataset import Dataset

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.parquet"
        _made_dataset(rows).save(path)
        print(f"a manifest of {rows:,} rows, {path.stat().st_size / 1e6:.0f} MB")
        dataset = _timed("open", lambda: Dataset.load(path))
        _timed("fingerprint", lambda: dataset.fingerprint)
        split = _timed("split, stratified over 1000 classes", lambda: dataset.with_validation(0.2))
        _timed("filter", lambda: split[split.splits == "val"])
        _timed("counts by class and split", split.summary)
        _timed("changes since the version before", lambda: split.changes_since(dataset))


def _made_dataset(rows: int) -> Any:
    import pyarrow as pa

    from automl_vision.data.dataset import Dataset
    from automl_vision.data.manifest import SCHEMA, empty_lists
    from automl_vision.data.objects import OBJECT_TYPE

    chooser = np.random.default_rng(0)
    classes = tuple(f"class {i:04d}" for i in range(1000))
    labels = pa.array(classes).take(pa.array(chooser.integers(0, 1000, rows)))
    columns = {
        "image": pa.array([f"{i // 1000:04d}/{i:08d}.jpg" for i in range(rows)]),
        "width": pa.array(np.full(rows, 640, np.int32)),
        "height": pa.array(np.full(rows, 480, np.int32)),
        "digest": pa.array([f"{i:032x}" for i in chooser.permutation(rows).tolist()]),
        "split": pa.nulls(rows, pa.string()),
        "group": pa.nulls(rows, pa.string()),
        "labels": pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32)), labels),
        "objects": empty_lists(rows, OBJECT_TYPE),
    }
    return Dataset(pa.table(columns, schema=SCHEMA), "/", "image-classification", classes, "made")


def _timed(name: str, function: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    peak = peak_megabytes()
    print(f"  {name:36} {seconds:6.2f} s  peak so far {peak:6.0f} MB")
    return result


def enlarged(photos: Path, folder: Path, megapixels: float, count: int) -> Path:
    """Some of the photos, made as large as a camera's, as class folders of JPEGs."""
    from automl_vision.data.dataset import Dataset

    dataset = Dataset.open(photos)
    rows = dataset.table.to_pylist()[:: max(1, len(dataset) // count)][:count]
    for i, row in enumerate(rows):
        with Image.open(Path(dataset.root, row["image"])) as image:
            scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
            large = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)))
        target = folder / f"class {i % 2}" / f"{i}.jpg"
        target.parent.mkdir(exist_ok=True)
        large.save(target, quality=90)
    return folder


def time_pixels(photos: Path, side: int) -> None:
    """Images/s of an epoch that decodes with Pillow, of the epoch that fills the cache, and of those after it."""
    from automl_vision.data.dataset import Dataset
    from automl_vision.data.pixel_cache import open_pixels

    dataset = Dataset.open(photos)
    files = [Path(dataset.root, image) for image in dataset.table["image"].to_pylist()]
    megapixels = float((dataset.table["width"].to_numpy() * dataset.table["height"].to_numpy()).mean() / 1e6)
    print(f"{len(files)} images of {megapixels:.2f} megapixels, shorter side to {side} pixels")

    def decode(file: Path) -> int:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            scale = side / min(upright.size)
            size = (round(upright.width * scale), round(upright.height * scale))
            return int(np.asarray(upright.resize(size, Image.Resampling.BICUBIC))[0, 0, 0])

    def with_threads() -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(decode, files))

    few = int(0.6 * 3 * side * side * len(dataset))  # a limit that the pixels exceed and small JPEGs do not
    with tempfile.TemporaryDirectory() as folder:
        cases: list[tuple[str, Callable[[], Any]]] = [
            ("Pillow, one thread", lambda: [decode(file) for file in files]),
            ("Pillow, four threads", with_threads),
            ("first epoch: decode", lambda: open_pixels(dataset, side, Path(folder))),
            ("later epochs: read", lambda: _read(open_pixels(dataset, side, Path(folder)))),
            ("first epoch, JPEGs", lambda: open_pixels(dataset, side, Path(folder, "j"), limit_bytes=few)),
            (
                "later epochs, JPEGs",
                lambda: _read(open_pixels(dataset, side, Path(folder, "j"), limit_bytes=few)),
            ),
        ]
        for name, function in cases:
            start = time.perf_counter()
            function()
            print(f"  {name:30} {len(files) / (time.perf_counter() - start):9.0f} images/s")


def _read(pixels: Any) -> int:
    return sum(int(pixels[row].sum(dtype=np.int64)) for row in range(len(pixels)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--boxes", type=int, default=1_500_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--photos", type=Path, help="only this: the pixel cache on these photos")
    parser.add_argument("--megapixels", type=float, help="with --photos: some of them, enlarged to so many")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--load", choices=LOADERS, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        load(options.load, options.path)
    elif options.photos:
        with tempfile.TemporaryDirectory() as folder:
            photos = options.photos
            if options.megapixels:
                photos = enlarged(photos, Path(folder), options.megapixels, 80)
            time_pixels(photos, options.side)
    else:
        time_manifest(options.rows)
        with tempfile.TemporaryDirectory() as folder:
            compare_loaders(make_coco(Path(folder), options.images, options.boxes), options.repeats)


if __name__ == "__main__":
    main()

"""Precision and recall of the doctor's checks: known faults are put into temporary copies of real sets, and looked for.

A finding in the untouched set is either a fault that it came with or a false alarm; nobody knows, so two precisions are
given: one that counts them all as false, and one that leaves out what was found before.

    python benchmarks/doctor.py DATA [--markdown] [--only SET]

DATA is the folder of the sets `clothing`, `bccd` and `car-damage`.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.doctor.report import DataReport
from automl_vision.formats.export import export_dataset

Truth = set[str]
Before = dict[str, set[str]]
"""Images by the check that reports them in the untouched set."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        data: name of the set.
        fault: what was put in.
        check: the check that should find it.
        injected: faults that were put in.
        found: cases that the check reports.
        hits: of these, faults that were put in.
        before: of these, cases that it reports in the untouched set too.
    """

    data: str
    fault: str
    check: str
    injected: int
    found: int
    hits: int
    before: int

    @property
    def cells(self) -> list[str]:
        """The line as texts."""
        others = self.found - self.before
        return [
            self.data,
            self.fault,
            f"`{self.check}`",
            str(self.injected),
            _share(self.hits, self.injected),
            _share(self.hits, self.found),
            _share(self.hits, others),
            str(self.before),
        ]


HEADER = ["set", "fault", "check", "put in", "recall", "precision", "of the new", "found before"]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


def copy_set(source: Path, folder: Path, data: str) -> tuple[Dataset, Path]:
    """A copy of a set as JSONL, which holds everything, and its folder."""
    target = folder / data
    export_dataset(Dataset.open(source / data), target, "jsonl")
    return Dataset.open(target), target


def images_found(report: DataReport, dataset: Dataset, check: str) -> set[str]:
    """The images of a finding."""
    if check not in report:
        return set()
    images = dataset.table["image"].to_pylist()
    return {images[row] for row in report[check].rows.tolist()}


class Faults:
    """Puts faults into a copy of a set and remembers them.

    Args:
        dataset: the copy, as opened.
        folder: of the copy.
        seed: of all choices.
    """

    def __init__(self, dataset: Dataset, folder: Path, seed: int = 0) -> None:
        self.dataset, self.folder = dataset, folder
        self.random = np.random.default_rng(seed)
        self.images: list[str] = dataset.table["image"].to_pylist()
        self.free = list(self.random.permutation(len(self.images)))
        self.lines = {file: file.read_text().splitlines() for file in sorted(folder.glob("*.jsonl"))}
        self.where = {
            json.loads(line)["image_url"]: (file, i)
            for file, lines in self.lines.items()
            for i, line in enumerate(lines)
        }

    def take(self, count: int) -> list[str]:
        """Images that have no fault yet."""
        return [self.images[self.free.pop()] for _ in range(count)]

    def record(self, image: str) -> dict[str, object]:
        """An image's annotation."""
        file, i = self.where[image]
        value: dict[str, object] = json.loads(self.lines[file][i])
        return value

    def write(self, image: str, record: dict[str, object]) -> None:
        """Change an image's annotation."""
        file, i = self.where[image]
        self.lines[file][i] = json.dumps(record, ensure_ascii=False)

    def add(self, image: str, record: dict[str, object], split: str) -> None:
        """Add an image's annotation to a split."""
        file = next(file for file in self.lines if file.stem.startswith(split))
        self.where[image] = (file, len(self.lines[file]))
        self.lines[file].append(json.dumps({**record, "image_url": image}, ensure_ascii=False))

    def split_of(self, image: str) -> str:
        """The split of an image."""
        return self.where[image][0].stem

    def save(self) -> None:
        """Write the annotations."""
        for file, lines in self.lines.items():
            file.write_text("\n".join(lines) + "\n")

    def picture(self, image: str) -> Image.Image:
        """An image's pixels."""
        with Image.open(self.folder / image) as opened:
            return opened.convert("RGB")

    def bytes_of(self, picture: Image.Image, quality: int = 85) -> bytes:
        """A picture as JPEG."""
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return buffer.getvalue()


def copies(faults: Faults, change: Callable[[Faults, Image.Image], bytes], count: int, *, leak: bool) -> Truth:
    """Changed copies of images, in the same split or in another one; either of a pair counts as found."""
    truth = set()
    for i, image in enumerate(faults.take(count)):
        name = f"{image.rpartition('.')[0]}-{change.__name__}-{i}.jpg"
        (faults.folder / name).write_bytes(change(faults, faults.picture(image)))
        split = faults.split_of(image)
        faults.add(name, faults.record(image), ("val" if split == "train" else "train") if leak else split)
        truth.add(f"{image}\n{name}")
    return truth


def recompressed(faults: Faults, picture: Image.Image) -> bytes:
    """JPEG of low quality."""
    return faults.bytes_of(picture, quality=40)


def resized(faults: Faults, picture: Image.Image) -> bytes:
    """Half the size."""
    return faults.bytes_of(picture.resize((picture.width // 2, picture.height // 2)))


def mirrored(faults: Faults, picture: Image.Image) -> bytes:
    """Left and right swapped."""
    return faults.bytes_of(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


def cropped(faults: Faults, picture: Image.Image) -> bytes:
    """Between 5 and 12 % of each side cut off."""
    share = faults.random.uniform(0.05, 0.12)
    left, top = faults.random.random(2) * share
    box = (left, top, left + 1 - share, top + 1 - share)
    sizes = (picture.width, picture.height, picture.width, picture.height)
    return faults.bytes_of(picture.crop(tuple(round(b * s) for b, s in zip(box, sizes, strict=True))))


def pairs_row(
    data: str, faults: Faults, report: DataReport, before: Before, check: str, truth: dict[str, Truth]
) -> list[Row]:
    """One line for each kind of copy; the found pairs of other kinds are not counted against it."""
    dataset = Dataset.open(faults.folder)
    images = dataset.table["image"].to_pylist()
    found = set()
    if check in report:
        finding = report[check]
        found = {
            frozenset((images[a], images[b]))
            for a, b in zip(finding.rows.tolist(), finding.partners.tolist(), strict=True)
        }
    every = {frozenset(pair.split("\n")) for pairs in truth.values() for pair in pairs}
    known = before.get(check, set())
    strange = found - every
    old = {pair for pair in strange if pair & known}
    rows = []
    for kind, pairs in truth.items():
        wanted = {frozenset(pair.split("\n")) for pair in pairs}
        hits = len(found & wanted)
        rows.append(Row(data, kind, check, len(wanted), hits + len(strange), hits, len(old)))
    return rows


def bad_files(faults: Faults) -> dict[str, tuple[str, Truth]]:
    """Truncated, blank, tiny, long and misnamed files."""
    truth: dict[str, tuple[str, Truth]] = {}

    def spoil(fault: str, check: str, count: int, change: Callable[[Path, int], None]) -> None:
        chosen = faults.take(count)
        for i, image in enumerate(chosen):
            change(faults.folder / image, i)
        truth[fault] = (check, set(chosen))

    def cut(path: Path, i: int) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * (0.3 + 0.06 * i))])

    def paint(path: Path, _: int) -> None:
        size = Image.open(path).size
        colour = tuple(faults.random.integers(0, 256, 3).tolist())
        noise = faults.random.normal(0, 1.5, (size[1], size[0], 3)) + colour
        Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(path, quality=85)

    def shrink(path: Path, i: int) -> None:
        Image.open(path).convert("RGB").resize((20 + i, 24)).save(path)

    def stretch(path: Path, _: int) -> None:
        picture = Image.open(path).convert("RGB")
        picture.crop((0, 0, picture.width, picture.width // 6)).save(path)

    def rename(path: Path, _: int) -> None:
        picture = Image.open(path).convert("RGB")
        picture.save(path, "PNG")

    spoil("cut off at 30 to 84 %", "truncated-image", 10, cut)
    spoil("one colour with noise", "blank-image", 10, paint)
    if not faults.dataset.kind.startswith(("boxes", "masks")):
        spoil("20 to 29 pixels", "tiny-image", 10, shrink)
        spoil("6 : 1", "extreme-aspect", 10, stretch)
    spoil("PNG named jpg", "wrong-suffix", 10, rename)
    return truth


def strangers(faults: Faults, source: Path, other: str, count: int) -> Truth:
    """Images of another set under the annotations of own ones."""
    foreign = Dataset.open(source / other)
    chosen = faults.take(count)
    rows = faults.random.choice(len(foreign), count, replace=False).tolist()
    for image, row in zip(chosen, rows, strict=True):
        data = (Path(foreign.root) / foreign.table["image"][row].as_py()).read_bytes()
        (faults.folder / image).write_bytes(data)
    return set(chosen)


def single_rows(
    data: str, faults: Faults, report: DataReport, before: Before, truth: dict[str, tuple[str, Truth]]
) -> list[Row]:
    """One line for each fault of whole images."""
    dataset = Dataset.open(faults.folder)
    rows = []
    for fault, (check, wanted) in truth.items():
        found, known = images_found(report, dataset, check), before.get(check, set())
        rows.append(
            Row(data, fault, check, len(wanted), len(found), len(found & wanted), len((found - wanted) & known))
        )
    return rows


def image_faults(
    data: str, source: Path, folder: Path, before: Before, check: Callable[[Dataset], DataReport]
) -> list[Row]:
    """Everything that is wrong with files: for any set."""
    dataset, copy = copy_set(source, folder, data)
    faults = Faults(dataset, copy)
    truth = bad_files(faults)
    other = {"clothing": "bccd", "bccd": "clothing", "car-damage": "clothing"}[data]
    truth[f"images of {other}"] = ("outlier", strangers(faults, source, other, 10))
    kinds = (recompressed, resized, mirrored, cropped)
    same = {f"{change.__name__}, same split": copies(faults, change, 12, leak=False) for change in kinds}
    across = {f"{change.__name__}, other split": copies(faults, change, 12, leak=True) for change in kinds}
    exact: Truth = set()
    for i, image in enumerate(faults.take(12)):
        name = f"{image.rpartition('.')[0]}-again-{i}.jpg"
        shutil.copy(copy / image, copy / name)
        faults.add(name, faults.record(image), "val" if faults.split_of(image) == "train" else "train")
        exact.add(f"{image}\n{name}")
    faults.save()
    report = check(Dataset.open(copy))
    rows = single_rows(data, faults, report, before, truth)
    rows += pairs_row(data, faults, report, before, "leak", {"the same bytes, other split": exact})
    rows += pairs_row(data, faults, report, before, "near-leak", across)
    rows += pairs_row(data, faults, report, before, "near-duplicate", same)
    return rows


def label_noise(source: Path, folder: Path, before: Before, check: Callable[[Dataset], DataReport]) -> list[Row]:
    """A share of the labels of `clothing` changed at random, and two classes written in two ways."""
    rows = []
    for share in (0.05, 0.10):
        dataset, copy = copy_set(source, folder / f"noise{share}", "clothing")
        faults = Faults(dataset, copy, seed=int(100 * share))
        wrong = set(faults.take(int(share * len(dataset))))
        for image in wrong:
            record = faults.record(image)
            names = [name for name in dataset.classes if name != record["label"]]
            faults.write(image, {**record, "label": str(faults.random.choice(names))})
        faults.save()
        report = check(Dataset.open(copy))
        rows += single_rows("clothing", faults, report, before, {f"{share:.0%} wrong labels": ("wrong-label", wrong)})
    dataset, copy = copy_set(source, folder / "names", "clothing")
    faults = Faults(dataset, copy)
    variants = {"shirt": "Shirt", "t-shirt": "T shirt", "pants": "pants "}
    for image in faults.take(400):
        record = faults.record(image)
        faults.write(image, {**record, "label": variants.get(str(record["label"]), record["label"])})
    faults.save()
    report = Dataset.open(copy).check(checks=["similar-names"])
    renames = report["similar-names"].renames if "similar-names" in report else {}
    kept = {value: key for key, value in variants.items()} | variants
    hits = sum(kept.get(old) == new or kept.get(new) == old for old, new in renames.items())
    possible = len(set(variants.values()) & set(Dataset.open(copy).classes))
    rows.append(Row("clothing", "class in another case or spacing", "similar-names", possible, len(renames), hits, 0))
    return rows


Box = dict[str, object]


def object_faults(
    data: str, source: Path, folder: Path, before: Before, check: Callable[[Dataset], DataReport]
) -> list[Row]:
    """Boxes and polygons spoilt, one an image; with a table of which image got which fault."""
    dataset, copy = copy_set(source, folder / "objects", data)
    faults = Faults(dataset, copy)
    truth: dict[str, tuple[str, Truth]] = {}
    masks = dataset.kind == "masks"

    def spoil(fault: str, check: str, change: Callable[[Box], list[Box]], count: int = 20) -> None:
        chosen = set()
        while len(chosen) < count and faults.free:
            (image,) = faults.take(1)
            record = faults.record(image)
            objects = list(record["label"])  # type: ignore[call-overload]
            if not objects:
                continue
            at = int(faults.random.integers(len(objects)))
            objects[at : at + 1] = change(objects[at])
            faults.write(image, {**record, "label": objects})
            chosen.add(image)
        truth[fault] = (check, chosen)

    def moved(box: Box) -> list[Box]:
        return [{**box, "topX": 1.05, "bottomX": 1.25}]

    def emptied(box: Box) -> list[Box]:
        return [{**box, "bottomX": box["topX"]}]

    def inverted(box: Box) -> list[Box]:
        return [{**box, "topX": box["bottomX"], "bottomX": box["topX"]}]

    def tiny(box: Box) -> list[Box]:
        return [{**box, "bottomX": float(box["topX"]) + 0.004, "bottomY": float(box["topY"]) + 0.004}]  # type: ignore[arg-type]

    def twice(box: Box) -> list[Box]:
        jitter = faults.random.uniform(-0.002, 0.002, 4)
        sides = ("topX", "topY", "bottomX", "bottomY")
        again = {side: float(np.clip(float(box[side]) + j, 0, 1)) for side, j in zip(sides, jitter, strict=True)}  # type: ignore[arg-type]
        return [box, {**box, **again}]

    def twice_masked(box: Box) -> list[Box]:
        return [box, box]

    def crossed(box: Box) -> list[Box]:
        points = np.asarray(max(box["polygon"], key=len)).reshape(-1, 2)  # type: ignore[call-overload]
        low, high = points.min(axis=0), points.max(axis=0)
        corners = [low[0], low[1], high[0], high[1], high[0], low[1], low[0], high[1]]
        return [{**box, "polygon": [[float(c) for c in corners]]}]

    if masks:
        spoil("bow tie instead of the outline", "crossed-polygon", crossed)
        spoil("object twice", "duplicate-box", twice_masked)
    else:
        spoil("box beside the image", "box-outside", moved)
        spoil("box without width", "empty-box", emptied)
        spoil("edges swapped", "inverted-box", inverted)
        spoil("under 3 pixels", "tiny-box", tiny)
        spoil("box twice, moved by up to 0.2 %", "duplicate-box", twice)
    faults.save()
    opened = Dataset.open(copy)
    report = check(opened)
    rows = []
    for fault, (name, wanted) in truth.items():
        found, known = images_found(report, opened, name), before.get(name, set())
        if name in report and report[name].places:
            found = _images_at(report[name].places, copy)
        rows.append(Row(data, fault, name, len(wanted), len(found), len(found & wanted), len((found - wanted) & known)))
    return rows


def _images_at(places: tuple[str, ...], folder: Path) -> set[str]:
    """The images of records, from places such as `train.jsonl:17, object 3`."""
    found = set()
    for place in places:
        file, _, line = place.partition(",")[0].rpartition(":")
        found.add(json.loads((folder / file).read_text().splitlines()[int(line) - 1])["image_url"])
    return found


def box_and_mask(source: Path, before: Before) -> list[Row]:
    """Boxes of `car-damage` in its COCO files moved away from their polygons."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "car-damage"
        shutil.copytree(source / "car-damage", copy)
        random, wanted = np.random.default_rng(0), set()
        for file in sorted(copy.rglob("*.json")):
            value = json.loads(file.read_text())
            names = {image["id"]: image for image in value["images"]}
            used: set[int] = set()
            for i in random.permutation(len(value["annotations"])).tolist():
                box, image = value["annotations"][i]["bbox"], value["annotations"][i]["image_id"]
                width, height = names[image]["width"], names[image]["height"]
                if len(used) >= 10 or image in used or min(float(b) for b in box[2:]) < 20:
                    continue
                x, y, w, h = (float(b) for b in box)
                x += 0.5 * w if x + 1.5 * w < width else -0.5 * min(w, x)
                value["annotations"][i]["bbox"] = [x, y, w, min(0.8 * h, height - y)]
                used.add(image)
                wanted.add(f"{file.parent.name}/{names[image]['file_name']}")
            file.write_text(json.dumps(value))
        dataset = Dataset.open(copy)
        report = dataset.check(features=False)
        found = images_found(report, dataset, "box-misses-mask")
        known = before.get("box-misses-mask", set())
        hits = len(found & wanted)
        return [
            Row(
                "car-damage",
                "box moved by half, 80 % as high",
                "box-misses-mask",
                len(wanted),
                len(found),
                hits,
                len(known),
            )
        ]


def detector_faults(source: Path) -> list[Row]:
    """Labels of `bccd` spoilt, judged by simulated detections: true boxes moved by 4 %, 8 % missed, scores 0.6 to 1."""
    dataset = Dataset.open(source / "bccd")
    random = np.random.default_rng(0)
    objects = dataset.objects
    size = np.tile(objects.bbox[:, 2:] - objects.bbox[:, :2], 2)
    seen = random.random(len(objects)) > 0.08
    detections = Detections.from_unsorted(
        images=len(dataset),
        image=objects.image[seen],
        labels=objects.label[seen],
        boxes=(objects.bbox + random.normal(0, 0.04, objects.bbox.shape) * size)[seen],
        scores=random.uniform(0.6, 1.0, len(objects))[seen],
    )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "bccd"
        export_dataset(dataset, target, "jsonl")
        spoilt, wanted = Faults(Dataset.open(target), target), {}
        for fault, name in (
            ("removed", "overlooked-object"),
            ("moved by half", "badly-placed-box"),
            ("class swapped", "swapped-class"),
        ):
            chosen = set()
            while len(chosen) < 30:
                (image,) = spoilt.take(1)
                record = spoilt.record(image)
                boxes = list(record["label"])  # type: ignore[call-overload]
                at = int(random.integers(len(boxes)))
                box = boxes[at]
                if fault == "removed":
                    del boxes[at]
                elif fault == "moved by half":
                    width = box["bottomX"] - box["topX"]
                    step = width / 2 if box["bottomX"] + width / 2 < 1 else -min(width / 2, box["topX"])
                    boxes[at] = {**box, "topX": box["topX"] + step, "bottomX": box["bottomX"] + step}
                else:
                    boxes[at] = {**box, "label": str(random.choice([c for c in dataset.classes if c != box["label"]]))}
                if boxes:
                    spoilt.write(image, {**record, "label": boxes})
                    chosen.add(image)
            wanted[f"box {fault}"] = (name, chosen)
        spoilt.save()
        opened = Dataset.open(target)
        row_of = {image: row for row, image in enumerate(opened.table["image"].to_pylist())}
        names = dataset.table["image"].to_pylist()
        rows = np.array([row_of[names[row]] for row in detections.image.tolist()])
        labels = np.array([opened.classes.index(dataset.classes[i]) for i in detections.labels.tolist()])
        predictions = Detections.from_unsorted(len(opened), rows, labels, detections.boxes, detections.scores)
        report = opened.check(features=False, predictions=predictions)
        return single_rows("bccd", spoilt, report, {}, wanted)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", help="one set")
    parser.add_argument("--no-features", action="store_true")
    parser.add_argument("--cache", type=Path, help="folder that keeps features between runs")
    arguments = parser.parse_args()

    def check(dataset: Dataset) -> DataReport:
        start = time.perf_counter()
        report = dataset.check(features=not arguments.no_features, cache=arguments.cache)
        print(f"{len(dataset)} images checked in {time.perf_counter() - start:.1f} s", file=sys.stderr)
        return report

    rows: list[Row] = []
    for data in ("clothing", "bccd", "car-damage"):
        if arguments.only not in (None, data):
            continue
        untouched = Dataset.open(arguments.data / data)
        report = check(untouched)
        before = {name: images_found(report, untouched, name) for name in report.checks}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows += image_faults(data, arguments.data, folder, before, check)
            if data == "clothing":
                rows += label_noise(arguments.data, folder, before, check)
            else:
                rows += object_faults(data, arguments.data, folder, before, check)
            if data == "bccd":
                rows += detector_faults(arguments.data)
            if data == "car-damage":
                rows += box_and_mask(arguments.data, before)
    for line in [HEADER, ["---"] * len(HEADER), *(row.cells for row in rows)]:
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()

"""A small dataset in each format of the product: what the reader of another format must leave to them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

Box = tuple[float, float, float, float]
Expected = Mapping[str, Sequence[str | tuple[str, Box]]]
"""By image: its labels, or the label and the box of each of its objects, in pixels."""

IMAGES = 12
WIDTH, HEIGHT = 100, 80
BOX: Box = (10.0, 20.0, 30.0, 60.0)  # the one object of each image, where objects are labelled
ANIMALS = ("cat", "dog")  # in turns

Content = str | bytes


@dataclass(frozen=True)
class Layout:
    """The files of a small dataset.

    Attributes:
        images: paths of the images, in order.
        files: contents of the other files by path.
        classes: the two classes, which the images have in turns.
        objects: whether objects are labelled, each at `BOX`.
    """

    images: tuple[str, ...]
    files: Mapping[str, Content]
    classes: tuple[str, str] = ANIMALS
    objects: bool = False

    @property
    def expected(self) -> Expected:
        """What has to be read."""
        labels = [self.classes[i % 2] for i in range(len(self.images))]
        return {
            image: [(label, BOX) if self.objects else label] for image, label in zip(self.images, labels, strict=True)
        }

    def write(self, folder: Path) -> Expected:
        """Write the files below a folder; returns what has to be read from them."""
        for i, image in enumerate(self.images):
            write_image(folder / image, i)
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
        return self.expected


def write_image(path: Path, seed: int = 0) -> None:
    """Write an image of `WIDTH` x `HEIGHT` pixels with something at `BOX`, which looks alike for even and odd seeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (WIDTH, HEIGHT), (20 * seed % 256, 90, 120))
    ImageDraw.Draw(image).rectangle(BOX, fill=((230, 40, 40), (40, 230, 40))[seed % 2])
    image.save(path)


def _names(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.format(i) for i in range(IMAGES))


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _animal(i: int) -> str:
    return ANIMALS[i % 2]


def _mask(value: int) -> bytes:
    left, top, right, bottom = map(int, BOX)
    array = np.zeros((HEIGHT, WIDTH), np.uint16 if value > 255 else np.uint8)
    array[top:bottom, left:right] = value
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def _json_lines(field: str) -> str:
    return _lines(*(json.dumps({field: f"{i}.png", "label": _animal(i)}) for i in range(IMAGES)))


def _corners() -> list[list[float]]:
    left, top, right, bottom = BOX
    return [[left, top], [right, bottom]]


def _size() -> list[float]:
    left, top, right, bottom = BOX
    return [left, top, right - left, bottom - top]


def _coco() -> str:
    x, y, width, height = _size()
    return json.dumps(
        {
            "images": [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in range(IMAGES)],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1 + i % 2, "bbox": [x, y, width, height],
                 "area": width * height, "iscrowd": 0, "segmentation": []}
                for i in range(IMAGES)
            ],
            "categories": [{"id": 1 + i, "name": name} for i, name in enumerate(ANIMALS)],
        }
    )  # fmt: skip


def _voc(i: int) -> str:
    edges = "".join(f"<{n}>{v:g}</{n}>" for n, v in zip(("xmin", "ymin", "xmax", "ymax"), BOX, strict=True))
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    found = f"<object><name>{_animal(i)}</name><bndbox>{edges}</bndbox></object>"
    return f"<annotation><filename>{i}.png</filename>{size}{found}</annotation>"


def _cvat() -> str:
    edges = " ".join(f'{n}="{v:.2f}"' for n, v in zip(("xtl", "ytl", "xbr", "ybr"), BOX, strict=True))
    images = [
        f'<image id="{i}" name="{i}.png" width="{WIDTH}" height="{HEIGHT}">'
        f'<box label="{_animal(i)}" occluded="0" {edges} z_order="0"></box></image>\n'
        for i in range(IMAGES)
    ]
    return f"<annotations><version>1.1</version>\n{''.join(images)}</annotations>"


def _label_studio() -> str:
    x, y, width, height = _size()
    percent = {"x": 100 * x / WIDTH, "y": 100 * y / HEIGHT, "width": 100 * width / WIDTH,
               "height": 100 * height / HEIGHT, "rotation": 0}  # fmt: skip
    return json.dumps(
        [
            {
                "id": i,
                "annotations": [{"id": i, "result": [{
                    "original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "id": f"r{i}",
                    "type": "rectanglelabels", "from_name": "label", "to_name": "image",
                    "value": {**percent, "rectanglelabels": [_animal(i)]},
                }]}],
                "data": {"image": f"{i}.png"},
            }
            for i in range(IMAGES)
        ]
    )  # fmt: skip


def _via() -> str:
    shape = dict(zip(("x", "y", "width", "height"), _size(), strict=True))
    return json.dumps(
        {
            f"{i}.png9": {
                "filename": f"{i}.png", "size": 9, "file_attributes": {},
                "regions": [{"shape_attributes": {"name": "rect", **shape},
                             "region_attributes": {"label": _animal(i)}}],
            }
            for i in range(IMAGES)
        }
    )  # fmt: skip


def _labelme(i: int) -> str:
    shape: dict[str, Any] = {
        "label": _animal(i),
        "points": _corners(),
        "group_id": None,
        "shape_type": "rectangle",
        "flags": {},
    }
    whole: dict[str, Any] = {
        "version": "5.4.1",
        "flags": {},
        "shapes": [shape],
        "imagePath": f"{i}.png",
        "imageData": None,
    }
    return json.dumps({**whole, "imageHeight": HEIGHT, "imageWidth": WIDTH})


def _createml() -> str:
    x, y, width, height = _size()
    centre = {"x": x + width / 2, "y": y + height / 2, "width": width, "height": height}
    rows = [{"image": f"{i}.png", "annotations": [{"label": _animal(i), "coordinates": centre}]} for i in range(IMAGES)]
    return json.dumps(rows)


def _yolo(i: int) -> str:
    x, y, width, height = _size()
    shares = (x + width / 2) / WIDTH, (y + height / 2) / HEIGHT, width / WIDTH, height / HEIGHT
    return f"{i % 2} {' '.join(f'{share:.6g}' for share in shares)}\n"


def _each(pattern: str, content: Any) -> dict[str, Content]:
    return {pattern.format(i): content(i) for i in range(IMAGES)}


_FLAT, _INSIDE = _names("{}.png"), _names("images/{}.png")
_NUMBERS = range(IMAGES)

LAYOUTS: dict[str, Layout] = {
    "mltable": Layout(_FLAT, {"MLTable": "paths:\n  - file: ./train.jsonl\n", "train.jsonl": _json_lines("image_url")}),
    "cub": Layout(
        _INSIDE,
        {
            "images.txt": _lines(*(f"{i} {i}.png" for i in _NUMBERS)),
            "image_class_labels.txt": _lines(*(f"{i} {1 + i % 2}" for i in _NUMBERS)),
            "classes.txt": "1 cat\n2 dog\n",
            "train_test_split.txt": _lines(*(f"{i} 1" for i in _NUMBERS)),
        },
    ),
    "roboflow-multilabel": Layout(
        _names("train/{}.png"),
        {"train/_classes.csv": _lines("filename,cat,dog", *(f"{i}.png,{1 - i % 2},{i % 2}" for i in _NUMBERS))},
    ),
    "coco": Layout(_FLAT, {"train.json": _coco()}, objects=True),
    "voc": Layout(_FLAT, _each("{}.xml", _voc), objects=True),
    "cvat": Layout(_FLAT, {"annotations.xml": _cvat()}, objects=True),
    "label-studio": Layout(_FLAT, {"export.json": _label_studio()}, objects=True),
    "via": Layout(_FLAT, {"via.json": _via()}, objects=True),
    "labelme": Layout(_FLAT, _each("{}.json", _labelme), objects=True),
    "createml": Layout(_FLAT, {"train.json": _createml()}, objects=True),
    "yolo": Layout(
        _INSIDE, {"data.yaml": "names: [cat, dog]\ntrain: images\n", **_each("labels/{}.txt", _yolo)}, objects=True
    ),
    "cityscapes": Layout(
        _names("leftImg8bit/train/ulm/{}_leftImg8bit.png"),
        _each("gtFine/train/ulm/{}_gtFine_instanceIds.png", lambda i: _mask((24000, 26000)[i % 2])),
        classes=("person", "car"),
        objects=True,
    ),
    "txt": Layout(
        _INSIDE,
        _each("boxes/{}.txt", lambda i: f"x1 y1 x2 y2 label\n{' '.join(f'{v:g}' for v in BOX)} {_animal(i)}\n"),
        objects=True,
    ),
    "huggingface": Layout(_FLAT, {"metadata.jsonl": _json_lines("file_name")}),
    "jsonl": Layout(_FLAT, {"train.jsonl": _json_lines("image_url")}),
    "csv": Layout(_FLAT, {"labels.csv": _lines("image,label", *(f"{i}.png,{_animal(i)}" for i in _NUMBERS))}),
    "masks": Layout(
        _INSIDE, {"classes.txt": "cat\ndog\n", **_each("masks/{}.png", lambda i: _mask(1 + i % 2))}, objects=True
    ),
    "folder": Layout(tuple(f"{_animal(i)}/{i}.png" for i in _NUMBERS), {}),
}
"""By name of the format."""

NOTHING: dict[str, Layout] = {
    "an empty folder": Layout((), {}),
    "images alone": Layout(_FLAT, {}),
    "images in a folder": Layout(_INSIDE, {}),
    "a project of something else": Layout(
        ("docs/logo.png",),
        {
            "README.md": "# A program\n",
            "package.json": '{"name": "x", "version": "1.0.0"}',
            "pom.xml": "<project><name>x</name></project>",
            "conda.yaml": "name: x\ndependencies: [python]\n",
            "log.jsonl": '{"loss": 1}\n{"loss": 0.5}\n',
            "results.csv": "epoch,loss\n1,2\n2,1\n",
            "requirements.txt": "numpy\n",
        },
    ),
}
"""Folders without annotations in any format."""

"""Photos with an EXIF rotation, and annotations made before or after it; the right places were worked out by hand.

The file's pixels are 96 x 64. On them the object is at (10, 20, 40, 36), its triangle (10, 20) (40, 20) (40, 36), and
its mask the box without the pixel of row 20 and column 10.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.masks import MaskCode, encode_mask
from automl_vision.formats.export import export_dataset
from heic_files import HEIC_TURNED

WIDTH, HEIGHT = 96, 64
RAW = (10, 20, 40, 36)
UPRIGHT = {  # orientation: box, triangle, pixel that the mask lacks (row, column), on the upright image
    1: ((10, 20, 40, 36), (10, 20, 40, 20, 40, 36), (20, 10)),
    2: ((56, 20, 86, 36), (86, 20, 56, 20, 56, 36), (20, 85)),
    3: ((56, 28, 86, 44), (86, 44, 56, 44, 56, 28), (43, 85)),
    4: ((10, 28, 40, 44), (10, 44, 40, 44, 40, 28), (43, 10)),
    5: ((20, 10, 36, 40), (20, 10, 20, 40, 36, 40), (10, 20)),
    6: ((28, 10, 44, 40), (44, 10, 44, 40, 28, 40), (10, 43)),
    7: ((28, 56, 44, 86), (44, 86, 44, 56, 28, 56), (85, 43)),
    8: ((20, 56, 36, 86), (20, 86, 20, 56, 36, 56), (85, 20)),
}
TURNED = (5, 6, 7, 8)
ORIENTATIONS = tuple(UPRIGHT)
Box = tuple[float, float, float, float]


def photo(orientation: int, number: int = 0) -> bytes:
    """A photo whose object is red; `number` tells files apart."""
    pixels = np.full((HEIGHT, WIDTH, 3), (40, 40, 60 + number), np.uint8)
    x1, y1, x2, y2 = RAW
    pixels[y1:y2, x1:x2] = (230, 20, 20)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def write_photos(root: Path, orientations: tuple[int, ...] = ORIENTATIONS) -> dict[str, int]:
    """Photos, each orientation named in turn until there are 12; the orientation by file name."""
    names = {}
    for number in range(max(12, len(orientations))):
        orientation = orientations[number % len(orientations)]
        names[f"{number:02d}.jpg"] = orientation
        root.mkdir(exist_ok=True)
        (root / f"{number:02d}.jpg").write_bytes(photo(orientation, number))
    return names


def label(number: int) -> str:
    return ("cat", "dog")[number % 2]


def size_of(orientation: int, before: bool) -> tuple[int, int]:
    return (HEIGHT, WIDTH) if orientation in TURNED and not before else (WIDTH, HEIGHT)


def box_of(orientation: int, before: bool) -> Box:
    return RAW if before else UPRIGHT[orientation][0]


def write_coco(root: Path, names: dict[str, int], before: bool, **more: Any) -> None:
    images, annotations = [], []
    for i, (name, orientation) in enumerate(names.items()):
        width, height = size_of(orientation, before)
        images.append({"id": i, "file_name": name, "width": width, "height": height})
        x1, y1, x2, y2 = box_of(orientation, before)
        value = {"id": i, "image_id": i, "category_id": i % 2, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        annotations.append(value)
    categories = [{"id": i, "name": label(i)} for i in range(2)]
    document = {"images": images, "annotations": annotations, "categories": categories, **more}
    (root / "annotations.json").write_text(json.dumps(document))


def write_voc(root: Path, names: dict[str, int], before: bool) -> None:
    for i, (name, orientation) in enumerate(names.items()):
        (width, height), box = size_of(orientation, before), box_of(orientation, before)
        corners = "".join(f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        (root / name).with_suffix(".xml").write_text(
            f"<annotation><filename>{name}</filename><size><width>{width}</width><height>{height}</height></size>"
            f"<object><name>{label(i)}</name><bndbox>{corners}</bndbox></object></annotation>"
        )


def write_via(root: Path, names: dict[str, int], before: bool) -> None:
    document = {}
    for i, (name, orientation) in enumerate(names.items()):
        x1, y1, x2, y2 = box_of(orientation, before)
        shape = {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
        regions = [{"shape_attributes": shape, "region_attributes": {"name": label(i)}}]
        document[name] = {"filename": name, "size": 9, "regions": regions, "file_attributes": {}}
    (root / "via.json").write_text(json.dumps(document))


def write_labelme(root: Path, names: dict[str, int], before: bool) -> None:
    for i, (name, orientation) in enumerate(names.items()):
        (width, height), (x1, y1, x2, y2) = size_of(orientation, before), box_of(orientation, before)
        shape = {"label": label(i), "points": [[x1, y1], [x2, y2]], "shape_type": "rectangle", "group_id": None}
        document = {"version": "5.0.1", "flags": {}, "shapes": [shape], "imagePath": name, "imageData": None}
        (root / name).with_suffix(".json").write_text(
            json.dumps({**document, "imageWidth": width, "imageHeight": height})
        )


def write_cvat(root: Path, names: dict[str, int], before: bool) -> None:
    images = []
    for i, (name, orientation) in enumerate(names.items()):
        (width, height), (x1, y1, x2, y2) = size_of(orientation, before), box_of(orientation, before)
        box = f'<box label="{label(i)}" occluded="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"></box>'
        images.append(f'<image id="{i}" name="{name}" width="{width}" height="{height}">{box}</image>')
    text = "".join(images)
    (root / "annotations.xml").write_text(f"<annotations><version>1.1</version>{text}</annotations>")


def write_label_studio(root: Path, names: dict[str, int], before: bool) -> None:
    tasks = []
    for i, (name, orientation) in enumerate(names.items()):
        (width, height), (x1, y1, x2, y2) = size_of(orientation, before), box_of(orientation, before)
        shares = {"x": x1 / width, "y": y1 / height, "width": (x2 - x1) / width, "height": (y2 - y1) / height}
        value = {**{key: 100 * share for key, share in shares.items()}, "rotation": 0, "rectanglelabels": [label(i)]}
        result = {"original_width": width, "original_height": height, "type": "rectanglelabels", "value": value}
        result |= {"id": f"r{i}", "from_name": "label", "to_name": "image"}
        tasks.append({"id": i, "data": {"image": name}, "annotations": [{"id": i, "result": [result]}]})
    (root / "tasks.json").write_text(json.dumps(tasks))


def write_yolo(root: Path, names: dict[str, int], before: bool) -> None:
    for i, (name, orientation) in enumerate(names.items()):
        (width, height), (x1, y1, x2, y2) = size_of(orientation, before), box_of(orientation, before)
        values = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        (root / name).with_suffix(".txt").write_text(" ".join(map(str, (i % 2, *values))) + "\n")
    (root / "classes.txt").write_text("cat\ndog\n")


def write_csv(root: Path, names: dict[str, int], before: bool) -> None:
    rows = ["filename,xmin,ymin,xmax,ymax,class"]
    for i, (name, orientation) in enumerate(names.items()):
        rows.append(",".join(map(str, (name, *box_of(orientation, before), label(i)))))
    (root / "boxes.csv").write_text("\n".join(rows) + "\n")


STATES_SIZES = (write_coco, write_voc, write_labelme, write_cvat, write_label_studio)
Writer = Callable[[Path, dict[str, int], bool], None]


def boxes_of(dataset: Dataset, names: dict[str, int]) -> dict[str, Box]:
    """The one box of each image; in the decoded picture it is red, and only it."""
    found = {}
    for image in dataset:
        (value,) = image.objects
        assert value.bbox is not None
        x1, y1, x2, y2 = found[image.reference] = tuple(round(number, 3) for number in value.bbox)
        assert image.size == size_of(names[image.reference], before=False)
        if any(number != round(number) for number in value.bbox):
            continue
        red = np.asarray(image.image())[..., 0] > 135
        inside = np.zeros_like(red)
        inside[int(y1) : int(y2), int(x1) : int(x2)] = True
        assert (red == inside).mean() > 0.99, f"{image.reference}: the box is not where the object is"
    return found


def expected(names: dict[str, int]) -> dict[str, Box]:
    return {name: UPRIGHT[orientation][0] for name, orientation in names.items()}


def notes_of(dataset: Dataset) -> str:
    return "\n".join(note.reason for note in dataset.report.notes)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("write", STATES_SIZES)
def test_boxes_with_a_stated_size(write: Writer, before: bool, orientation: int, tmp_path: Path) -> None:
    """A rotation by a quarter turn shows in the stated size; the other rotations follow the photos that show it."""
    names = write_photos(tmp_path, (orientation, 6, 8))
    write(tmp_path, names, before)
    dataset = Dataset.open(tmp_path)
    assert boxes_of(dataset, names) == expected(names)
    assert "differ in size" not in notes_of(dataset)
    assert ("made before it" in notes_of(dataset)) == before


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("write", [write_yolo, write_csv, write_via, write_coco])
def test_the_user_decides(write: Writer, orientation: int, tmp_path: Path) -> None:
    for before, exif in ((True, "annotated-raw"), (False, "annotated-upright")):
        names = write_photos(tmp_path, (orientation,))
        write(tmp_path, names, before)
        assert boxes_of(Dataset.open(tmp_path, exif=exif), names) == expected(names)


def test_shares_say_which_reading_was_taken(tmp_path: Path) -> None:
    names = write_photos(tmp_path)
    write_yolo(tmp_path, names, before=False)
    dataset = Dataset.open(tmp_path)
    assert boxes_of(dataset, names) == expected(names)
    assert 'exif="annotated-raw"' in notes_of(dataset)
    assert "10 images" in notes_of(dataset)  # of 12, two have the orientation 1


@pytest.mark.parametrize("write", [write_csv, write_via])
def test_a_box_beyond_the_upright_image_was_made_before(write: Writer, tmp_path: Path) -> None:
    """No size is stated; a box at x = 86 of an upright width of 64 can only be of the pixels as they are stored."""
    names = write_photos(tmp_path, (6,))
    write(tmp_path, names, before=True)
    beyond = (66, 20, 86, 36)
    if write is write_csv:
        file = tmp_path / "boxes.csv"
        file.write_text(file.read_text() + f"00.jpg,{','.join(map(str, beyond))},cat\n")
    else:
        document = json.loads((tmp_path / "via.json").read_text())
        shape = {"name": "rect", "x": 66, "y": 20, "width": 20, "height": 16}
        document["00.jpg"]["regions"].append({"shape_attributes": shape, "region_attributes": {"name": "cat"}})
        (tmp_path / "via.json").write_text(json.dumps(document))
    found = {image.reference: [value.bbox for value in image.objects] for image in Dataset.open(tmp_path)}
    assert found["00.jpg"] == [(28, 10, 44, 40), (28, 66, 44, 86)]
    assert found["01.jpg"] == [(28, 10, 44, 40)]  # the others follow it


def swapped_sizes(root: Path, names: dict[str, int], **more: Any) -> None:
    """COCO whose boxes are of the upright image and whose sizes are those of the stored pixels."""
    write_coco(root, names, before=False, **more)
    document = json.loads((root / "annotations.json").read_text())
    for image in document["images"]:
        image["width"], image["height"] = WIDTH, HEIGHT
    (root / "annotations.json").write_text(json.dumps(document))


@pytest.mark.parametrize("orientations", [(6,), (8,), (5,), (7,), ORIENTATIONS])
def test_swapped_sizes_of_label_studio(orientations: tuple[int, ...], tmp_path: Path) -> None:
    """Its export names itself, whatever the boxes are."""
    names = write_photos(tmp_path, orientations)
    swapped_sizes(tmp_path, names, info={"year": 2026, "version": "1.0", "contributor": "Label Studio"})
    dataset = Dataset.open(tmp_path)
    assert boxes_of(dataset, names) == expected(names)
    assert "swapped" in notes_of(dataset)


@pytest.mark.parametrize("orientation", [7, 8])
def test_swapped_sizes_show_in_a_box_beyond_them(orientation: int, tmp_path: Path) -> None:
    """Lower edges at 86 of a stated height of 64: the boxes are of the upright image, of whichever program."""
    names = write_photos(tmp_path, (orientation, 6))  # boxes on those of 6 would fit either way
    swapped_sizes(tmp_path, names)
    dataset = Dataset.open(tmp_path)
    assert boxes_of(dataset, names) == expected(names)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_polygons_follow(orientation: int, tmp_path: Path) -> None:
    names = write_photos(tmp_path, (orientation, 6))
    write_coco(tmp_path, names, before=True)
    document = json.loads((tmp_path / "annotations.json").read_text())
    for value in document["annotations"]:
        value["segmentation"] = [[10, 20, 40, 20, 40, 36]]
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    for image in Dataset.open(tmp_path):
        box, triangle, _ = UPRIGHT[names[image.reference]]
        (value,) = image.objects
        assert value.bbox == box and [list(s) for s in value.segments] == [list(triangle)]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_masks_follow(orientation: int, tmp_path: Path) -> None:
    names = write_photos(tmp_path, (orientation, 6))
    write_coco(tmp_path, names, before=True)
    document = json.loads((tmp_path / "annotations.json").read_text())
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20:36, 10:40] = True
    mask[20, 10] = False
    for value in document["annotations"]:
        value["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": encode_mask(mask).counts}
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    dataset = Dataset.open(tmp_path)
    assert len(dataset.objects) == len(names)
    for image in dataset:
        (x1, y1, x2, y2), _, lacking = UPRIGHT[names[image.reference]]
        (value,) = image.objects
        wanted = np.zeros(image.size[::-1], bool)
        wanted[y1:y2, x1:x2] = True
        wanted[lacking] = False
        np.testing.assert_array_equal(MaskCode.from_text(value.rle).decode(), wanted)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_mask_files(before: bool, tmp_path: Path) -> None:
    """A mask's own size says on which pixels it was drawn; Label Studio and SAM write them for the upright image."""
    names = write_photos(tmp_path / "images", (6, 8))
    (tmp_path / "masks").mkdir()
    for name, orientation in names.items():
        width, height = size_of(orientation, before)
        mask = np.zeros((height, width), np.uint8)
        x1, y1, x2, y2 = box_of(orientation, before)
        mask[y1:y2, x1:x2] = 1 + int(name[:2]) % 2
        Image.fromarray(mask).save(tmp_path / "masks" / name.replace(".jpg", ".png"))
    (tmp_path / "classes.txt").write_text("background\ncat\ndog\n")
    dataset = Dataset.open(tmp_path)
    found = {image.reference.rpartition("/")[2]: image.objects[0].bbox for image in dataset}
    assert found == expected(names)


def test_a_size_that_is_neither(tmp_path: Path) -> None:
    """Annotations of a smaller copy are left, and said to be misplaced, as before."""
    names = write_photos(tmp_path, (6,))
    write_coco(tmp_path, names, before=False)
    document = json.loads((tmp_path / "annotations.json").read_text())
    for image in document["images"]:
        image["width"], image["height"] = 640, 480
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    dataset = Dataset.open(tmp_path)
    assert "12 images differ in size" in notes_of(dataset)
    assert [image.objects[0].bbox for image in dataset] == [UPRIGHT[6][0]] * 12


def test_photos_without_a_rotation_are_left(tmp_path: Path) -> None:
    names = write_photos(tmp_path, (1,))
    write_coco(tmp_path, names, before=True)
    dataset = Dataset.open(tmp_path, exif="annotated-raw")
    assert boxes_of(dataset, names) == expected(names) and not dataset.report.notes


def test_an_unknown_reading(tmp_path: Path) -> None:
    names = write_photos(tmp_path)
    write_coco(tmp_path, names, before=True)
    with pytest.raises(DataError, match='exif must be one of auto, annotated-raw, annotated-upright, not "raw"'):
        Dataset.open(tmp_path, exif="raw")


@pytest.mark.parametrize("format_", ["coco", "csv", "jsonl", "voc", "yolo"])
def test_exports_open_as_they_were(format_: str, tmp_path: Path) -> None:
    """Photos keep their rotation in an export, and its boxes are of the upright images."""
    source = tmp_path / "source"
    names = write_photos(source)
    write_voc(source, names, before=True)
    export_dataset(Dataset.open(source), tmp_path / "out", format_)
    again = Dataset.open(tmp_path / "out")
    found = {image.reference.rpartition("/")[2]: image.objects[0].bbox for image in again}
    assert {name: tuple(map(round, box)) for name, box in found.items()} == expected(names)


def test_tiff(tmp_path: Path) -> None:
    """TIFF states its rotation in a tag of its own, and Pillow returns its size upright."""
    names = {}
    for number in range(12):
        name = f"{number:02d}.tif"
        with Image.open(io.BytesIO(photo(1, number))) as image:
            exif = Image.Exif()
            exif[0x0112] = 6
            image.save(tmp_path / name, exif=exif)
        names[name] = 6
    write_coco(tmp_path, names, before=True)
    assert boxes_of(Dataset.open(tmp_path), names) == expected(names)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("suffix", ["heic", "avif", "png", "jpg"])
def test_other_containers(suffix: str, before: bool, tmp_path: Path) -> None:
    """HEIC is turned by a box of its own, AVIF too, PNG by a chunk; a HEIC that is called JPEG is one."""
    if suffix in ("heic", "jpg"):
        pytest.importorskip("pi_heif", reason="HEIC needs the extra heic")
        data = HEIC_TURNED
    else:
        file, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = 6
        with Image.open(io.BytesIO(photo(1))) as image:
            image.save(file, suffix, exif=exif)
        data = file.getvalue()
    names = {f"{number:02d}.{suffix}": 6 for number in range(12)}
    for name in names:
        (tmp_path / name).write_bytes(data)
    write_coco(tmp_path, names, before)
    assert boxes_of(Dataset.open(tmp_path), names) == expected(names)


def test_files_that_are_not_read(tmp_path: Path) -> None:
    """Nobody knows which of them are turned; a sample tells that some are."""
    names = write_photos(tmp_path)
    write_coco(tmp_path, names, before=True)
    assert "10 of 12 images that were looked at are turned" in notes_of(Dataset.open(tmp_path, read_images=False))
    plain = tmp_path / "plain"
    write_coco(plain, write_photos(plain, (1,)), before=True)
    assert not notes_of(Dataset.open(plain, read_images=False))

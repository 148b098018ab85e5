"""What counts is what a file holds, not what it is called; DICOM by its window and its modality's values."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl_vision.core.errors import DataError, ImageError
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_names import is_image
from automl_vision.data.images import load_pixels, open_image, upright_size
from automl_vision.data.value_range import BYTES_ONLY, ValueRange
from automl_vision.serving.command import image_files
from heic_files import HEIC, HEIC_TURNED

RED = (230, 20, 20)


def picture(format_: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 16), RED).save(file, format_)
    return file.getvalue()


CONTENTS: list[tuple[str, bytes, str]] = [  # name, contents, format
    *(
        (f"a{suffix}", picture("JPEG"), "JPEG")
        for suffix in (".jpg", ".jpeg", ".jpe", ".jfif", ".JPG", ".JFIF", ".Jpe")
    ),
    *((f"a{suffix}", picture("TIFF"), "TIFF") for suffix in (".tif", ".tiff", ".TIF", ".TIFF")),
    *((f"a{suffix}", picture("AVIF"), "AVIF") for suffix in (".avif", ".AVIF", ".jpg", ".heic")),
    *((f"a{suffix}", HEIC, "HEIF") for suffix in (".heic", ".HEIC", ".heif", ".hif", ".jpg", ".png")),
    *((f"a{suffix}", picture("JPEG"), "JPEG") for suffix in (".heic", ".png", ".dcm", ".tiff")),
    *((f"a{suffix}", picture("PNG"), "PNG") for suffix in (".jpg", ".PNG", ".avif", ".webp", ".bmp")),
    *((f"a{suffix}", picture("WEBP"), "WEBP") for suffix in (".webp", ".jpg", ".gif")),
]


@pytest.mark.parametrize(("name", "data", "format_"), CONTENTS, ids=[f"{f} called {n}" for n, _, f in CONTENTS])
def test_contents_count(name: str, data: bytes, format_: str, tmp_path: Path) -> None:
    if format_ == "HEIF":
        pytest.importorskip("pi_heif", reason="HEIC needs the extra heic")
    stem, _, suffix = name.partition(".")
    for number in range(12):
        path = tmp_path / ("a", "b")[number % 2] / f"{stem}{number}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    dataset = Dataset.open(tmp_path)
    assert len(dataset) == 12 and not dataset.report.problems
    opened = open_image(data)
    assert opened.format == format_ and upright_size(opened) == dataset[0].size
    if format_ != "HEIF":
        np.testing.assert_allclose(np.asarray(dataset[0].image())[8, 12], RED, atol=6)
    assert len(list(image_files([tmp_path]))) == 12  # what the command `predict` finds in a folder


def test_heic() -> None:
    pytest.importorskip("pi_heif", reason="HEIC needs the extra heic")
    for data, size, object_ in ((HEIC, (96, 64), (10, 20, 40, 36)), (HEIC_TURNED, (64, 96), (28, 10, 44, 40))):
        assert upright_size(open_image(data)) == size
        red = load_pixels(data)[..., 0] > 135
        rows, columns = np.nonzero(red)
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == object_


def without(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a package is not installed."""
    monkeypatch.setitem(sys.modules, module, None)


def test_heic_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without("pi_heif", monkeypatch)
    without("pillow_heif", monkeypatch)
    with pytest.raises(ImageError, match=r'the file is HEIC; to read it: pip install "automl-vision\[heic\]"'):
        open_image(HEIC)
    for number in range(12):
        path = tmp_path / ("a", "b")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(HEIC)
    with pytest.raises(DataError, match=r"automl-vision\[heic\]"):
        Dataset.open(tmp_path)


def test_dicom_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    without("pydicom", monkeypatch)
    with pytest.raises(ImageError, match=r'the file is DICOM; to read it: pip install "automl-vision\[dicom\]"'):
        open_image(b"\0" * 128 + b"DICM" + b"\0" * 100)


def test_a_film_in_the_same_container_is_no_image() -> None:
    with pytest.raises(ImageError, match="not an image of a known format"):
        open_image(b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + b"\0" * 100)


def test_a_broken_heic_is_named() -> None:
    pytest.importorskip("pi_heif", reason="HEIC needs the extra heic")
    for end in (30, 200, len(HEIC) - 300):
        with pytest.raises(ImageError):
            load_pixels(HEIC[:end])


@pytest.mark.parametrize("name", ["a.jfif", "A.JPE", "b.HEIC", "c.avif", "d.dcm", "e.TIFF", "f.hif"])
def test_names_of_images(name: str) -> None:
    assert is_image(name)


# DICOM

UNITS = np.repeat(np.repeat([[0, 1000, 2000, 3000]], 3, axis=1), 8, axis=0)  # (8, 12), stored values


def dicom(values: np.ndarray = UNITS, **tags: Any) -> bytes:
    """A DICOM file of 12 bits in 16; `tags` add to it."""
    pydicom = pytest.importorskip("pydicom", reason="DICOM needs the extra dicom")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    is_byte, bands = values.dtype == np.uint8, values.shape[2] if values.ndim == 3 else 1
    own = {
        "SOPClassUID": SecondaryCaptureImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Rows": values.shape[0], "Columns": values.shape[1], "SamplesPerPixel": bands, "PlanarConfiguration": 0,
        "PhotometricInterpretation": "RGB" if bands == 3 else "MONOCHROME2", "BitsAllocated": 8 if is_byte else 16,
        "BitsStored": 8 if is_byte else 12, "HighBit": 7 if is_byte else 11, "PixelRepresentation": 0,
        "PixelData": values.astype(np.uint8 if is_byte else np.int16).tobytes(),
    }  # fmt: skip
    if bands == 1:
        del own["PlanarConfiguration"]
    for name, value in (own | tags).items():
        setattr(file, name, value)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, file)
    return buffer.getvalue()


HOUNSFIELD = {"RescaleSlope": 1, "RescaleIntercept": -1000, "WindowCenter": 500.5, "WindowWidth": 1001}
# the window goes from 500.5 - 0.5 - 500 = 0 to 500.5 - 0.5 + 500 = 1000 units, which are stored as 1000 and 2000
GREYS = [
    ("a window of Hounsfield units", HOUNSFIELD, (0, 1000, "file"), [0, 0, 255, 255]),
    ("several windows, the first counts", HOUNSFIELD | {"WindowCenter": [500.5, 40], "WindowWidth": [1001, 400]},
     (0, 1000, "file"), [0, 0, 255, 255]),
    ("no window", {}, (0, 3000, "training images"), [0, 85, 170, 255]),
    ("stored inverted", {"PhotometricInterpretation": "MONOCHROME1"}, (1095, 4095, "training images"),
     [255, 170, 85, 0]),
    ("stored inverted, with a window from 0 to 2000",  # upright from 2095 to 4095
     {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 1000.5, "WindowWidth": 2001},
     (2095, 4095, "file"), [255, 128, 0, 0]),
    ("a slope", {"RescaleSlope": 2, "RescaleIntercept": 100}, (100, 6100, "training images"), [0, 85, 170, 255]),
]  # fmt: skip


def write(root: Path, data: bytes, suffix: str = "dcm") -> Path:
    for number in range(12):
        path = root / ("a", "b")[number % 2] / f"{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


@pytest.mark.parametrize(("name", "tags", "range_", "levels"), GREYS, ids=[name for name, *_ in GREYS])
def test_dicom(name: str, tags: dict[str, Any], range_: tuple[float, float, str], levels: list[int], tmp_path: Path):
    dataset = Dataset.open(write(tmp_path, dicom(**tags)))
    assert dataset.value_range == ValueRange(*range_)
    assert dataset[0].size == (12, 8)
    np.testing.assert_allclose(np.asarray(dataset[0].image())[0, ::3, 0], levels, atol=1)


def test_dicom_of_bytes_and_colours() -> None:
    grey = np.arange(96, dtype=np.uint8).reshape(8, 12)
    np.testing.assert_array_equal(load_pixels(dicom(grey), value_range=BYTES_ONLY)[..., 1], grey)
    colour = np.broadcast_to(np.array(RED, np.uint8), (8, 12, 3))
    np.testing.assert_array_equal(load_pixels(dicom(colour), value_range=BYTES_ONLY), colour)


@pytest.mark.parametrize(
    ("tags", "error"),
    [({"NumberOfFrames": 3}, "3 frames"), ({"Rows": 0}, "no image"), ({"PixelData": b"\0\0"}, "cannot be decoded")],
)
def test_dicom_that_is_not_read(tags: dict[str, Any], error: str) -> None:
    with pytest.raises(ImageError, match=error):
        load_pixels(dicom(**tags), value_range=ValueRange(0, 10))


def test_a_dicom_of_any_name_in_coco(tmp_path: Path) -> None:
    data = dicom(**HOUNSFIELD)
    images = [{"id": i, "file_name": f"{i}.png", "width": 12, "height": 8} for i in range(12)]
    for image in images:
        (tmp_path / image["file_name"]).write_bytes(data)
    boxes = [{"id": i, "image_id": i, "category_id": i % 2, "bbox": [1, 1, 4, 4]} for i in range(12)]
    categories = [{"id": i, "name": name} for i, name in enumerate("ab")]
    document = {"images": images, "annotations": boxes, "categories": categories}
    (tmp_path / "a.json").write_text(json.dumps(document))
    dataset = Dataset.open(tmp_path)
    assert dataset.value_range == ValueRange(0, 1000, "file") and len(dataset.objects) == 12


def test_a_deflated_dicom_is_not_unpacked() -> None:
    data = dicom().replace(b"1.2.840.10008.1.2.1\0\0\0", b"1.2.840.10008.1.2.1.99")
    meta = data.find(b"1.2.840.10008.1.2.1")
    data = data[:meta] + b"1.2.840.10008.1.2.1.99" + data[meta + 20 :]
    with pytest.raises(ImageError, match="deflated as a whole"):
        open_image(data)

"""DICOM as Pillow images; needs the extra `dicom` (pydicom)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from automl_vision.core.errors import ImageError

_DEFLATED, _META = b"1.2.840.10008.1.2.1.99", 2048  # a transfer syntax, and where files state theirs
_HEAD = [
    "Rows",
    "Columns",
    "BitsStored",
    "BitsAllocated",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
]


def is_dicom(data: bytes) -> bool:
    """Whether bytes are a DICOM file."""
    return data[128:132] == b"DICM"


def open_dicom(data: bytes) -> Image.Image:
    """A DICOM file as an image whose pixels are not decoded yet.

    Its values are what modality they are of, such as Hounsfield units, and its window is in `info`.

    Raises:
        ImageError: pydicom is missing, the file has no pixels or several frames, or colours that are not read.
    """
    try:
        from pydicom import dcmread
    except ImportError:
        raise ImageError('the file is DICOM; to read it: pip install "automl-vision[dicom]"') from None
    if _DEFLATED in data[:_META]:  # it would unpack to any size
        raise ImageError("DICOM that is deflated as a whole is not read; write it without")
    header = dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=_HEAD)
    if not (header.get("Rows") and header.get("Columns")):
        raise ImageError("the DICOM file holds no image")
    if (frames := int(header.get("NumberOfFrames") or 1)) > 1:
        raise ImageError(f"the DICOM file holds {frames} frames; write each frame to a file of its own")
    return DicomImage(data, header)


class DicomImage(ImageFile.StubImageFile):
    """A DICOM file, decoded when it is loaded.

    Args:
        data: the file.
        header: what pydicom read of it.
    """

    format = "DICOM"
    format_description = "DICOM"

    def __init__(self, data: bytes, header: Any) -> None:
        self._data, self._header = data, header
        super().__init__(io.BytesIO(data), "")

    def _open(self) -> None:
        header = self._header
        self._size = (int(header.Columns), int(header.Rows))
        is_colour = int(header.get("SamplesPerPixel") or 1) == 3
        is_byte = int(header.get("BitsAllocated") or 16) == 8
        self._mode = "RGB" if is_colour else "L" if is_byte and not _is_rescaled(header) else "F"
        if is_colour and not is_byte:
            raise ImageError("colours of more than 8 bits in DICOM are not read; write them as PNG of 16 bits")
        if self._mode == "F":
            is_plain = not (_is_rescaled(header) or header.get("PixelRepresentation"))
            self.info["bits"] = int(header.get("BitsStored") or 16) if is_plain else 0
            window = _window(header)
            if window is not None:
                self.info["window"] = window
        self._handler = _Decoder()  # type: ignore[assignment] # Pillow's own handlers are no subclasses either


class _Decoder:
    """Decodes the pixels of a DICOM image, as Pillow wants it from a handler."""

    def open(self, im: ImageFile.StubImageFile) -> None:
        """Nothing is left to open."""

    def save(self, im: Image.Image, fp: Any, filename: str) -> None:
        """DICOM is not written."""
        raise NotImplementedError

    def load(self, im: ImageFile.StubImageFile) -> Image.Image:
        """The pixels, in the mode that the header promised."""
        from pydicom import dcmread
        from pydicom.pixels.utils import pixel_array

        assert isinstance(im, DicomImage)
        header = im._header
        try:
            values = pixel_array(dcmread(io.BytesIO(im._data)))  # colours come as RGB
        except Exception as error:  # its decoders raise nearly anything, and name a package that is missing
            raise ImageError(f"the pixels of the DICOM file cannot be decoded ({error})") from error
        if header.get("PhotometricInterpretation") == "MONOCHROME1":
            values = _ends(header)[1] - values.astype(np.int64) + _ends(header)[0]
        if im.mode == "F":
            image = Image.fromarray(_rescaled(values, header).astype(np.float32))
        else:
            image = Image.fromarray(values.astype(np.uint8))
        image.info = dict(im.info)
        return image


def _is_rescaled(header: Any) -> bool:
    return float(header.get("RescaleSlope") or 1) != 1 or float(header.get("RescaleIntercept") or 0) != 0


def _ends(header: Any) -> tuple[int, int]:
    """The smallest and largest value that can be stored."""
    bits = int(header.get("BitsStored") or 16)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if header.get("PixelRepresentation") else (0, 2**bits - 1)


def _rescaled(values: NDArray[Any], header: Any) -> NDArray[np.float64]:
    slope, intercept = float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)
    return values.astype(np.float64) * slope + intercept


def _window(header: Any) -> tuple[float, float] | None:
    """The range that the file's first window shows, of the values as they are returned; None if it has none.

    What is stored inverted is returned upright (MONOCHROME1), and its window with it.
    """
    centre, width = _first(header.get("WindowCenter")), _first(header.get("WindowWidth"))
    if centre is None or width is None or width < 1:
        return None
    low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2  # PS3.3 C.11.2.1.2
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        ends = _rescaled(np.array(_ends(header)), header)
        low, high = float(ends.sum()) - high, float(ends.sum()) - low
    return (low, high) if low < high else None


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value if isinstance(value, int | float | str) else value[0])

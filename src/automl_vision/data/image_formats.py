"""Which format an image's bytes are of, whatever its name says, and its header."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from typing import Any

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from automl_vision.core.errors import ImageError
from automl_vision.data.deep_images import refuse_bands
from automl_vision.data.dicom import is_dicom, open_dicom
from automl_vision.data.unusual_tiff import unusual_values

READ = "jpg, png, bmp, tiff, gif, webp, ppm, avif, heic, dicom"
"""The formats that are read."""

_PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    GifImagePlugin.GifImageFile,
    WebPImagePlugin.WebPImageFile,
    PpmImagePlugin.PpmImageFile,
)
_AVIF = frozenset({b"avif", b"avis"})
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"heif", b"mif1", b"msf1"})
_NOT_THIS = (SyntaxError, IndexError, TypeError, struct.error)  # what `Image.open` takes for "not this format"


def parse_header(data: bytes) -> Image.Image | None:
    """The image by the first format that accepts the bytes, its pixels not decoded; None for no known format.

    `Image.open` would do the same, but it refuses what is above its own process-wide limit of 179 megapixels and
    warns from half of that on.

    Raises:
        ImageError: the format is known, and cannot be read here.
    """
    if data[4:8] == b"ftyp":
        return _open_container(data)
    if is_dicom(data):
        return open_dicom(data)
    for plugin in _PLUGINS:
        factory, accept = Image.OPEN[plugin.format]
        if accept is None or accept(data[:16]) is True:
            with suppress(*_NOT_THIS):
                return _Tiff(io.BytesIO(data), "") if plugin.format == "TIFF" else factory(io.BytesIO(data), "")
    return None


def _open_container(data: bytes) -> Image.Image | None:
    """An image of the container that HEIC, HEIF and AVIF share; None for others of it, such as films."""
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(int.from_bytes(data[:4]), 256), 4))}
    if brands & _AVIF:
        from PIL import AvifImagePlugin

        if not AvifImagePlugin.SUPPORTED:
            raise ImageError("the file is AVIF, which this Pillow was built without: pip install --upgrade pillow")
        return AvifImagePlugin.AvifImageFile(io.BytesIO(data), "")
    return _open_heif(data) if brands & _HEIF else None


def _open_heif(data: bytes) -> Image.Image:
    """An image of HEIC or HEIF; libheif turns it upright."""
    try:
        from pi_heif import HeifImageFile
    except ImportError:
        try:
            from pillow_heif import HeifImageFile
        except ImportError:
            raise ImageError('the file is HEIC; to read it: pip install "automl-vision[heic]"') from None
    image: Image.Image = HeifImageFile(io.BytesIO(data), "")
    return image


class _Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF that says what is not read of it; Pillow drops bands that it does not know, or says nothing."""

    def _setup(self) -> None:
        tags = self.tag_v2
        refuse_bands(tags)
        bits, kind = tags.get(258, (1,)), tags.get(339, (1,))[0]
        try:
            super()._setup()
            is_read = kind != 2 or bits[0] > 8  # signed bytes would come as unsigned ones
        except SyntaxError:
            is_read = self._take(tags)
        if not is_read:
            values = f"{_KINDS.get(kind, '')}values of {', '.join(map(str, dict.fromkeys(bits)))} bits"
            raise ImageError(
                f"a TIFF of {values} (photometric interpretation {tags.get(262, 0)}, compression {tags.get(259, 1)}) "
                "is not read; write it with 8 or 16 unsigned bits"
            )

    def _take(self, tags: Any) -> bool:
        """Take values that Pillow does not read; returns whether there are any."""
        self._fp.seek(0)
        data = self._fp.read()
        values = unusual_values(data, tags)
        if values is None:
            return False
        self._mode, self._size = "F" if values.dtype.kind == "f" else "I;16", (values.shape[1], values.shape[0])
        self._compression, self.use_load_libtiff = "raw", False
        raw = ("F;32NF" if values.dtype.kind == "f" else "I;16N", 0, 1)
        self.fp = self._fp = io.BytesIO(data + values.tobytes())
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), len(data), raw)]
        return True


_KINDS = {2: "signed ", 3: "float "}

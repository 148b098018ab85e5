"""One labelled image of a dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.data.images import PixelSize, load_pixels
from automl_vision.data.object import Object
from automl_vision.data.value_range import ValueRange
from automl_vision.storage.access import full_reference, read_image_bytes


@dataclass(frozen=True)
class LabelledImage:
    """One image of a dataset with its labels; the pixels are read on demand.

    Attributes:
        reference: path relative to the dataset's root, absolute path, or URL.
        root: folder, archive or URL that a relative path starts from.
        size: width and height in pixels, after the rotation that EXIF asks for.
        split: "train", "val", "test", "left_out", or "" if the image has no split.
        labels: classes of the image; for objects, each class that occurs in it.
        objects: labelled objects, in pixels; empty if whole images are labelled.
        value_range: of the dataset, for images of more than 8 bits.
    """

    reference: str
    root: str
    size: tuple[int, int]
    split: str
    labels: tuple[str, ...]
    objects: tuple[Object, ...] = ()
    value_range: ValueRange | None = None

    @property
    def location(self) -> str:
        """Where the image is, independent of the root: an absolute path, a path inside an archive, or a URL."""
        return full_reference(self.root, self.reference)

    def read(self) -> bytes:
        """The encoded file.

        Raises:
            ImageError: the file is missing or cannot be read.
        """
        return read_image_bytes(self.root, self.reference)

    def image(self) -> Image.Image:
        """The decoded image, upright and in RGB.

        Raises:
            ImageError: the file is missing, or cannot be decoded.
        """
        return Image.fromarray(self.pixels())

    def pixels(self, size: PixelSize | None = None) -> NDArray[np.uint8]:
        """The decoded image, upright and in RGB, (height, width, 3).

        Args:
            size: as for `load_pixels`.

        Raises:
            ImageError: the file is missing, or cannot be decoded.
        """
        return load_pixels(self.read(), size=size, value_range=self.value_range)

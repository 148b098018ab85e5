"""One labelled image of a dataset."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from automl_vision.data.images import load_pixels
from automl_vision.data.object import Object
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
    """

    reference: str
    root: str
    size: tuple[int, int]
    split: str
    labels: tuple[str, ...]
    objects: tuple[Object, ...] = ()

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
        return Image.fromarray(load_pixels(self.read()))

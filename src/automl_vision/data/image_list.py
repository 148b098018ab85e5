"""Images to predict, labelled or not: their references and a fingerprint; no file is opened for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from automl_vision.core.errors import ImageError
from automl_vision.data.dataset import Dataset
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.storage.access import full_reference, read_image_bytes


@dataclass(frozen=True)
class ImageList:
    """Images in a fixed order; `len(images)` is their number.

    Attributes:
        root: folder, archive or URL that relative references start from.
        references: (images,), texts: path relative to `root`, absolute path, or URL; no image is listed twice.
        fingerprint: digest of the references and of what the storage states about each file, such as size and time.
        labelled: whether the location also holds labels.
        refused: the reason by position of images that must not be read, such as links out of the folder.
        notes: what was left aside while listing, for people.
    """

    root: str
    references: pa.Array
    fingerprint: str
    labelled: bool = False
    refused: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.references)

    @staticmethod
    def of(dataset: Dataset) -> ImageList:
        """The images of a dataset; those that were left out are not listed."""
        table = dataset.table.take(np.flatnonzero(dataset.splits != LEFT_OUT))
        images, digests = (table[name].combine_chunks() for name in ("image", "digest"))
        return ImageList(dataset.root, images, digest_of_texts(images.to_pylist(), digests.to_pylist()), labelled=True)

    def reference(self, position: int) -> str:
        """The reference of an image."""
        return str(self.references[position].as_py())

    def location(self, position: int) -> str:
        """Where an image is, independent of the root."""
        return full_reference(self.root, self.reference(position))

    def read(self, position: int) -> bytes:
        """The encoded file of an image.

        Raises:
            ImageError: it must not or cannot be read.
        """
        if position in self.refused:
            raise ImageError(self.refused[position])
        return read_image_bytes(self.root, self.reference(position))


def digest_of_texts(*columns: list[str]) -> str:
    """Digest of rows of texts, 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    for row in zip(*columns, strict=True):
        digest.update("\0".join(row).encode(errors="surrogateescape") + b"\n")
    return digest.hexdigest()

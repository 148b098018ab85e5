"""The images that wait for a label: those at a location that no labelled dataset holds yet."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_list import ImageList
from automl_vision.data.open_options import OpenOptions
from automl_vision.data.scan import ImageFacts, Progress, scan_images
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.formats.listing import list_images
from automl_vision.storage.access import open_storage, read_image_bytes

Location = ImageList | Dataset | str | PathLike[str]
UNLABELLED = ("unlabelled", "unlabeled")
"""Names of a class folder that holds images without a label."""

UNREADABLE, REFUSED = "unreadable image", "refused image"
_SHOWN = 3


@dataclass(frozen=True)
class Pool:
    """Images without a label, each content once.

    Attributes:
        root: folder, archive or URL that relative paths start from.
        images: paths or URLs.
        digests: of their contents.
        sizes: (images, 2), width and height in pixels.
        notes: what was left aside, for people.
    """

    root: str
    images: tuple[str, ...]
    digests: tuple[str, ...]
    sizes: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def read(self, position: int) -> bytes:
        """The encoded file of an image.

        Raises:
            ImageError: it cannot be read.
        """
        return read_image_bytes(self.root, self.images[position])

    def take(self, positions: NDArray[np.intp]) -> Pool:
        """Some of the images."""
        at = positions.tolist()
        images, digests = ([column[i] for i in at] for column in (self.images, self.digests))
        return Pool(self.root, tuple(images), tuple(digests), self.sizes[positions], self.notes)


def open_pool(
    data: Location, labelled: Dataset | None = None, *, progress: Progress | None = None
) -> tuple[Pool, Dataset | None]:
    """The images of a location that have no label, and the labelled images to go with them.

    A dataset's images, and all of a folder or list, wait for a label if `labelled` does not hold the same contents.
    Without `labelled`, the labels at the location itself are taken: then the images wait that no annotation names, and
    those in a class folder that is called "unlabelled".

    Args:
        data: folder, list, archive, URL, or what is opened already.
        labelled: a dataset with labels.
        progress: called with (images done, images in all) while their headers are read.

    Raises:
        DataError: nothing is there, or no image.
    """
    if isinstance(data, Dataset):
        images = _of_dataset(data)
    else:
        listed = data if isinstance(data, ImageList) else list_images(data, labels=False)
        images = _scanned(listed, progress)
        if labelled is None and not isinstance(data, ImageList):
            labelled = _labels_at(data)
    known = set() if labelled is None else set(labelled.table["digest"].to_pylist())
    first = {digest: i for i, digest in reversed(list(enumerate(images.digests))) if digest and digest not in known}
    return images.take(np.array(sorted(first.values()), np.intp)), labelled


def _labels_at(data: str | PathLike[str]) -> Dataset | None:
    """The labelled images of a location; None where it has no labels, or none that can be used."""
    if not Path(fspath(data)).is_dir():
        return None
    try:
        dataset = Dataset.open(data, max_bad_share=1.0)
    except DataError:
        return None
    waiting = [name for name in dataset.classes if name.lower() in UNLABELLED]
    if not waiting:
        return dataset
    kept = [name for name in dataset.classes if name not in waiting]
    if not kept:
        return None
    at = [dataset.classes.index(name) for name in waiting]
    own = np.flatnonzero(~dataset.targets[:, at].any(axis=1))
    return dataset[own].with_classes(kept)


def _of_dataset(data: Dataset) -> Pool:
    kept = data[data.splits != LEFT_OUT]
    images, digests = (tuple(kept.table[name].to_pylist()) for name in ("image", "digest"))
    return Pool(data.root, images, tuple(digest or "" for digest in digests), kept.sizes)


def scan_listed(
    images: ImageList, progress: Progress | None = None
) -> tuple[list[ImageFacts], list[tuple[str, str, str]]]:
    """The facts of a list's images that can be read; and of each other one its name, the reason, and its kind.

    Args:
        images: to look at.
        progress: called with (images done, images in all).
    """
    storage = open_storage(images.root, allow_outside=True)  # the list was checked when it was made
    references = [images.reference(i) for i in range(len(images)) if i not in images.refused]
    sizes, options = [(0, 0)] * len(references), OpenOptions(allow_outside=True)
    facts = list(scan_images(references, sizes, storage, options, progress=progress))
    broken = [(fact.image, fact.problem, UNREADABLE) for fact in facts if fact.problem is not None]
    broken += [(images.reference(i), reason, REFUSED) for i, reason in images.refused.items()]
    return [fact for fact in facts if fact.problem is None], broken


def _scanned(listed: ImageList, progress: Progress | None) -> Pool:
    """The images of a list whose headers can be read."""
    good, broken = scan_listed(listed, progress)
    unreadable = [f"{image}: {reason}" for image, reason, kind in broken if kind == UNREADABLE]
    notes: list[str] = [*listed.notes, *listed.refused.values()]
    notes += unreadable[:_SHOWN]
    if len(unreadable) > _SHOWN:
        notes.append(f"and {len(unreadable) - _SHOWN} more images that cannot be read")
    shapes = np.array([(fact.width, fact.height) for fact in good], np.int64).reshape(-1, 2)
    return Pool(
        listed.root, tuple(f.image for f in good), tuple(f.digest for f in good), shapes, tuple(notes)
    )  # fmt: skip


def require_images(pool: Pool, data: Any) -> None:
    """Raise `DataError` if no image waits for a label."""
    if not len(pool):
        raise DataError(
            f"every image of {data} has a label; look for wrong ones with: automl-vision label again; if its folders "
            "are no classes, add --unlabelled"
        )

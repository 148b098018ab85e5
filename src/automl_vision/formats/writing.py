"""What a format's writer is given: the dataset's images with their annotations, and a folder to write into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from automl_vision.data.object import Object


@dataclass(frozen=True)
class ExportRecord:
    """One image to write.

    Attributes:
        image: name to write it under, unique in the export, with a suffix and forward slashes.
        width, height: in pixels.
        labels: of the image.
        objects: in it.
        group: or None.
    """

    image: str
    width: int
    height: int
    labels: tuple[str, ...]
    objects: tuple[Object, ...]
    group: str | None


class Export(Protocol):
    """A dataset on its way into a folder.

    Attributes:
        folder: where to write.
        kind: what is labelled: "label", "labels", "boxes" or "masks".
        classes: names in order.
    """

    folder: Path
    kind: str
    classes: list[str]

    @property
    def splits(self) -> list[str]:
        """The splits that hold images; "" for those without one."""
        ...

    @property
    def has_objects(self) -> bool:
        """Whether objects are labelled."""
        ...

    def records(self, split: str) -> Iterator[ExportRecord]:
        """The images of a split."""
        ...

    def image(self, name: str, target: str | None = None) -> str:
        """Bring an image into the export.

        Args:
            name: of a record.
            target: path below the folder; None for `name` itself.

        Returns:
            How the annotations refer to it: `target`, or where the image is when images stay where they are.
        """
        ...

    def polygons(self, value: Object, record: ExportRecord) -> list[list[float]]:
        """An object's polygons; outlines of its run-length code, which lose its holes."""
        ...

    def lost(self, image: str, reason: str) -> None:
        """Note what the format cannot hold."""
        ...

"""How a data set is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from automl_vision.data.annotations import Columns
from automl_vision.data.images import MAX_PIXELS

MAX_BAD_SHARE = 0.2


@dataclass(frozen=True)
class OpenOptions:
    """How a data set is opened.

    Attributes:
        format: name of the format, or None to detect it.
        columns: names of the columns of table formats.
        max_bad_share: largest share of records that may be left out, 0 to 1.
        max_pixels: images with more pixels are left out unread.
        allow_outside: whether annotation files may name images outside of the data's folder.
        read_images: whether each image file is opened; False trusts what the annotations say of sizes and takes a
            file's size and time of change for its contents: for sets whose files take too long to read.
    """

    format: str | None = None
    columns: Columns = field(default_factory=Columns)
    max_bad_share: float = MAX_BAD_SHARE
    max_pixels: int = MAX_PIXELS
    allow_outside: bool = False
    read_images: bool = True


def open_options(settings: dict[str, Any]) -> OpenOptions:
    """Options from keyword arguments; `*_column` names go into `columns`."""
    names = ("image", "label", "split", "group")
    columns = Columns(**{name: settings.pop(f"{name}_column", None) for name in names})
    return OpenOptions(columns=columns, **settings)

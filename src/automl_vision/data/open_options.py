"""How a dataset is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from automl_vision.data.annotations import Columns
from automl_vision.data.defaults import MAX_BAD_SHARE
from automl_vision.data.exif_readings import Reading, check_reading
from automl_vision.data.images import MAX_PIXELS
from automl_vision.data.value_range import AUTO, ValueRange, parse_range


@dataclass(frozen=True)
class OpenOptions:
    """How a dataset is opened.

    Attributes:
        format: name of the format, or None to detect it.
        columns: names of the columns of table formats.
        encoding: of texts that are not UTF-8, such as "cp950"; None detects it.
        max_bad_share: maximum fraction of images, and of objects, that may be left out, 0 to 1.
        max_pixels: images with more pixels are left out without decoding them.
        allow_outside: whether annotation files may name images outside of the data's folder.
        read_images: whether each image file is opened. If False, image sizes come from the annotations, and a file is
            identified by its size and modification time: for datasets whose files take too long to read.
        exif: how photos with an EXIF rotation were annotated: "annotated-raw" before it, on the pixels as they are
            stored, "annotated-upright" after it; "auto" decides by what the annotations state.
        value_range: of images with more than 8 bits, which values are black and white: "LOW:HIGH" or a pair of
            numbers, "file" for what the files state, "auto" for that of the training images.
        is_part: whether the images are to join others, so that few of them, or one class, are enough.

    Raises:
        DataError: `exif` or `value_range` is none of these.
    """

    format: str | None = None
    columns: Columns = field(default_factory=Columns)
    encoding: str | None = None
    max_bad_share: float = MAX_BAD_SHARE
    max_pixels: int = MAX_PIXELS
    allow_outside: bool = False
    read_images: bool = True
    exif: Reading = "auto"
    value_range: ValueRange | str | tuple[float, float] = AUTO
    is_part: bool = False

    def __post_init__(self) -> None:
        check_reading(self.exif)
        parse_range(self.value_range)


def open_options(settings: dict[str, Any]) -> OpenOptions:
    """Options from keyword arguments; `*_column` names and `fields`, a text or names, go into `columns`."""
    names = ("image", "label", "split", "group")
    fields = settings.pop("fields", None) or ()
    fields = tuple(fields.replace(",", " ").split()) if isinstance(fields, str) else tuple(fields)
    columns = Columns(**{name: settings.pop(f"{name}_column", None) for name in names}, fields=fields)
    return OpenOptions(columns=columns, **settings)

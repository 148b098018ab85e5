"""Images of datasets as small WebP files, kept on disk by their content."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from fastapi.responses import Response
from PIL import Image

from automl_vision.core.files import atomic_path
from automl_vision.data.value_range import pixel_keys
from automl_vision.web.problems import NotFoundError

if TYPE_CHECKING:
    from automl_vision.data.dataset import Dataset
    from automl_vision.data.labelled_image import LabelledImage

_QUALITY = 82
_EFFORT = 2  # of 6; on photos 25 % faster than 4, and files of the same size
_FOREVER = "private, max-age=31536000, immutable"  # the images of a run or of a version never change

Side = Annotated[int, Query(ge=32, le=2048, description="longest side in pixels; smaller images are not enlarged")]


def image_response(dataset: Dataset, row: int, side: int, cache: Path) -> Response:
    """An image of a dataset as WebP, upright, its longest side at most `side` pixels.

    Args:
        dataset: that holds it.
        row: of the image.
        side: in pixels.
        cache: folder in which small images are kept.

    Raises:
        NotFoundError: the dataset has no such row.
        ImageError: the image cannot be read.
    """
    if not 0 <= row < len(dataset):
        raise NotFoundError(f"the dataset has {len(dataset)} images; there is no row {row}")
    image = dataset[row]
    digest = dataset.table["digest"][row].as_py()
    (key,) = pixel_keys([digest], image.value_range)
    file = cache / "thumbnails" / digest[:2] / f"{key}-{side}.webp" if digest else None
    if file is not None and file.exists():
        return _webp(file.read_bytes())
    data = _small(image, side)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as temporary:
            temporary.write_bytes(data)
    return _webp(data)


def _small(image: LabelledImage, side: int) -> bytes:
    """The image as WebP; JPEGs are decoded at a reduced scale where that is enough."""
    longest = min(side, max(image.size))
    buffer = BytesIO()
    Image.fromarray(image.pixels((longest, longest))).save(buffer, "WEBP", quality=_QUALITY, method=_EFFORT)
    return buffer.getvalue()


def _webp(data: bytes) -> Response:
    return Response(data, media_type="image/webp", headers={"Cache-Control": _FOREVER})

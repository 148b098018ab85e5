"""Masks: COCO's run-length code, and polygons from masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ImageError
from automl_vision.data.images import open_image

MAX_MASK_PIXELS = 2**28  # of a mask
_FLAT_SHARE = 0.8  # of a mask's pixels equal their neighbour; JPEG blurs its edges, and a photo has noise everywhere


@dataclass(frozen=True)
class MaskCode:
    """COCO's compressed run-length code (pycocotools, `rleToString`): runs of 0 and 1 down the columns.

    Attributes:
        height, width: of the mask in pixels.
        counts: the compressed runs.
    """

    height: int
    width: int
    counts: str

    def to_text(self) -> str:
        """The code as the manifest keeps it: `height width counts`."""
        return f"{self.height} {self.width} {self.counts}"

    @staticmethod
    def from_text(text: str) -> MaskCode:
        """The code back from the manifest's text."""
        height, width, counts = text.split(" ", 2)
        return MaskCode(int(height), int(width), counts)

    def checked(self) -> MaskCode:
        """The code itself.

        Raises:
            ValueError: the runs do not fill the mask, or the mask is absurdly large.
        """
        if self.height * self.width > MAX_MASK_PIXELS:
            raise ValueError(f"a mask of {self.width} x {self.height} pixels is too large")
        runs = expand_counts(self.counts)
        if int(runs.sum()) != self.height * self.width or (runs < 0).any():
            raise ValueError("the runs of a run-length code must fill its size")
        return self

    def area(self) -> int:
        """Pixels of the object."""
        return int(expand_counts(self.counts)[1::2].sum())

    def decode(self) -> NDArray[np.bool_]:
        """(height, width), whether a pixel belongs to the object."""
        runs = expand_counts(self.counts)
        values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return values.reshape(self.width, self.height).T

    def bounds(self) -> tuple[float, float, float, float]:
        """The box around the object: x1, y1, x2, y2; all zero for an empty mask."""
        mask = self.decode()
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return (0.0, 0.0, 0.0, 0.0)
        return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def encode_mask(mask: NDArray[np.bool_]) -> MaskCode:
    """The code of a (height, width) mask."""
    flat = mask.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [len(flat)]])
    runs = np.diff(edges)
    if flat[:1].any():  # the first run is of zeros
        runs = np.concatenate([[0], runs])
    return MaskCode(mask.shape[0], mask.shape[1], compress_counts(runs.tolist()))


def compress_counts(counts: Sequence[int]) -> str:
    """Runs as text: each as its difference from the run two before, in groups of 5 bits with a mark for more."""
    values = np.array(counts, np.int64)
    values[3:] -= values[1:-2].copy()
    characters, there = [], []
    more = np.ones(len(values), bool)
    while more.any():
        there.append(more)
        group = values & 31
        values = values >> 5
        more = more & (values != np.where(group & 16, -1, 0))
        characters.append(group + 48 + 32 * more)
    if not characters:
        return ""
    text: bytes = np.stack(characters, axis=1)[np.stack(there, axis=1)].astype(np.uint8).tobytes()
    return text.decode("ascii")


def expand_counts(text: str) -> NDArray[np.int64]:
    """The runs of a compressed code.

    Raises:
        ValueError: it is not such a code.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text.encode("ascii", errors="replace"):
        group = character - 48
        if not 0 <= group < 64 or shift > 60:
            raise ValueError("the counts are not a compressed run-length code")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the counts of a run-length code end in the middle of a run")
    if any(abs(count) > MAX_MASK_PIXELS for count in counts):
        raise ValueError("a run of a run-length code is too long")
    return np.array(counts, np.int64)


def mask_to_polygons(mask: NDArray[np.bool_]) -> list[list[float]]:
    """The outlines of a mask's parts along the edges of its pixels, x, y, x, y, ...; holes are filled.

    Args:
        mask: (height, width).
    """
    following: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for start, end in _edges(mask):
        following[start].append(end)
    polygons = []
    while following:
        loop = _loop(following)
        x, y = np.array(loop).T
        if (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0:  # a hole runs the other way round
            corners = (np.roll(x, 1) != np.roll(x, -1)) & (np.roll(y, 1) != np.roll(y, -1))
            polygons.append(np.stack([x, y], axis=1)[corners].astype(float).ravel().tolist())
    return polygons


def _edges(mask: NDArray[np.bool_]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Pixel edges between inside and outside, with the inside to the right of each edge's direction."""
    inside = np.pad(mask, 1)
    core = inside[1:-1, 1:-1]
    sides = (
        (inside[:-2, 1:-1], (0, 0), (1, 0)),  # above
        (inside[1:-1, 2:], (1, 0), (1, 1)),  # to the right
        (inside[2:, 1:-1], (1, 1), (0, 1)),  # below
        (inside[1:-1, :-2], (0, 1), (0, 0)),  # to the left
    )
    for neighbour, start, end in sides:
        for y, x in np.argwhere(core & ~neighbour).tolist():
            yield (x + start[0], y + start[1]), (x + end[0], y + end[1])


def _loop(following: dict[tuple[int, int], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """One closed outline, removed from `following`; where two pixels touch at a corner, it turns right around one."""
    first = start = next(iter(following))
    loop = []
    step = (0, 0)
    while True:
        loop.append(start)
        ends = following[start]
        right = (start[0] - step[1], start[1] + step[0])
        end = ends.pop(ends.index(right) if right in ends else 0)
        if not ends:
            del following[start]
        step = (end[0] - start[0], end[1] - start[1])
        start = end
        if start == first:
            return loop


def mask_values(data: bytes, *, as_colours: bool = False) -> NDArray[np.int64]:
    """(height, width), one number per pixel of a mask's image: grey or palette value, or a number for its colour.

    Args:
        data: of the image file.
        as_colours: take the colours of a palette, instead of its numbers.

    Raises:
        ImageError: it is not an image, or a broken one.
    """
    return _values(_loaded(data), as_colours=as_colours)


def flat_values(data: bytes) -> NDArray[np.int64] | None:
    """The same of an image that looks like a mask; None of another one.

    Raises:
        ImageError: it is not an image, a broken one, or of a mode that no mask has.
    """
    image = _loaded(data)
    return _values(image) if _is_flat(image) else None


def _values(image: Image.Image, *, as_colours: bool = False) -> NDArray[np.int64]:
    if image.mode == "LA":
        image = image.convert("L")
    if image.mode in ("RGB", "RGBA") or (image.mode == "P" and as_colours):
        colours = np.asarray(image.convert("RGB")).astype(np.int64)
        return colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise ImageError(f"an image of mode {image.mode} is not a mask")
    return np.asarray(image).astype(np.int64)


def _loaded(data: bytes) -> Image.Image:
    image = open_image(data, max_pixels=MAX_MASK_PIXELS)
    try:
        image.load()
    except Exception as error:  # decoders raise nearly anything
        raise ImageError(f"the image is broken or truncated ({error})") from error
    return image


def looks_like_mask(data: bytes) -> bool:
    """Whether most pixels equal their neighbour, as in a mask of however many objects, and in no photo.

    Raises:
        ImageError: it is not an image, or a broken one.
    """
    return _is_flat(_loaded(data))


def _is_flat(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    equal = pixels[:, 1:] == pixels[:, :-1]
    if equal.ndim == 3:
        equal = equal.all(axis=2)
    return not equal.size or bool(equal.mean() >= _FLAT_SHARE)

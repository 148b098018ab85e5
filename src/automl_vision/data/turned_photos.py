"""Annotations of photos with an EXIF rotation: made before it or after it, and put onto the upright image.

One rule for every format. An image's stated size that is only that of the stored pixels, or only that of the upright
image, tells; where none is stated, a box that lies beyond one of them does. The other images follow the majority.
Label Studio's COCO export states the size of the stored pixels beside boxes of the upright image; it is known by its
name, and other such files by boxes that lie beyond the size that they state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.annotations import Annotations
from automl_vision.data.exif_readings import Reading
from automl_vision.data.images import TRANSPOSED
from automl_vision.data.masks import MaskCode, encode_mask
from automl_vision.data.objects import Objects
from automl_vision.data.scan import ImageFacts

TURNED = "turned by EXIF"
"""The kind of the notes that say how annotations of turned photos were read."""

_BEYOND = 1.0  # pixels by which a box may leave an image and still count as inside
_MIRRORED_X, _MIRRORED_Y = (2, 3, 7, 8), (3, 4, 6, 7)  # orientations, before width and height are swapped

Sizes = NDArray[np.float64]
Flags = NDArray[np.bool_]


def placed_objects(
    objects: Objects, annotations: Annotations, facts: Sequence[ImageFacts], *, exif: Reading
) -> Objects:
    """The objects in pixels of the upright images; what was decided, and sizes that do not fit, are noted.

    Args:
        objects: as they were read.
        annotations: of all images.
        facts: of each image, in the same order.
        exif: how photos with an EXIF rotation were annotated.
    """
    sizes = np.array([(fact.width, fact.height) for fact in facts], np.float64).reshape(-1, 2)
    orientation = np.array([fact.orientation for fact in facts], np.int8)
    raw = np.where(np.isin(orientation, TRANSPOSED)[:, None], sizes[:, ::-1], sizes)
    stated = np.array(annotations.sizes, np.float64).reshape(-1, 2)  # 0 where annotations state none
    turned = np.zeros(len(facts), bool)
    if (orientation > 1).any():
        signs = _Signs(objects, annotations, orientation, raw, sizes, stated)
        turned = signs.decided(exif)
    if annotations.relative:
        objects = objects.scaled(np.where(turned[:, None], raw, sizes))
    else:
        odd = (stated > 0).all(axis=1) & (sizes > 0).all(axis=1) & (stated != sizes).any(axis=1)
        _note_sizes(annotations, facts, odd & ~((orientation > 1) & (stated == raw).all(axis=1)))
    return _turn(objects, turned, orientation, raw) if turned.any() else objects


@dataclass
class _Signs:
    """What tells before or after the rotation the annotations of each image were made.

    Attributes:
        objects: of all images.
        annotations: of all images.
        orientation: (images,), of EXIF.
        raw, upright: (images, 2), width and height of the stored pixels and of the image as it is seen.
        stated: (images, 2), width and height as the annotations state them; 0 where they do not.
    """

    objects: Objects
    annotations: Annotations
    orientation: NDArray[np.int8]
    raw: Sizes
    upright: Sizes
    stated: Sizes

    def decided(self, exif: Reading) -> Flags:
        """(images,), whether an image's annotations were made before the rotation; each decision is noted."""
        turned = self._concerned
        if exif == "annotated-upright":
            return np.zeros(len(turned), bool)
        if exif == "annotated-raw":
            self._note(turned, "their annotations are read as made before it, as asked for")
            return turned
        before, after, swapped = self._told
        rest = turned & ~before & ~after
        follows = int(before.sum()) > int(after.sum())
        reading: Reading = "annotated-raw" if follows else "annotated-upright"
        other: Reading = "annotated-upright" if follows else "annotated-raw"
        self._note(before, "their annotations were made before it, and were turned with the images")
        self._note(swapped, "their sizes are stated swapped beside annotations of the upright images, which were left")
        self._note(
            rest,
            f'nothing tells on which pixels they were annotated; read as on the {_SEEN[reading]}, exif="{other}" reads '
            "them the other way",
        )
        return before | rest if follows else before

    @property
    def _told(self) -> tuple[Flags, Flags, Flags]:
        """Images annotated before the rotation, after it, and of the latter those whose stated size is swapped."""
        shows = self._concerned & (self.raw != self.upright).any(axis=1)  # a quarter turn of what is not a square
        only_raw, only_upright = self._fits(self.raw, self.upright) & shows, self._fits(self.upright, self.raw) & shows
        states_raw, states_upright, states_none = self._states
        is_swapped = self.annotations.swaps_sizes or (states_raw & only_upright).sum() > (states_raw & only_raw).sum()
        swapped = states_raw & shows & ~only_raw if is_swapped else np.zeros(len(shows), bool)
        before = shows & ((states_raw & ~swapped) | (states_none & only_raw))
        after = shows & (states_upright | swapped | (states_none & only_upright))
        other = self._concerned & ~(states_raw | states_upright | states_none)  # of a copy of another size
        return before, after | other, swapped

    @cached_property
    def _concerned(self) -> Flags:
        """(images,), whether an image is turned by EXIF and has objects."""
        with_objects = np.zeros(len(self.orientation), bool)
        with_objects[self.objects.image] = True
        return (self.orientation > 1) & with_objects

    @property
    def _states(self) -> tuple[Flags, Flags, Flags]:
        """(images,), whether the size of the stored pixels, of the upright image, or none is stated."""
        stated = self.stated.copy()
        for index in self._of_concerned(self.objects.rle):  # a mask is of a size itself
            image, code = self.objects.image[index], MaskCode.from_text(self.objects.rle[index])
            if not stated[image].all() or (stated[image] == self.raw[image]).all():
                stated[image] = code.width, code.height
        return (
            (stated == self.raw).all(axis=1),
            (stated == self.upright).all(axis=1),
            np.asarray((stated <= 0).any(axis=1)),
        )

    def _of_concerned(self, codes: Any) -> list[int]:
        return [index for index in codes if self._concerned[self.objects.image[index]]]

    def _fits(self, inside: Sizes, beyond: Sizes) -> Flags:
        """(images,), whether all objects of an image lie within one size, and one lies beyond the other."""
        if self.annotations.relative:
            return np.zeros(len(inside), bool)
        within, out = self._ends <= inside + _BEYOND, self._ends > beyond + _BEYOND
        return np.logical_and(within.all(axis=1), out.any(axis=1))

    @cached_property
    def _ends(self) -> Sizes:
        """(images, 2), right and lower end of the objects of each concerned image; 0 for the others."""
        ends = np.zeros((len(self.orientation), 2))
        rows = np.flatnonzero(self._concerned[self.objects.image])
        objects = self.objects.take(rows)
        reach = np.fmax(np.fmax(objects.bbox[:, 2:], objects.bbox[:, :2]), objects.polygon_bounds()[:, 2:])
        np.maximum.at(ends, objects.image, np.nan_to_num(reach, nan=0.0, posinf=0.0))
        return ends

    def _note(self, images: Flags, what: str) -> None:
        """Note what was decided of some images."""
        rows = np.flatnonzero(images)
        if len(rows):
            place = self.annotations.places[int(rows[0])]
            count = f"{len(rows)} image{'s are' if len(rows) > 1 else ' is'} turned by EXIF"
            self.annotations.ignore(place, f"{count}: {what}", TURNED)


_SEEN: dict[str, str] = {"annotated-raw": "stored ones", "annotated-upright": "upright image"}


def _note_sizes(annotations: Annotations, facts: Sequence[ImageFacts], odd: Flags) -> None:
    """Note images whose annotation states another size: they were resized, and their objects perhaps not."""
    rows = np.flatnonzero(odd)
    if len(rows):
        first = int(rows[0])
        width, height = annotations.sizes[first]
        reason = (
            f"{len(rows)} images differ in size from their annotation, and their objects may be misplaced: "
            f"{facts[first].image} has {facts[first].width} x {facts[first].height} pixels, not {width} x {height}"
        )
        annotations.ignore(annotations.places[first], reason, "other size")


def _turn(objects: Objects, turned: Flags, orientation: NDArray[np.int8], raw: Sizes) -> Objects:
    """The objects of some images turned as EXIF turns their pixels.

    Args:
        objects: in pixels.
        turned: (images,), whether an image's objects are turned.
        orientation: (images,), of EXIF.
        raw: (images, 2), width and height of the stored pixels.
    """
    how = np.where(turned, orientation, 1)
    of_object, size = how[objects.image], raw[objects.image]
    corners = _turned_points(objects.bbox.reshape(-1, 2, 2), of_object[:, None], size[:, None])
    across, down = _mirrored(of_object)
    corners[across, :, 0] = corners[across, ::-1, 0]  # the first corner stays the upper left one
    corners[down, :, 1] = corners[down, ::-1, 1]
    polygons = np.repeat(np.arange(len(objects)), np.diff(objects.first_segment))
    owner = np.repeat(polygons, np.diff(objects.first_number) // 2)
    points = _turned_points(objects.numbers.reshape(-1, 2), of_object[owner], size[owner])
    codes = {index: _turned_mask(code, int(of_object[index]), size[index]) for index, code in objects.rle.items()}
    return replace(objects, bbox=corners.reshape(-1, 4), numbers=points.ravel(), rle=codes)


def _turned_points(points: Sizes, how: NDArray[np.int8], size: Sizes) -> Sizes:
    """Points (..., 2), x and y, of stored pixels on the upright image; `size` is (..., 2), width and height."""
    x = np.where(np.isin(how, _MIRRORED_X), size[..., 0] - points[..., 0], points[..., 0])
    y = np.where(np.isin(how, _MIRRORED_Y), size[..., 1] - points[..., 1], points[..., 1])
    swapped = np.isin(how, TRANSPOSED)
    return np.stack([np.where(swapped, y, x), np.where(swapped, x, y)], axis=-1)


def _mirrored(how: NDArray[np.int8]) -> tuple[Flags, Flags]:
    """Whether an orientation runs through the upright image's width, and its height, the other way round."""
    x, y, swapped = np.isin(how, _MIRRORED_X), np.isin(how, _MIRRORED_Y), np.isin(how, TRANSPOSED)
    return np.where(swapped, y, x), np.where(swapped, x, y)


def _turned_mask(text: str, how: int, size: Sizes) -> str:
    """A mask's run-length code turned; one of another size than the stored pixels stays, and is left out later."""
    code = MaskCode.from_text(text)
    if how == 1 or (code.width, code.height) != tuple(size.astype(int).tolist()):
        return text
    mask = code.decode()[:: -1 if how in _MIRRORED_Y else 1, :: -1 if how in _MIRRORED_X else 1]
    return encode_mask(mask.T if how in TRANSPOSED else mask).to_text()

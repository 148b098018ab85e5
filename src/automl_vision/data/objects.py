"""Labelled objects of many images as columns: a million boxes without a million Python objects."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.text import composed
from automl_vision.data.object import Object
from automl_vision.data.ragged import ranges, starts_of

OBJECT_TYPE = pa.struct(
    [
        ("label", pa.string()),
        ("bbox", pa.list_(pa.float32(), 4)),
        ("iscrowd", pa.bool_()),
        ("difficult", pa.bool_()),
        ("segments", pa.list_(pa.list_(pa.float32()))),
        ("rle", pa.string()),
    ]
)
"""An object of the manifest: box x1, y1, x2, y2 in pixels; polygons x, y, x, y, ... in pixels, or COCO's compressed
run-length code of a mask of the image's size."""


@dataclass(frozen=True)
class Objects:
    """Objects of many images, sorted by image.

    Shapes and ranges are checked when it is made.

    Attributes:
        image: (n,), int64, row of the image.
        label: (n,), int32, position in `names`.
        names: labels.
        bbox: (n, 4), float64, x1, y1, x2, y2.
        iscrowd: (n,), bool.
        difficult: (n,), bool.
        first_segment: (n + 1,), int64, where each object's polygons start in `first_number`.
        first_number: (polygons + 1,), int64, where each polygon starts in `numbers`.
        numbers: float64, x, y, x, y, ... of all polygons.
        rle: run-length code of the mask, per object that has one.

    Raises:
        ValueError: columns do not fit each other.
    """

    image: NDArray[np.int64]
    label: NDArray[np.int32]
    names: list[str]
    bbox: NDArray[np.float64]
    iscrowd: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    first_segment: NDArray[np.int64]
    first_number: NDArray[np.int64]
    numbers: NDArray[np.float64]
    rle: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.image)
        shapes = {"label": (count,), "bbox": (count, 4), "iscrowd": (count,), "difficult": (count,)}
        for name, shape in {**shapes, "first_segment": (count + 1,)}.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")
        ends = {"first_segment": len(self.first_number) - 1, "first_number": len(self.numbers)}
        for name, end in ends.items():
            if getattr(self, name)[-1] != end:
                raise ValueError(f"{name} ends at {getattr(self, name)[-1]}, not {end}")
        low, high = (int(self.label.min()), int(self.label.max())) if count else (0, -1)
        if low < 0 or high >= len(self.names):
            raise ValueError(f"labels are from 0 to {len(self.names) - 1}, not from {low} to {high}")
        if self.rle and not 0 <= min(self.rle) <= max(self.rle) < count:
            raise ValueError(f"rle names object {max(self.rle)}, there are {count}")

    def __len__(self) -> int:
        return len(self.image)

    @property
    def has_mask(self) -> NDArray[np.bool_]:
        """(n,), whether an object has polygons or a run-length code."""
        has_mask = np.diff(self.first_segment) > 0
        has_mask[list(self.rle)] = True
        return has_mask

    def segments(self, index: int) -> list[NDArray[np.float64]]:
        """The polygons of one object, each x, y, x, y, ..."""
        first, end = self.first_segment[index : index + 2].tolist()
        starts = self.first_number[first : end + 1]
        return [self.numbers[a:b] for a, b in pairwise(starts.tolist())]

    def take(self, rows: NDArray[np.int64]) -> Objects:
        """Some of the objects, in the order of `rows`."""
        counts = np.diff(self.first_segment)[rows]
        segments = ranges(self.first_segment[rows], counts)
        lengths = np.diff(self.first_number)[segments]
        position = {int(row): i for i, row in enumerate(rows.tolist()) if row in self.rle} if self.rle else {}
        return replace(
            self,
            image=self.image[rows],
            label=self.label[rows],
            bbox=self.bbox[rows],
            iscrowd=self.iscrowd[rows],
            difficult=self.difficult[rows],
            first_segment=starts_of(counts),
            first_number=starts_of(lengths),
            numbers=self.numbers[ranges(self.first_number[segments], lengths)],
            rle={i: self.rle[row] for row, i in position.items()},
        )

    def scaled(self, sizes: NDArray[np.float64]) -> Objects:
        """The objects in pixels, from fractions of width and height.

        Args:
            sizes: (images, 2), width and height.
        """
        size = sizes[self.image]
        per_polygon = np.repeat(size, np.diff(self.first_segment), axis=0)
        points = np.repeat(per_polygon, np.diff(self.first_number) // 2, axis=0)
        return replace(self, bbox=self.bbox * np.tile(size, 2), numbers=self.numbers * points.ravel())

    def polygon_bounds(self) -> NDArray[np.float64]:
        """(n, 4), the box around the polygons of each object; NaN if it has none."""
        bounds = np.full((len(self), 4), np.nan)
        counts = np.diff(self.first_segment)
        with_polygons = np.flatnonzero(counts)
        if not len(with_polygons):
            return bounds
        starts = self.first_number[self.first_segment[with_polygons]] // 2
        points = self.numbers.reshape(-1, 2)
        bounds[with_polygons, :2] = np.minimum.reduceat(points, starts)
        bounds[with_polygons, 2:] = np.maximum.reduceat(points, starts)
        return bounds

    def to_arrow(self, images: int) -> pa.Array:
        """The manifest's column: a list of objects for each of `images` images; `image` must be sorted."""
        codes = (
            pa.array(map(self.rle.get, range(len(self))), pa.string()) if self.rle else pa.nulls(len(self), pa.string())
        )
        numbers = pa.ListArray.from_arrays(pa.array(self.first_number, pa.int32()), self.numbers.astype(np.float32))
        names = pa.array(self.names, pa.string())
        values = pa.StructArray.from_arrays(
            [
                names.take(pa.array(self.label)),
                pa.FixedSizeListArray.from_arrays(self.bbox.astype(np.float32).ravel(), 4),
                pa.array(self.iscrowd),
                pa.array(self.difficult),
                pa.ListArray.from_arrays(pa.array(self.first_segment, pa.int32()), numbers),
                codes,
            ],
            fields=list(OBJECT_TYPE),
        )
        starts = starts_of(np.bincount(self.image, minlength=images))
        return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), values)

    @staticmethod
    def from_arrow(column: pa.Array, names: Sequence[str]) -> Objects:
        """The objects of the manifest's column."""
        counts = np.nan_to_num(column.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
        values = column.flatten()
        fields = {name: values.field(i) for i, name in enumerate(values.type.names)}
        segments = fields["segments"]
        polygons = segments.flatten()
        codes = fields["rle"]
        with_code = np.flatnonzero(codes.is_valid().to_numpy(zero_copy_only=False)).tolist()
        labels = fields["label"].dictionary_encode()
        position = {name: i for i, name in enumerate(names)}
        of_code = np.array([position[name] for name in labels.dictionary.to_pylist()], np.int32)
        return Objects(
            image=np.repeat(np.arange(len(column)), counts),
            label=of_code[labels.indices.to_numpy(zero_copy_only=False)] if len(of_code) else np.zeros(0, np.int32),
            names=list(names),
            bbox=fields["bbox"].flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, 4),
            iscrowd=fields["iscrowd"].to_numpy(zero_copy_only=False).astype(bool),
            difficult=fields["difficult"].to_numpy(zero_copy_only=False).astype(bool),
            first_segment=starts_of(segments.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)),
            first_number=starts_of(polygons.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)),
            numbers=polygons.flatten().to_numpy(zero_copy_only=False).astype(np.float64),
            rle={i: codes[i].as_py() for i in with_code},
        )

    def rows_of(self, image: int) -> range:
        """The rows of the objects of one image."""
        first, end = np.searchsorted(self.image, [image, image + 1]).tolist()
        return range(first, end)

    def place(self, index: int, images: Sequence[str]) -> str:
        """Where an object is, for messages: its image, named as in `images`, and its number in that image from 1."""
        image = int(self.image[index])
        return f"{images[image]}, object {index - self.rows_of(image).start + 1}"

    def __getitem__(self, index: int) -> Object:
        x1, y1, x2, y2 = self.bbox[index].tolist()
        return Object(
            self.names[int(self.label[index])],
            (x1, y1, x2, y2),
            bool(self.iscrowd[index]),
            bool(self.difficult[index]),
            tuple(segment.tolist() for segment in self.segments(index)),
            self.rle.get(index),
        )


class ObjectBuilder:
    """Collects objects in compact columns; images may come in any order."""

    def __init__(self) -> None:
        self._image, self._label = array("q"), array("i")
        self._bbox, self._numbers = array("d"), array("d")
        self._flags = array("b")
        self._segments, self._lengths = array("q"), array("q")  # polygons per object, numbers per polygon
        self._rle: dict[int, str] = {}
        self._names: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._image)

    @property
    def with_mask(self) -> int:
        """How many objects have polygons or a run-length code."""
        return int(np.count_nonzero(np.asarray(self._segments, np.int64))) + len(self._rle)

    @property
    def names(self) -> list[str]:
        """All labels by number."""
        return list(self._names)

    def boxes(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Image (n,) and box (n, 4), x1, y1, x2, y2, of all objects so far, in their order."""
        return np.array(self._image, np.int64), np.array(self._bbox, np.float64).reshape(-1, 4)

    @property
    def largest(self) -> float:
        """The largest coordinate of a box or polygon; 0.0 where none is above that."""
        return max(float(np.fmax.reduce(np.asarray(part), initial=0.0)) for part in (self._bbox, self._numbers))

    def name(self, label: str) -> int:
        """The number of a label."""
        return self._names.setdefault(composed(label), len(self._names))

    def rename(self, names: Mapping[str, str]) -> None:
        """Rename labels; those with the same new name are merged."""
        old, self._names = self._names, {}
        numbers = [self.name(names.get(label, label)) for label in old]
        self._label = array("i", (numbers[label] for label in self._label))

    def add(self, image: int, value: Object) -> None:
        """Add one object of an image."""
        self.add_values(
            image,
            self.name(value.label),
            value.bbox or _UNKNOWN,
            value.iscrowd + 2 * value.difficult,
            value.segments,
            value.rle,
        )

    def add_values(
        self,
        image: int,
        label: int,
        bbox: Sequence[float],
        flags: int = 0,
        segments: Sequence[Sequence[float]] = (),
        rle: str | None = None,
    ) -> None:
        """Add one object; `label` is a number from `name`, `flags` is 1 for a crowd plus 2 for a difficult object."""
        if rle is not None:
            self._rle[len(self._image)] = rle
        self._image.append(image)
        self._label.append(label)
        self._bbox.extend(bbox)
        self._flags.append(flags)
        self._segments.append(len(segments))
        for segment in segments:
            self._lengths.append(len(segment))
            self._numbers.extend(segment)

    def extend(
        self,
        images: Sequence[int],
        labels: Sequence[int],
        boxes: NDArray[np.float64],
        flags: Sequence[int],
        polygons: Sequence[Sequence[Sequence[float]]],
    ) -> None:
        """Add many objects, with the arguments of `add_values` as columns; `boxes` is (n, 4), x1, y1, x2, y2."""
        self._image.extend(images)
        self._label.extend(labels)
        self._bbox.frombytes(np.ascontiguousarray(boxes, np.float64).tobytes())
        self._flags.extend(flags)
        self._segments.extend(map(len, polygons))
        for segment in chain.from_iterable(polygons):
            self._lengths.append(len(segment))
            self._numbers.extend(segment)

    def build(self) -> Objects:
        """All objects, sorted by image; those of one image keep their order."""
        flags = np.asarray(self._flags, np.int8)
        image = np.asarray(self._image, np.int64)
        built = Objects(
            image=image,
            label=np.asarray(self._label, np.int32),
            names=list(self._names),
            bbox=np.asarray(self._bbox, np.float64).reshape(-1, 4),
            iscrowd=flags & 1 > 0,
            difficult=flags & 2 > 0,
            first_segment=starts_of(np.asarray(self._segments, np.int64)),
            first_number=starts_of(np.asarray(self._lengths, np.int64)),
            numbers=np.asarray(self._numbers, np.float64),
            rle=self._rle,
        )
        return built if bool((np.diff(image) >= 0).all()) else built.take(np.argsort(image, kind="stable"))


_UNKNOWN = (float("nan"),) * 4

"""Where a model is better or worse than elsewhere: its metric on parts of the images, each tested against the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from automl_vision.core.tasks import TASKS, has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.light import LIGHT_FIGURES
from automl_vision.doctor.pixel_statistics import PixelStatistics
from automl_vision.evaluation.intervals import Interval, paired_difference
from automl_vision.evaluation.metric import Metric
from automl_vision.evaluation.paired import holm
from automl_vision.evaluation.parts import on_parts

MIN_IMAGES = 10
"""Smaller slices are left out: their intervals say nothing."""

MOST_VALUES = 50
"""Texts of a column with more different values are not sliced."""

LEVEL = 0.05
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:$|[T ])")
_PARTS = 3  # of a number, such as the image's size
_SIDES = (32, 96)  # pixels; COCO's bounds of small and medium objects
_SQUARE = 1.2  # longer side over shorter one, up to which an image is called square


@dataclass(frozen=True)
class Slice:
    """A part of the images.

    Attributes:
        attribute: what the images have in common, such as "class".
        value: which value of it, such as "cat".
        images: how many there are.
        metric: on these images, with its interval.
        rest: on all other images.
        difference: of the slice minus the rest.
        p_value: two-sided, of no difference, adjusted for the number of slices (Holm 1979).
    """

    attribute: str
    value: str
    images: int
    metric: Interval
    rest: Interval
    difference: Interval
    p_value: float

    @property
    def name(self) -> str:
        """Attribute and value."""
        return f"{self.attribute} {self.value}"

    @property
    def is_different(self) -> bool:
        """Whether the slice differs from the rest by more than chance."""
        return self.p_value < LEVEL


def find_slices(cases: Any, metric: Metric, attributes: Mapping[str, ArrayLike]) -> list[Slice]:
    """The metric on every slice, the worst first.

    All images are resampled, and the metric is computed on the part of each resample that is in the slice, and on the
    rest; the p-value is that of their difference over the resamples.

    Args:
        cases: predictions beside their truth; with `take`.
        metric: of the task.
        attributes: (images,) by name, the value of each image as text; an empty text is no value.
    """
    found: list[Slice] = []
    for attribute, column in attributes.items():
        number, names = numbered(column)
        sizes = np.bincount(number, minlength=len(names))
        chosen = [i for i, name in enumerate(names) if name and min(sizes[i], len(cases) - sizes[i]) >= MIN_IMAGES]
        if not chosen:
            continue
        sides = (on_parts(cases, metric, number, chosen, outside=outside) for outside in (False, True))
        for i, inside, outside in zip(chosen, *sides, strict=True):
            difference = paired_difference(outside.resampled, inside.resampled)
            figures = (inside.interval, outside.interval, difference.interval, difference.p_value)
            found.append(Slice(attribute, str(names[i]), int(sizes[i]), *figures))
    adjusted = holm([part.p_value for part in found])
    parts = [replace(part, p_value=p) for part, p in zip(found, adjusted, strict=True)]
    return sorted(parts, key=lambda part: metric.score(part.difference.value))


def numbered(column: ArrayLike) -> tuple[NDArray[np.intp], list[Any]]:
    """The number of each image's value, (images,), and the values in the order in which they occur first."""
    values = np.asarray(column, dtype=object).tolist()
    place = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([place[value] for value in values], np.intp), list(place)


def slice_table(slices: Sequence[Slice], metric: Metric) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a table of slices, as texts."""
    rows = [
        [
            part.name,
            str(part.images),
            *(interval.text(3) for interval in (part.metric, part.rest, part.difference)),
            f"{part.p_value:.3f}",
        ]
        for part in slices
    ]
    return ["slice", "images", metric.name, "elsewhere", "difference", "p (Holm)"], rows


def worst_sentence(slices: Sequence[Slice], metric: Metric, *, most: int = 3) -> str:
    """Name the worst slices in a sentence.

    Args:
        slices: worst first.
        metric: that they were found by.
        most: how many are named.
    """
    if not slices:
        return f"no slice has {MIN_IMAGES} images inside and outside"
    worse = [part for part in slices if part.is_different and metric.score(part.difference.value) < 0]
    if not worse:
        return f"{metric.words} differs from the rest by no more than chance in each of {len(slices)} slices"
    named = ", ".join(
        f"{part.name} ({part.metric.value:.3f}, elsewhere {part.rest.value:.3f})" for part in worse[:most]
    )
    more = f" and {len(worse) - most} more" if len(worse) > most else ""
    return f"{metric.words} is worse than elsewhere where {named}{more}"


def image_attributes(
    dataset: Dataset, rows: NDArray[np.intp], figures: PixelStatistics | None = None
) -> dict[str, NDArray[np.object_]]:
    """What is known of images, as texts by attribute.

    Numbers are cut into thirds; the value names the bounds. `group` is there if the dataset
    has groups.

    Args:
        dataset: with labels.
        rows: (images,), of the dataset.
        figures: of these images; None leaves brightness, contrast and sharpness out.
    """
    width, height = dataset.sizes[rows].T.astype(np.float64)
    attributes = {
        "image size": _thirds(np.sqrt(width * height), "px"),
        "aspect": _aspects(width, height),
    }
    if has_objects(dataset.task):
        counts, sides = _objects_of(dataset, rows)
        attributes["objects"] = _thirds(counts, "objects")
        attributes["object size"] = _sizes(sides)
    elif TASKS[dataset.task].one_label:
        names = np.array(dataset.classes, dtype=object)
        attributes["class"] = names[dataset.targets[rows].argmax(axis=1)]
    else:
        attributes["labels"] = _thirds(dataset.targets[rows].sum(axis=1).astype(np.float64), "labels")
    for name in LIGHT_FIGURES if figures is not None else ():
        attributes[name] = _thirds(np.asarray(getattr(figures, name), np.float64), "grey levels")
    for name in dataset.further:
        found = _column_values(dataset.column(name).take(pa.array(rows)).combine_chunks())
        attributes[f"column {name}" if name in attributes else name] = found
    groups = np.array([group or "" for group in dataset.table["group"].take(rows).to_pylist()], dtype=object)
    if any(groups.tolist()):
        attributes["group"] = groups
    return attributes


def _thirds(values: NDArray[np.float64], unit: str) -> NDArray[np.object_]:
    """Three parts of about the same number of images, named by their range; fewer where many values are equal.

    An image whose value is NaN is in none of them.
    """
    known = np.flatnonzero(np.isfinite(values))
    names = np.full(len(values), "", dtype=object)
    bounds = np.unique(np.quantile(values[known], np.linspace(0, 1, _PARTS + 1))) if len(known) else np.zeros(1)
    if len(bounds) < 2:
        return names
    part, digits = np.full(len(values), -1), _digits(values[known])
    part[known] = np.clip(np.searchsorted(bounds, values[known], side="right") - 1, 0, len(bounds) - 2)
    for i in np.unique(part[known]).tolist():
        low, high = values[part == i].min(), values[part == i].max()
        names[part == i] = f"{low:.{digits}f} to {high:.{digits}f} {unit}" if low < high else f"{low:.{digits}f} {unit}"
    return np.array([name.strip() for name in names.tolist()], dtype=object)


def _column_values(column: pa.Array) -> NDArray[np.object_]:
    """Values of a further column as texts: numbers in thirds, dates by day or month, at most `MOST_VALUES` texts."""
    if pa.types.is_floating(column.type):
        return _thirds(column.to_numpy(zero_copy_only=False).astype(np.float64), "")
    texts = np.array(column.fill_null("").to_pylist(), dtype=object)
    known = [text for text in texts.tolist() if text]
    if known and all(map(_DATE.match, known)):
        by_day = len({text[:10] for text in known}) <= MOST_VALUES
        texts = np.array([text[: 10 if by_day else 7] for text in texts.tolist()], dtype=object)
    return texts if len(set(texts.tolist())) <= MOST_VALUES else np.full(len(texts), "", dtype=object)


def _digits(values: NDArray[np.float64]) -> int:
    """Digits after the point with which parts of some numbers, not all equal, are told apart."""
    if (values == np.round(values)).all():
        return 0
    return max(0, 1 - int(np.floor(np.log10(np.ptp(values)))))


def _aspects(width: NDArray[np.float64], height: NDArray[np.float64]) -> NDArray[np.object_]:
    ratio = width / np.maximum(height, 1)
    names = np.array(["upright", "square", "wide"], dtype=object)
    return np.asarray(names[(ratio > 1 / _SQUARE).astype(int) + (ratio > _SQUARE)])


def _objects_of(dataset: Dataset, rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Number of objects and their median side in pixels (NaN without objects), both by image."""
    objects = dataset.objects
    sides = np.sqrt(np.maximum(objects.bbox[:, 2:] - objects.bbox[:, :2], 0).prod(axis=1))
    first, end = (np.searchsorted(objects.image, rows, side=side) for side in ("left", "right"))
    ordered = sides[np.lexsort((sides, objects.image))]
    medians, some = np.full(len(rows), np.nan), end > first
    middle = [first[some] + (end - first - 1)[some] // 2, first[some] + (end - first)[some] // 2]
    known = np.isfinite(ordered[end[some] - 1])  # unknown ones are last
    medians[some] = np.where(known, (ordered[middle[0]] + ordered[middle[1]]) / 2, np.nan)
    return (end - first).astype(np.float64), medians


def _sizes(sides: NDArray[np.float64]) -> NDArray[np.object_]:
    """COCO's small, medium and large; empty for images without objects."""
    names = np.array(["small", "medium", "large", ""], dtype=object)
    return names[np.where(np.isnan(sides), 3, (sides >= _SIDES[0]).astype(int) + (sides >= _SIDES[1]))]

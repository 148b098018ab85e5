"""Two trials on the same images: paired tests over all, by class and by slice, and what only one of them gets right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.paired import Comparison, comparable, compare, compare_resamples, holm
from automl_vision.evaluation.parts import on_parts
from automl_vision.evaluation.slices import MIN_IMAGES, image_attributes, numbered
from automl_vision.experiment.evaluated import Evaluated


@dataclass(frozen=True)
class Compared:
    """Two trials on the same images.

    Attributes:
        metric: name of the metric that the test is of.
        comparison: second minus first.
        only_first: paths of the images without a mistake of the first trial and with one of the second.
        only_second: likewise, the other way round.
        both: how many images both get right.
        neither: how many both get wrong.
    """

    metric: str
    comparison: Comparison
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    both: int
    neither: int


def compare_trials(first: Evaluated, second: Evaluated, metric: str | None = None) -> Compared:
    """Compare two trials, of the same run or of two.

    Args:
        first, second: of the same split of the same dataset.
        metric: name; None for the primary one of the first trial.

    Raises:
        DataError: the trials were not evaluated on the same images with the same labels.
        ValueError: the task has no such metric.
    """
    _require_same_images(first, second)
    used = first.metric(metric)
    found = compare(comparable(used, first.cases), comparable(used, second.cases))
    assert found is not None, "one metric on the same images can be compared"
    right = [_right(first), _right(second)]
    images = first.dataset.table["image"].take(first.rows).to_pylist()
    return Compared(
        used.name,
        found,
        only_first=tuple(images[i] for i in np.flatnonzero(right[0] & ~right[1]).tolist()),
        only_second=tuple(images[i] for i in np.flatnonzero(right[1] & ~right[0]).tolist()),
        both=int((right[0] & right[1]).sum()),
        neither=int((~right[0] & ~right[1]).sum()),
    )


@dataclass(frozen=True)
class PartCompared:
    """Two trials on a class or on a slice of the images.

    Attributes:
        name: of the class or slice.
        images: how many have the class, or are in the slice.
        first, second: the figure of each trial; NaN where it is undefined.
        comparison: second minus first; its p-value is adjusted for the number of classes or slices (Holm 1979).
    """

    name: str
    images: int
    first: float
    second: float
    comparison: Comparison


def compare_classes(first: Evaluated, second: Evaluated) -> list[PartCompared]:
    """Compare two trials by `class_figure` of each class that occurs, in the order of the classes.

    Raises:
        DataError: the trials were not evaluated on the same images with the same labels.
    """
    _require_same_images(first, second)
    figures = first.class_figures(), second.class_figures()
    images = first.dataset.targets[first.rows].sum(axis=0).tolist()
    return _adjusted(
        [
            _part(name, count, figures[0][:, label], figures[1][:, label])
            for label, (name, count) in enumerate(zip(first.dataset.classes, images, strict=True))
            if count
        ]
    )


def compare_slices(first: Evaluated, second: Evaluated, metric: str | None = None) -> list[PartCompared]:
    """Compare two trials on each slice of at least 10 images, except those by class; each image is read once.

    Args:
        first, second: of the same split of the same dataset.
        metric: name; None for the primary one of the first trial.

    Raises:
        DataError: the trials were not evaluated on the same images with the same labels.
        ValueError: the task has no such metric.
    """
    _require_same_images(first, second)
    used = first.metric(metric)
    found = []
    for attribute, values in image_attributes(first.dataset, first.rows, first.pixel_statistics()).items():
        number, names = numbered(values)
        sizes = np.bincount(number, minlength=len(names)).tolist()
        chosen = [i for i, name in enumerate(names) if name and MIN_IMAGES <= sizes[i] < len(values)]
        if chosen and attribute != "class":
            parts = (on_parts(evaluated.cases, used, number, chosen) for evaluated in (first, second))
            for i, one, two in zip(chosen, *parts, strict=True):
                found.append(_part(f"{attribute} {names[i]}", sizes[i], one.resampled, two.resampled))
    return _adjusted(found)


def _part(name: str, images: int, first: Floats, second: Floats) -> PartCompared:
    """One class or slice, from its figure on all images and on resamples of them."""
    return PartCompared(name, images, float(first[0]), float(second[0]), compare_resamples(first, second, images))


def _adjusted(parts: Sequence[PartCompared]) -> list[PartCompared]:
    """The same with p-values that hold for all of them at once."""
    p_values = holm([part.comparison.p_value for part in parts])
    return [
        replace(part, comparison=replace(part.comparison, p_value=p)) for part, p in zip(parts, p_values, strict=True)
    ]


def _require_same_images(first: Evaluated, second: Evaluated) -> None:
    """Raise `DataError` unless two trials were evaluated on the same images with the same labels."""
    if not np.array_equal(first.rows, second.rows) or first.dataset.fingerprint != second.dataset.fingerprint:
        raise DataError(
            f"the {first.split} images of the two trials or their labels differ, so they cannot be compared"
        )


def most_different(parts: Sequence[PartCompared], most: int) -> list[PartCompared]:
    """The classes or slices of the largest differences, in their order; all of them where there are no more.

    Args:
        parts: of one kind.
        most: how many.
    """
    sizes = np.nan_to_num(np.abs([part.comparison.difference.value for part in parts]), nan=-1.0)
    return [parts[i] for i in sorted(np.argsort(-sizes, kind="stable")[:most].tolist())]


def part_table(parts: Sequence[PartCompared], what: str, figure: str) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a table of classes or slices, as texts.

    Args:
        parts: of one kind.
        what: "class" or "slice".
        figure: name of the figure that was compared.
    """
    rows = [
        [
            part.name,
            str(part.images),
            f"{part.first:.3f}",
            f"{part.second:.3f}",
            part.comparison.difference.text(3),
            f"{part.comparison.p_value:.3f}",
        ]
        for part in parts
    ]
    return [what, "images", f"{figure} of the first", "of the second", "difference", "p (Holm)"], rows


def _right(evaluated: Evaluated) -> np.ndarray:
    """(images,), bool: whether a trial makes no mistake in each image."""
    right = np.ones(len(evaluated.rows), bool)
    right[[mistake.image for mistake in evaluated.mistakes()]] = False
    return right

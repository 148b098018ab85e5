"""How well scores rank cases: area under the ROC curve and average precision, for many weightings of the images.

Both change only at the scores of positives, of which there are few: as many as labels, not as decisions. So decisions
are counted between the positives' scores, by image, once; then each weighting is a product of that table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.chunks import by_image, in_chunks, running
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.weighted import TINY, Remembered, mean_of_known, ratio, sums_by_label

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RANKINGS = ("auc", "average_precision")
"""Area under the ROC curve, where equal scores count half; average precision, where equal scores are one step."""

_AT_ONCE = 2_500_000  # numbers in a temporary array
_DENSE = 1 / 16  # of a table's cells are filled, from which a plain matrix product is faster
_ROWS = 1024  # of a table that are made dense at once


class Rankings:
    """The figures of `RANKINGS`, by label and over all decisions.

    Labels that all images have, or none has, cannot be ranked and are left out.

    Args:
        scores, truth: (images, labels).
    """

    def __init__(self, scores: Floats, truth: NDArray[np.bool_]) -> None:
        self._usable = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
        is_all = len(self._usable) == truth.shape[1]
        self._scores = scores if is_all else scores[:, self._usable]
        self._truth = truth if is_all else truth[:, self._usable]
        self._labels = truth.shape[1]

    def averaged(self, name: str, average: str, weights: Floats) -> Floats:
        """Average over the labels, (resamples,), as in `Counts.averaged`; NaN if none can be ranked.

        Args:
            name: one of `RANKINGS`.
            average: "macro", "weighted" or "micro".
            weights: how often each image counts, whole numbers (resamples, images).
        """
        if not len(self._usable):
            return np.full(len(weights), np.nan)
        if average == "micro":
            return self._over_all(weights)[..., RANKINGS.index(name)]
        values = self._by_label(weights)[..., RANKINGS.index(name)]
        return mean_of_known(values, sums_by_label(weights, self._truth) if average == "weighted" else None)

    def by_label(self, name: str, weights: Floats) -> Floats:
        """One of the figures for each label, (resamples, labels); NaN where it cannot be ranked."""
        values = np.full((len(weights), self._labels), np.nan)
        if len(self._usable):
            values[:, self._usable] = self._by_label(weights)[..., RANKINGS.index(name)]
        return values

    @cached_property
    def _by_label(self) -> Remembered[Floats]:
        """Takes weights, returns (resamples, labels, 2)."""
        return Remembered(lambda weights: _figures(self._of_labels, weights, of_image=1))

    @cached_property
    def _over_all(self) -> Remembered[Floats]:
        """Takes weights, returns (resamples, 2)."""
        return Remembered(lambda weights: _figures(self._of_all, weights, of_image=len(self._usable))[:, 0])

    @cached_property
    def _of_labels(self) -> _Table:
        return _Table.of(self._scores, self._truth, together=False)

    @cached_property
    def _of_all(self) -> _Table:
        return _Table.of(self._scores, self._truth, together=True)


@dataclass(frozen=True)
class _Table:
    """Decisions of each image at and between the distinct scores of the positives, which are the rows.

    The rows of a question, which is a label or all labels together, follow each other, the lowest score first.

    Attributes:
        starts: (questions,), the first row of each question; each has a row.
        positives: (rows, images), positives with the score.
        between: (rows, images), negatives below the score, and above the one before.
        equal: (rows, images), negatives with the score; None if there are none.
    """

    starts: NDArray[np.intp]
    positives: csr_array
    between: csr_array
    equal: csr_array | None

    @staticmethod
    def of(scores: Floats, truth: NDArray[np.bool_], *, together: bool) -> _Table:
        """Count them.

        Args:
            scores, truth: (images, labels), each label with positives.
            together: whether there is one question on all labels, instead of one on each.
        """
        shared = np.unique(scores[truth]) if together else None
        places: list[tuple[NDArray[np.int32], ...]] = []  # rows and images of the three tables, by label
        starts = [0]
        for column, is_true in zip(scores.T, truth.T, strict=True):
            values = np.unique(column[is_true]) if shared is None else shared
            first = starts[-1] if shared is None else 0
            images, others = np.flatnonzero(is_true), np.flatnonzero(~is_true)
            bins, ends = (np.searchsorted(values, column[others], side=side) for side in ("left", "right"))
            is_equal, below = bins < ends, (bins == ends) & (bins < len(values))
            rows = np.searchsorted(values, column[images]), bins[below], bins[is_equal]
            of_image = images, others[below], others[is_equal]
            places.append(tuple((first + row).astype(np.int32) for row in rows))
            places[-1] += tuple(image.astype(np.int32) for image in of_image)
            starts.append(first + len(values))
        columns = [np.concatenate(parts) for parts in zip(*places, strict=True)]
        shape = (starts[-1], len(scores))
        positives, between, equal = (_counts(columns[i], columns[i + 3], shape) for i in range(3))
        return _Table(
            np.array(starts[:-1] if shared is None else [0]), positives, between, equal if equal.nnz else None
        )


def _counts(rows: NDArray[np.int32], images: NDArray[np.int32], shape: tuple[int, int]) -> csr_array:
    """How often each pair of a row and an image occurs."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(rows), np.float32), (rows, images)), shape=shape)


def _figures(table: _Table, weights: Floats, *, of_image: int) -> Floats:
    """Both figures of each question, (resamples, questions, 2).

    Args:
        table: of the decisions.
        weights: whole numbers, (resamples, images).
        of_image: decisions of an image on a question.
    """

    def compute(part: Floats) -> Floats:
        return _of_weights(table, by_image(part, of_image), of_image)

    return in_chunks(compute, weights, table.positives.shape[0], size=_AT_ONCE)


def _of_weights(table: _Table, weights: NDArray[Any], of_image: int) -> Floats:
    """(resamples, questions, 2), for weights (images, resamples)."""
    ends = np.append(table.starts[1:], table.positives.shape[0]) - 1
    rows = np.diff(np.append(table.starts, table.positives.shape[0]))
    positive = _product(table.positives, weights).astype(np.float64)
    below = _product(table.between, weights).astype(np.float64)
    half = np.zeros((1, 1))
    first = below[table.starts].copy()
    if table.equal is not None:
        equal = _product(table.equal, weights).astype(np.float64)
        below[1:] += equal[:-1]  # what is equal to one score is below the next; of other questions it is taken off
        half = equal / 2
    running(np.add, below)
    below -= np.repeat(below[table.starts] - first, rows, axis=0)
    found = running(np.add, positive.copy())
    total = found[ends] - np.append(np.zeros((1, found.shape[1])), found[ends[:-1]], axis=0)  # (questions, resamples)
    found -= np.repeat(found[ends], rows, axis=0) + positive  # now minus what is at or above each score
    negatives = of_image * weights.sum(axis=0, dtype=np.float64) - total
    pairs = np.add.reduceat(positive * (below + half), table.starts, axis=0)
    above = np.repeat(negatives, rows, axis=0) - below
    above -= found
    precision = np.divide(positive * -found, np.maximum(above, TINY, out=above), out=above)
    steps = np.add.reduceat(precision, table.starts, axis=0)
    auc = ratio(pairs, total * negatives, otherwise=np.nan)
    return np.stack([auc.T, ratio(steps, total, otherwise=np.nan).T], axis=2)


def _product(table: csr_array, weights: NDArray[Any]) -> NDArray[Any]:
    """The weight of the decisions of each row, (rows, resamples)."""
    typed = table.astype(weights.dtype, copy=False)
    if table.nnz < _DENSE * table.shape[0] * table.shape[1]:
        return np.asarray(typed @ weights)
    blocks = [typed[start : start + _ROWS].toarray() @ weights for start in range(0, table.shape[0], _ROWS)]
    return np.concatenate(blocks)

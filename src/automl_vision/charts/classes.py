"""Figures of what is taken for what: confusion, the worst pairs, and the labels that are found and missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from automl_vision.charts.marks import CannotDrawError, counted, distinct, empty_figure, shortened

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_CLASSES = 100
"""A matrix of more classes cannot be read; the worst pairs are shown instead."""

_WORST_PAIRS = 25
_NUMBERED = 40  # classes up to which a cell has room for its number
_CELL = 26  # pixels

Counts = NDArray[np.intp]


def confusion(matrix: Counts, classes: Sequence[str], *, noun: str = "image", background: bool = False) -> Figure:
    """How often each class is predicted as each; a cell's shade is its share of the true class.

    Above `MAX_CLASSES` classes, the pairs that are confused most.

    Args:
        matrix: counts (true class, predicted class).
        classes: their names.
        noun: what is counted, in the singular.
        background: whether the last row and column stand for no object.

    Raises:
        CannotDrawError: nothing is counted.
    """
    if not matrix.sum():
        raise CannotDrawError(f"there is no {noun} to count")
    if len(classes) > MAX_CLASSES:
        return worst_pairs(matrix, classes, noun=noun, background=background)
    rows, columns = _names(classes, background=background)
    shares, of = _shares(matrix, rows, background=background)
    cells = [
        [[row, column, f"{share:.1%} of {whole}"] for column, share, whole in zip(columns, line, wholes, strict=True)]
        for row, line, wholes in zip(rows, shares.tolist(), of, strict=True)
    ]
    return _heatmap(matrix, shares, cells, (rows, columns), _confusion_sentence(matrix, rows, columns, noun))


def _names(classes: Sequence[str], *, background: bool) -> tuple[list[str], list[str]]:
    """Names of the rows and of the columns."""
    return ([*classes, "no object"], [*classes, "not found"]) if background else (list(classes), list(classes))


def _shares(matrix: Counts, rows: list[str], *, background: bool) -> tuple[NDArray[np.float64], list[list[str]]]:
    """The shares by which cells are shaded, and of what: of the true class, or where no object is of what is shown."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    of = [[f"all true {row}"] * len(rows) for row in rows]
    if background:
        shares[-1] = matrix[-1] / np.maximum(matrix.sum(axis=0), 1)
        of[-1] = [f"all shown as {name}" for name in rows]
    return shares, of


def _heatmap(
    matrix: Counts,
    shares: NDArray[np.float64],
    cells: list[list[list[str]]],
    names: tuple[list[str], list[str]],
    summary: str,
) -> Figure:
    import plotly.graph_objects as go

    (rows, columns), size = names, len(matrix)
    short = 18 if size <= 12 else 14
    figure = empty_figure(
        "Confusion matrix", summary, x="predicted", y="true",
        height=max(380, 190 + _CELL * size) if size > 8 else 190 + 44 * max(size, 4),
        xaxis={"showline": False, "ticks": "", "tickvals": list(range(size)), "ticktext": distinct(columns, short),
               "showgrid": False, "tickangle": -90 if size > 12 else -45 if size > 3 else 0, "constrain": "domain"},
        yaxis={"showline": False, "ticks": "", "tickvals": list(range(size)), "ticktext": distinct(rows, short),
               "showgrid": False, "autorange": "reversed"},
    )  # fmt: skip
    figure.add_trace(
        go.Heatmap(
            z=shares, zmin=0, zmax=1, text=_cell_texts(matrix), customdata=cells, xgap=1, ygap=1,
            texttemplate="%{text}" if size <= _NUMBERED else None,
            textfont={"size": 13 if size <= 12 else 10 if size <= 24 else 8},
            hovertemplate="true %{customdata[0]}<br>predicted %{customdata[1]}<br>%{text}, %{customdata[2]}"
            "<extra></extra>",
            showscale=False, meta={"role": "ramp"},
        )
    )  # fmt: skip
    return figure


def _cell_texts(matrix: Counts) -> list[list[str]]:
    """The counts, short enough for a cell; nothing for 0."""
    return [["" if not n else str(n) if n < 10_000 else f"{n / 1000:.0f}k" for n in row] for row in matrix.tolist()]


def _pairs(matrix: Counts) -> list[tuple[int, int]]:
    """Cells beside the diagonal that hold anything, the fullest first."""
    rows, columns = np.nonzero(matrix)
    counts = np.where(rows != columns, matrix[rows, columns], 0)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    return list(zip(rows[order].tolist(), columns[order].tolist(), strict=True))


def _confusion_sentence(matrix: Counts, rows: list[str], columns: list[str], noun: str) -> str:
    total, right = int(matrix.sum()), int(np.trace(matrix))
    pairs = _pairs(matrix)
    if not pairs:
        return f"All of {counted(total, noun)} lie on the diagonal."
    row, column = pairs[0]
    error = f"{rows[row]} predicted as {columns[column]}"
    if rows[row] != columns[row] and row == len(rows) - 1:
        error = f"{columns[column]} shown where no object is"
    elif rows[column] != columns[column] and column == len(columns) - 1:
        error = f"{rows[row]} not found"
    return (
        f"{right:,} of {counted(total, noun)} lie on the diagonal; the most frequent error is {error} "
        f"({int(matrix[row, column]):,})."
    )


def worst_pairs(
    matrix: Counts, classes: Sequence[str], *, noun: str = "image", background: bool = False, most: int = _WORST_PAIRS
) -> Figure:
    """The pairs of classes that are confused most, as bars.

    Args:
        matrix, classes, noun, background: as for `confusion`.
        most: number of pairs.

    Raises:
        CannotDrawError: no two classes are confused.
    """
    import plotly.graph_objects as go

    rows, columns = _names(classes, background=background)
    pairs = _pairs(matrix)[:most]
    if not pairs:
        raise CannotDrawError("no two classes are confused")
    values = [int(matrix[pair]) for pair in pairs]
    names = [f"{shortened(rows[a], 16)} → {shortened(columns[b], 16)}" for a, b in pairs]
    texts = [f"{int(matrix[a, b]):,} of {int(matrix[a].sum()):,}" for a, b in pairs]
    figure = empty_figure(
        "Most confused pairs", _confusion_sentence(matrix, rows, columns, noun), x=f"{noun}s (true → predicted)", y="",
        height=120 + 22 * max(len(pairs), 4),
        yaxis={"autorange": "reversed", "ticks": "", "tickvals": list(range(len(pairs))), "ticktext": names},
        xaxis={"range": [0, 1.5 * max(values)], "tickformat": ",d", "nticks": 6,
               "dtick": 1 if max(values) < 6 else None},
    )  # fmt: skip
    figure.add_trace(
        go.Bar(
            x=values, y=list(range(len(pairs))), orientation="h", text=texts, textposition="outside",
            cliponaxis=False, customdata=[[rows[a], columns[b]] for a, b in pairs],
            hovertemplate="true %{customdata[0]}<br>predicted %{customdata[1]}<br>%{text}<extra></extra>",
            meta={"role": "series-1"},
        )
    )  # fmt: skip
    return figure


_OUTCOMES = {"found": ("good", ""), "missed": ("warning", "/"), "wrongly predicted": ("error", "x")}


def label_outcomes(classes: Sequence[str], right: Counts, predicted: Counts, true: Counts) -> Figure:
    """Of each label, how often it is found, missed, and predicted where it is not.

    Args:
        classes: their names.
        right, predicted, true: (labels,), number of images with the label: both, predicted, true.

    Raises:
        CannotDrawError: no label is true or predicted.
    """
    import plotly.graph_objects as go

    if not (true.sum() or predicted.sum()):
        raise CannotDrawError("no label is true or predicted")
    order = np.argsort(-(true + predicted - right), kind="stable")[:MAX_CLASSES]
    names = [classes[i] for i in order.tolist()]
    columns: Mapping[str, Counts] = {
        "found": right[order], "missed": (true - right)[order], "wrongly predicted": (predicted - right)[order]
    }  # fmt: skip
    worst = int(np.argmax((true - right) + (predicted - right)))
    figure = empty_figure(
        "Labels found, missed and wrongly predicted",
        f"{right.sum():,} of {true.sum():,} labels are found and {(predicted - right).sum():,} are predicted wrongly; "
        f"{classes[worst]} has the most errors.",
        x="images", y="", height=150 + 24 * max(len(names), 3), barmode="stack", bargap=0.25,
        yaxis={"autorange": "reversed", "ticks": "", "tickvals": list(range(len(names))),
               "ticktext": distinct(names, 20)},
        xaxis={"tickformat": ",d", "nticks": 6},
    )  # fmt: skip
    for name, (role, pattern) in _OUTCOMES.items():
        figure.add_trace(
            go.Bar(
                x=columns[name], y=list(range(len(names))), orientation="h", name=name, customdata=names,
                marker={"pattern": {"shape": pattern, "solidity": 0.25}},
                hovertemplate=f"%{{customdata}}: %{{x:,d}} {name}<extra></extra>", meta={"role": role},
            )
        )  # fmt: skip
    return figure

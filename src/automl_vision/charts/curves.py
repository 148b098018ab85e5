"""Curves over thresholds: ROC, precision-recall, precision and recall against the threshold; reliability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.charts.marks import (
    MAX_SERIES,
    SHARE,
    CannotDrawError,
    empty_figure,
    line,
    reference,
    shortened,
    symbol,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Floats = NDArray[np.float64]

_OTHERS = 40  # grey curves, about 9 kB each


@dataclass(frozen=True)
class Curve:
    """A curve with its name and the area under it.

    Attributes:
        name: of a class.
        x, y: (n,), its points.
        area: under it; NaN where it is undefined.
        thresholds: (n,), of the points, or None.
    """

    name: str
    x: Floats
    y: Floats
    area: float
    thresholds: Floats | None = None


def roc(curves: Sequence[Curve]) -> Figure:
    """True positive rate against false positive rate, one curve for each class against the others.

    Args:
        curves: with the area under the ROC curve; those whose area is NaN are left out.

    Raises:
        CannotDrawError: none has an area.
    """
    known = _known(curves, "no class has images both with and without it")
    figure = empty_figure(
        "ROC curve" if len(known) == 1 else "ROC curves", _areas_sentence(known, "area under the ROC curve"),
        x="false positive rate", y="true positive rate", height=520, xaxis=SHARE, yaxis=SHARE,
    )  # fmt: skip
    figure.add_trace(reference([0, 1], [0, 1], "chance", showlegend=False))
    _add_curves(figure, known, "AUC", hover="false positive rate %{x:.3f}<br>true positive rate %{y:.3f}")
    return figure


def precision_recall(curves: Sequence[Curve], *, shape: str = "linear") -> Figure:
    """Precision against recall, one curve for each class.

    Args:
        curves: with their average precision; those whose area is NaN are left out.
        shape: of the line between points; "hv" for steps.

    Raises:
        CannotDrawError: none has an area.
    """
    known = _known(curves, "no class occurs in these images")
    figure = empty_figure(
        "Precision-recall curves", _areas_sentence(known, "average precision"), x="recall", y="precision", height=520,
        xaxis=SHARE, yaxis=SHARE,
    )  # fmt: skip
    _add_curves(figure, known, "AP", hover="recall %{x:.3f}<br>precision %{y:.3f}", line={"shape": shape})
    return figure


def _known(curves: Sequence[Curve], otherwise: str) -> list[Curve]:
    """Curves with an area, the hardest first."""
    known = sorted((curve for curve in curves if math.isfinite(curve.area)), key=lambda curve: curve.area)
    if not known:
        raise CannotDrawError(otherwise)
    return known


def _areas_sentence(known: list[Curve], area: str) -> str:
    first, last = known[0], known[-1]
    if len(known) == 1:
        return f"The {area} of {first.name} is {first.area:.3f}."
    return (
        f"The {area} goes from {first.area:.3f} ({first.name}) to {last.area:.3f} ({last.name}) over {len(known)} "
        "classes."
    )


def _add_curves(figure: Figure, known: list[Curve], area: str, *, hover: str, **style: Any) -> None:
    """Colours for the hardest classes; beyond six the others are grey and lie behind them."""
    coloured, others = known[:MAX_SERIES], known[MAX_SERIES:]
    if others:
        _add_others(figure, others, area, style)
        figure.layout.meta["summary"] += f" The {len(coloured)} hardest have colours."
    for number, curve in reversed(list(enumerate(coloured, start=1))):
        name = f"{shortened(curve.name)} {curve.area:.3f}"
        figure.add_trace(
            line(
                curve.x, curve.y, name, f"series-{number}", legendrank=number, customdata=_marks([curve]),
                meta={"role": f"series-{number}", "classes": [curve.name]},
                hovertemplate=f"{shortened(curve.name)}, {area} {curve.area:.3f}<br>{hover}"
                + ("" if curve.thresholds is None else "<br>threshold %{customdata[0]:.3f}") + "<extra></extra>",
                **style,
            )
        )  # fmt: skip


def _add_others(figure: Figure, others: list[Curve], area: str, style: dict[str, Any]) -> None:
    """Many classes in one trace, of which a few stand for all."""
    shown = [others[i] for i in np.unique(np.linspace(0, len(others) - 1, min(_OTHERS, len(others))).astype(int))]
    gap = [np.nan]
    name = f"{len(others)} other class{'' if len(others) == 1 else 'es'}"
    names = [f"{shortened(curve.name)}, {area} {curve.area:.3f}" for curve in shown for _ in range(len(curve.x) + 1)]
    figure.add_trace(
        line(
            np.concatenate([part for curve in shown for part in (curve.x, gap)]),
            np.concatenate([part for curve in shown for part in (curve.y, gap)]),
            name if len(shown) == len(others) else f"{len(shown)} of {name}", "faint", legendrank=MAX_SERIES + 1,
            text=names, hovertemplate="%{text}<extra></extra>", customdata=_marks(shown),
            meta={"role": "faint", "classes": [curve.name for curve in shown]},
            **{**style, "line": {**style.get("line", {}), "width": 1, "dash": "solid"}},
        )
    )  # fmt: skip


def _marks(curves: Sequence[Curve]) -> Floats | None:
    """(points, 2): of each point its threshold and the position of its class; a gap follows each of several curves."""
    known = [curve.thresholds for curve in curves if curve.thresholds is not None]
    if len(known) < len(curves):
        return None
    gap = np.full(min(len(curves) - 1, 1), np.nan)
    parts = [np.concatenate([part, gap]) for part in known]
    return np.stack([np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])], axis=1)


def precision_recall_by_overlap(recall: Floats, precision: Floats, overlaps: Sequence[float], *, noun: str) -> Figure:
    """Precision against recall, one curve for each overlap from which an object counts as found.

    Args:
        recall: (points,).
        precision: (overlaps, points), mean over classes.
        overlaps: intersection over union, rising.
        noun: what overlaps, such as "boxes".

    Raises:
        CannotDrawError: there are no objects.
    """
    if not np.isfinite(precision).any():
        raise CannotDrawError("there are no objects in these images")
    areas = np.nanmean(precision, axis=1)
    figure = empty_figure(
        f"Precision-recall by overlap of {noun}",
        f"Average precision falls from {areas[0]:.3f} at an overlap of {overlaps[0]:g} to {areas[-1]:.3f} at "
        f"{overlaps[-1]:g}; the mean over classes.",
        x="recall", y="precision (mean over classes)", height=520, xaxis=SHARE, yaxis=SHARE,
    )  # fmt: skip
    for number, (values, overlap, area) in enumerate(zip(precision, overlaps, areas, strict=True)):
        role = f"ramp-{5 - round(4 * number / max(len(overlaps) - 1, 1))}"
        style = {"dash": ("solid", "dash", "dot", "dashdot", "longdash")[number % 5]}
        figure.add_trace(
            line(
                recall, values, f"IoU {overlap:g}: AP {area:.3f}", role, line=style,
                hovertemplate=f"overlap {overlap:g}<br>recall %{{x:.2f}}<br>precision %{{y:.3f}}<extra></extra>",
            )
        )  # fmt: skip
    return figure


def thresholds(
    threshold: Floats, *, precision: Floats, recall: Floats, f1: Floats, operating: float | None = None
) -> Figure:
    """Precision, recall and F1 against the threshold from which a decision counts.

    Args:
        threshold: (n,), falling or rising.
        precision, recall, f1: (n,).
        operating: the threshold in use, which is marked.

    Raises:
        CannotDrawError: there are no decisions.
    """
    import plotly.graph_objects as go

    if not len(threshold):
        raise CannotDrawError("the model decides nothing in these images")
    best = int(np.argmax(f1))
    figure = empty_figure(
        "Precision, recall and F1 by threshold",
        f"F1 is highest, {f1[best]:.3f}, at a threshold of {threshold[best]:.3f}: precision {precision[best]:.3f}, "
        f"recall {recall[best]:.3f}.",
        x="threshold (score or probability)", y="share", height=460, xaxis=SHARE, yaxis=SHARE,
    )  # fmt: skip
    for number, (name, values) in enumerate((("precision", precision), ("recall", recall), ("F1", f1)), start=1):
        figure.add_trace(
            line(
                threshold,
                values,
                name,
                f"series-{number}",
                hovertemplate=f"{name} %{{y:.3f}} at %{{x:.3f}}<extra></extra>",
            )
        )
    if operating is not None:
        figure.add_trace(reference([operating] * 2, [0, 1], f"in use: {operating:.2g}"))
    figure.add_trace(
        go.Scatter(
            x=[threshold[best]], y=[f1[best]], name=f"best F1 {f1[best]:.3f} at {threshold[best]:.2f}", mode="markers",
            marker={"symbol": "star", "size": 13, "line": {"width": 1}}, meta={"role": "series-3"},
            hovertemplate="best F1 %{y:.3f} at %{x:.3f}<extra></extra>",
        )
    )  # fmt: skip
    return figure


@dataclass(frozen=True)
class ReliabilityPoint:
    """A bin of a reliability diagram.

    Attributes:
        confidence: mean in the bin.
        frequency: how often the predictions came true, with the ends `low` and `high` of its interval.
        cases: number of cases.
        bounds: the least and the greatest confidence in the bin.
    """

    confidence: float
    frequency: float
    low: float
    high: float
    cases: int
    bounds: tuple[float, float]


@dataclass(frozen=True)
class ReliabilityCurve:
    """The bins of one model, or of one temperature.

    Attributes:
        name: such as "after temperature scaling".
        error: expected calibration error.
        points: in the order of their confidence.
    """

    name: str
    error: float
    points: tuple[ReliabilityPoint, ...]


def reliability(curves: Sequence[ReliabilityCurve]) -> Figure:
    """How often predictions come true against their confidence; the last curve has its intervals.

    Args:
        curves: such as before and after temperature scaling.

    Raises:
        CannotDrawError: there are no predictions.
    """
    if not curves or not all(curve.points for curve in curves):
        raise CannotDrawError("there are no predictions")
    errors = ", ".join(f"{curve.error:.3f} {curve.name}" for curve in curves)
    figure = empty_figure(
        "Reliability", f"The expected calibration error is {errors}; on the diagonal confidence equals frequency.",
        x="confidence (mean of the bin)", y="frequency of being right", height=520, xaxis=SHARE, yaxis=SHARE,
    )  # fmt: skip
    figure.add_trace(reference([0, 1], [0, 1], "perfect", showlegend=False))
    for number, curve in enumerate(curves, start=1):
        role, points = ("series-1" if number == len(curves) else f"series-{number + 1}"), curve.points
        bars = {
            "type": "data", "symmetric": False, "thickness": 1, "width": 3,
            "array": [max(0.0, p.high - p.frequency) for p in points],
            "arrayminus": [max(0.0, p.frequency - p.low) for p in points],
        }  # fmt: skip
        figure.add_trace(
            line(
                [p.confidence for p in points], [p.frequency for p in points],
                f"{curve.name}: error {curve.error:.3f}", role, mode="lines+markers",
                marker={"symbol": symbol(role), "size": 8}, error_y=bars if number == len(curves) else None,
                customdata=[[p.cases, *p.bounds] for p in points], meta={"role": role, "curve": curve.name},
                hovertemplate="confidence %{x:.3f}<br>right %{y:.3f} of %{customdata[0]:,} cases<extra></extra>",
            )
        )  # fmt: skip
    return figure

"""The figure of a training: loss, metric and learning rate by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_vision.charts.marks import CannotDrawError, empty_figure, line, symbol

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MARKED = 40  # epochs up to which each has a mark
_LINE = 18  # characters beside a panel
_GAP = 0.07  # of the height, between panels


@dataclass(frozen=True)
class EpochPoint:
    """A validation.

    Attributes:
        epoch: 0 is the linear probe, before the training.
        metric: the primary one on the validation images.
        train_metric: on the training images.
        validation_loss, train_loss: mean over the images.
        learning_rate: at the end of the epoch; 0 for the probe.
    """

    epoch: int
    metric: float | None
    train_metric: float | None
    validation_loss: float | None
    train_loss: float | None
    learning_rate: float


def learning_curves(points: Sequence[EpochPoint], metric: str, *, best_epoch: int | None = None) -> Figure:
    """Loss, metric and learning rate by epoch, one below the other.

    Args:
        points: one an epoch.
        metric: name of the primary metric.
        best_epoch: whose weights were kept; it is marked.

    Raises:
        CannotDrawError: the trial has not validated yet.
    """
    if not points:
        raise CannotDrawError("the trial has not validated yet")
    panels = {
        "loss": {"validation": [p.validation_loss for p in points], "training": [p.train_loss for p in points]},
        metric: {"validation": [p.metric for p in points], "training": [p.train_metric for p in points]},
        "learning rate": {"learning rate": [p.learning_rate or None for p in points]},
    }
    shown = {panel: {name: y for name, y in series.items() if _finite(y)} for panel, series in panels.items()}
    shown = {panel: series for panel, series in shown.items() if series}
    epochs = [point.epoch for point in points]
    figure = empty_figure(
        "Learning curves", _sentence(points, metric, best_epoch), x="epoch", y="",
        height=140 + 160 * max(len(shown), 1),
        xaxis={"tickformat": "d", "nticks": 8, "anchor": f"y{len(shown)}" if len(shown) > 1 else "y",
               "range": [min(epochs) - 0.3, max(epochs) + 0.3], "dtick": 1 if max(epochs) - min(epochs) < 8 else None},
        **_axes(list(shown)),
    )  # fmt: skip
    for row, (panel, series) in enumerate(shown.items(), start=1):
        for name, values in series.items():
            _add_series(figure, epochs, values, panel, name, row)
        if panel == metric and best_epoch in epochs and _finite(series.get("validation", [])):
            _mark_best(figure, best_epoch, series["validation"][epochs.index(best_epoch)], row)
    return figure


def _axes(panels: list[str]) -> dict[str, Any]:
    """The vertical axes, from the top."""
    height = (1 - _GAP * (len(panels) - 1)) / max(len(panels), 1)
    axes = {}
    for row, panel in enumerate(panels, start=1):
        top = 1 - (row - 1) * (height + _GAP)
        axes["yaxis" if row == 1 else f"yaxis{row}"] = {
            "domain": [max(0.0, top - height), top],
            "title": {"text": _broken(panel), "standoff": 8, "font": {"size": 12}},
            "tickfont": {"size": 12},
            "showline": True, "ticks": "outside", "ticklen": 4, "automargin": True, "nticks": 5, "zeroline": False,
            **({"exponentformat": "e", "rangemode": "tozero"} if panel == "learning rate" else {}),
        }  # fmt: skip
    return axes


def _broken(name: str) -> str:
    """A name in lines that fit beside a panel."""
    words, lines = name.split("_"), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > _LINE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)


def _add_series(figure: Figure, epochs: list[int], values: list[Any], panel: str, name: str, row: int) -> None:
    role = {"validation": "series-1", "training": "series-2", "learning rate": "muted"}[name]
    figure.add_trace(
        line(
            epochs, values, name, role, yaxis="y" if row == 1 else f"y{row}", legendgroup=name,
            showlegend=row == 1 and name != "learning rate",
            mode="lines+markers" if len(epochs) <= _MARKED else "lines", marker={"symbol": symbol(role), "size": 6},
            hovertemplate=f"{name} {'' if name == panel else panel} %{{y:.4g}}<br>epoch %{{x}}<extra></extra>",
        )
    )  # fmt: skip


def _mark_best(figure: Figure, epoch: int, value: float | None, row: int) -> None:
    import plotly.graph_objects as go

    figure.add_trace(
        go.Scatter(
            x=[epoch], y=[value], yaxis="y" if row == 1 else f"y{row}", mode="markers", name=f"kept: epoch {epoch}",
            marker={"symbol": "star", "size": 14, "line": {"width": 1}}, meta={"role": "good"},
            hovertemplate="kept weights<br>epoch %{x}<extra></extra>",
        )
    )  # fmt: skip


def _sentence(points: Sequence[EpochPoint], metric: str, best_epoch: int | None) -> str:
    last = points[-1]
    best = next((point for point in points if point.epoch == best_epoch), None)
    name = metric.replace("_", " ")
    if best is not None and best.metric is not None and math.isfinite(best.metric):
        return (
            f"Validation {name} is {best.metric:.3f} at epoch {best.epoch}, whose weights were kept, of {last.epoch}."
        )
    return f"{len(points)} validations, up to epoch {last.epoch}."


def _finite(values: Sequence[float | None]) -> bool:
    return any(value is not None and math.isfinite(value) for value in values)

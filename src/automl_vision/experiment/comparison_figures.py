"""The learning curves of two trials in one figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from automl_vision.charts.marks import CannotDrawError, empty_figure, line, symbol
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MARKED = 40  # epochs up to which each has a mark


def compared_curves(first: TrialFolder, second: TrialFolder) -> Figure:
    """The primary metric on the validation images by epoch, one line for each trial.

    Args:
        first, second: of the same run or of two; the metric is that of the first one's run.

    Raises:
        CannotDrawError: a trial has not validated this metric.
    """
    metric = RunFolder(first.path.parents[1]).outline().primary_metric
    one_run = first.path.parents[1] == second.path.parents[1]
    curves = [_Curve.of(trial, metric, one_run=one_run) for trial in (first, second)]
    figure = empty_figure(
        "Learning curves", f"{_sentence(curves)}.", x="epoch", y=metric.replace("_", " "), height=340,
        xaxis={"tickformat": "d", "nticks": 8},
    )  # fmt: skip
    for number, curve in enumerate(curves, start=1):
        role = f"series-{number}"
        figure.add_trace(
            line(
                curve.epochs, curve.values, curve.name, role, marker={"symbol": symbol(role), "size": 6},
                mode="lines+markers" if len(curve.epochs) <= _MARKED else "lines",
                hovertemplate=f"{curve.name}<br>%{{y:.4f}} at epoch %{{x}}<extra></extra>",
            )
        )  # fmt: skip
    return figure


class _Curve:
    """The metric of a trial by epoch."""

    def __init__(self, name: str, epochs: list[int], values: list[float]) -> None:
        self.name = name
        self.epochs = epochs
        self.values = values

    @staticmethod
    def of(trial: TrialFolder, metric: str, *, one_run: bool) -> _Curve:
        points = [(event.epoch, event.metrics.get(metric)) for event in trial.evaluations()]
        known = [(epoch, value) for epoch, value in points if value is not None and math.isfinite(value)]
        name = f"trial {trial.number}" + ("" if one_run else f" of {trial.path.parents[1].name}")
        if not known:
            raise CannotDrawError(f"{name} has not validated {metric.replace('_', ' ')} yet")
        return _Curve(name, [epoch for epoch, _ in known], [value for _, value in known])


def _sentence(curves: list[_Curve]) -> str:
    return "; ".join(f"{curve.name} ends at {curve.values[-1]:.3f} after epoch {curve.epochs[-1]}" for curve in curves)

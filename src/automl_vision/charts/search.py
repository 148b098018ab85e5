"""Figures of a run's trials: their scores with intervals, what they cost, and the hyperparameters they tried."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from automl_vision.charts.marks import CannotDrawError, counted, empty_figure, line, reference, shortened

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SHOWN = 40  # trials of the board
_CROWD = 40  # points from which only those on the front have their numbers and intervals
_STEPS = 5  # shades from the worst to the best trial
_LOG_RATIO = 30.0  # a positive hyperparameter that varies by more has a logarithmic axis
_UNSET = -0.14  # where a line passes an axis whose hyperparameter the trial does not have
_LOG_AXIS = {"type": "log", "dtick": "D2", "tickformat": "~g"}
_NO_TRIAL = "no trial has a score yet"

Standing = Literal["best", "tied", "worse", "unknown"]


@dataclass(frozen=True)
class TrialScore:
    """A trial with its score and what it costs.

    Attributes:
        trial: its number.
        name: of its algorithm.
        value: the primary metric.
        low, high: ends of its interval; None where it has none.
        standing: what paired tests say of it and the best trial.
        milliseconds: latency of one image, if it was measured.
        megabytes: size of the model, if it is known.
    """

    trial: int
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    standing: Standing = "unknown"
    milliseconds: float | None = None
    megabytes: float | None = None


_STANDINGS = {
    "best": ("series-1", "diamond", "best"),
    "tied": ("series-1", "circle", "not distinguishable from the best"),
    "worse": ("muted", "circle-open", "worse"),
    "unknown": ("muted", "square-open", "not tested"),
}


def board(scores: Sequence[TrialScore], metric: str, *, recommended: int | None = None) -> Figure:
    """The trials' scores with their intervals, best first.

    Args:
        scores: best first.
        metric: name of the primary metric.
        recommended: number of the trial that is recommended.

    Raises:
        CannotDrawError: no trial has a score.
    """
    import plotly.graph_objects as go

    shown = [score for score in scores if math.isfinite(score.value)][:_SHOWN]
    if not shown:
        raise CannotDrawError(_NO_TRIAL)
    best, title = shown[0], metric.replace("_", " ")
    tied = sum(score.standing == "tied" for score in shown)
    ticks = [f"{'★ ' if s.trial == recommended else ''}{s.trial} · {shortened(s.name, 20)}" for s in shown]
    figure = empty_figure(
        f"Trials by {title}"[:48],
        f"Trial {best.trial} scores best, {best.value:.3f}"
        + (f"; {tied} of {counted(len(shown) - 1, 'other trial')} cannot be told from it" if len(shown) > 1 else "")
        + (f"; trial {recommended} is recommended (★)." if recommended is not None else "."),
        x="with 95 % interval", y="", height=150 + 26 * max(len(shown), 3),
        xaxis={"nticks": 7},
        yaxis={"range": [len(shown) - 0.4, -0.6], "ticks": "", "tickvals": list(range(len(shown))), "ticktext": ticks},
    )  # fmt: skip
    figure.add_trace(reference([best.value] * 2, [-0.6, len(shown) - 0.4], "best", showlegend=False))
    for standing, (role, mark, name) in _STANDINGS.items():
        rows = [(i, score) for i, score in enumerate(shown) if score.standing == standing]
        if rows:
            figure.add_trace(
                go.Scatter(
                    x=[s.value for _, s in rows], y=[i for i, _ in rows], mode="markers", name=name,
                    marker={"symbol": mark, "size": 10}, error_x=_bars([s for _, s in rows]),
                    customdata=[s.trial for _, s in rows], meta={"role": role},
                    hovertemplate="trial %{customdata}: %{x:.4f}<extra></extra>",
                )
            )  # fmt: skip
    return figure


def _bars(scores: Sequence[TrialScore]) -> dict[str, Any]:
    """Error bars; none for a score without an interval."""
    ends = [(s.value if s.low is None else s.low, s.value if s.high is None else s.high) for s in scores]
    return {
        "type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
        "array": [high - s.value for (_, high), s in zip(ends, scores, strict=True)],
        "arrayminus": [s.value - low for (low, _), s in zip(ends, scores, strict=True)],
    }  # fmt: skip


_COSTS = {
    "milliseconds": ("latency", "latency of one image in milliseconds", "{:.3g} ms"),
    "megabytes": ("size", "size of the model in megabytes", "{:.3g} MB"),
}


def trade_off(
    scores: Sequence[TrialScore],
    metric: str,
    cost: Literal["milliseconds", "megabytes"],
    *,
    lower_is_better: bool = False,
) -> Figure:
    """The trials' scores against what they cost; a line joins those that no other trial beats in both.

    Args:
        scores: in any order; those without the cost are left out.
        metric: name of the primary metric.
        cost: which cost.
        lower_is_better: direction of the metric.

    Raises:
        CannotDrawError: the cost of no trial is known.
    """
    import plotly.graph_objects as go

    name, x_title, unit = _COSTS[cost]
    points = [(getattr(s, cost), s) for s in scores if getattr(s, cost) is not None and math.isfinite(s.value)]
    if not points:
        raise CannotDrawError(f"the {name} of no trial is known")
    points.sort(key=lambda point: (point[0], -point[1].value))
    front = _front(points, -1 if lower_is_better else 1)
    title, costs = metric.replace("_", " "), [c for c, _ in points]
    best = front[-1]
    figure = empty_figure(
        f"{title[:28].capitalize()} against {name}",
        f"{counted(len(front), 'trial')} of {len(points)} cannot be beaten in both; the best of them, trial "
        f"{best[1].trial}, has {best[1].value:.3f} at {unit.format(best[0])}.",
        x=x_title, y=title, xaxis=_LOG_AXIS if max(costs) > 20 * min(costs) > 0 else {"rangemode": "tozero"},
    )  # fmt: skip
    figure.add_trace(
        line([c for c, _ in front], [s.value for _, s in front], "front", "series-1", line={"shape": "hv", "width": 1},
             showlegend=False, hoverinfo="skip")
    )  # fmt: skip
    chosen, is_crowd = {s.trial for _, s in front}, len(points) > _CROWD
    for is_front, role, mark, text in (
        (False, "muted", "circle-open", "beaten in both"),
        (True, "series-1", "diamond", "not beaten in both"),
    ):
        part = [(c, s) for c, s in points if (s.trial in chosen) == is_front]
        if part:
            figure.add_trace(
                go.Scatter(
                    x=[c for c, _ in part], y=[s.value for _, s in part], name=text,
                    mode="markers+text" if is_front or not is_crowd else "markers",
                    text=[str(s.trial) for _, s in part], textposition="top right", cliponaxis=False,
                    marker={"symbol": mark, "size": 10 if is_front or not is_crowd else 6},
                    error_y=_bars([s for _, s in part]) if is_front or not is_crowd else None,
                    customdata=[[s.trial, s.name] for _, s in part], meta={"role": role},
                    hovertemplate=f"trial %{{customdata[0]}}, %{{customdata[1]}}<br>{title} %{{y:.4f}}<br>%{{x:.3g}}"
                    "<extra></extra>",
                )
            )  # fmt: skip
    return figure


def _front(points: Sequence[tuple[float, TrialScore]], sign: int) -> list[tuple[float, TrialScore]]:
    """The points that no other beats in both, cheapest first."""
    front: list[tuple[float, TrialScore]] = []
    for point in points:
        if not front or sign * point[1].value > sign * front[-1][1].value:
            front.append(point)
    return front


@dataclass(frozen=True)
class TrialSettings:
    """What a trial tried, and its score.

    Attributes:
        trial: its number.
        values: hyperparameters by name: numbers, texts or booleans; those that the trial does not have are absent.
        score: the primary metric.
    """

    trial: int
    values: Mapping[str, Any]
    score: float


def parallel_coordinates(trials: Sequence[TrialSettings], metric: str, *, lower_is_better: bool = False) -> Figure:
    """A line for each trial through its hyperparameters to its score; the darker, the better.

    Args:
        trials: with a score.
        metric: name of the primary metric.
        lower_is_better: direction of the metric.

    Raises:
        CannotDrawError: fewer than two trials have a score, or all have the same hyperparameters.
    """
    known = [trial for trial in trials if math.isfinite(trial.score)]
    if len(known) < 2:
        raise CannotDrawError("fewer than two trials have a score")
    names = [name for name in dict.fromkeys(n for trial in known for n in trial.values) if _varies(known, name)]
    if not names:
        raise CannotDrawError("all trials have the same hyperparameters")
    axes = [_Axis.of(name, [trial.values.get(name) for trial in known]) for name in names]
    axes.append(_Axis.of(metric, [trial.score for trial in known]))
    order = np.argsort([-t.score if lower_is_better else t.score for t in known], kind="stable")  # the best last
    best = known[int(order[-1])]
    figure = empty_figure(
        "Hyperparameters of the trials",
        f"{len(known)} trials; the best, trial {best.trial} ({best.score:.3f}), has "
        + ", ".join(f"{name} {_text(best.values[name])}" for name in names if name in best.values) + ".",
        x="", y="", height=480, hovermode="closest", margin={"l": 44, "r": 44, "t": 56, "b": 52},
        xaxis={"tickvals": list(range(len(axes))), "ticktext": [_axis_title(axis.name) for axis in axes],
               "range": [-0.2, len(axes) - 0.8], "showline": False, "ticks": "", "tickangle": 0, "side": "bottom"},
        yaxis={"visible": False, "range": [-0.2, 1.08]},
    )  # fmt: skip
    parts = np.array_split(order, min(_STEPS, len(order)))
    for step, part in enumerate(parts, start=_STEPS + 1 - len(parts)):
        _add_trials(figure, axes, [known[i] for i in part.tolist()], step)
    for position, axis in enumerate(axes):
        _add_axis(figure, position, axis, is_last=position == len(axes) - 1)
    return figure


def _varies(trials: Sequence[TrialSettings], name: str) -> bool:
    return len({repr(trial.values.get(name)) for trial in trials}) > 1


@dataclass(frozen=True)
class _Axis:
    """A vertical axis: what stands at which height, from 0 to 1."""

    name: str
    ticks: Mapping[float, str]
    is_log: bool
    low: float
    high: float
    places: Mapping[str, float]  # of values that are not numbers
    has_gaps: bool  # whether some trials do not have the hyperparameter

    @staticmethod
    def of(name: str, values: Sequence[Any]) -> _Axis:
        there = [value for value in values if value is not None]
        gaps = len(there) < len(values)
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in there):
            low, high = float(min(there)), float(max(there))
            is_log = low > 0 and high / low > _LOG_RATIO
            axis = _Axis(name, {}, is_log, low, high, {}, gaps)
            shown = np.geomspace(low, high, 4) if is_log else np.linspace(low, high, 4)
            if all(isinstance(value, int) for value in there):
                shown = np.unique(np.rint(shown))
            ticks = {axis.height(value): _text(value) for value in shown.tolist()}
            return _Axis(name, ticks, is_log, low, high, {}, gaps)
        texts = sorted({str(value) for value in there})
        places = {text: (i + 0.5) / len(texts) for i, text in enumerate(texts)}
        ticks = {place: shortened(text, 16) for text, place in places.items()}
        return _Axis(name, ticks, False, 0, 1, places, gaps)

    def height(self, value: Any) -> float:
        """Where a value stands; below the axis for one that is not there."""
        if value is None:
            return _UNSET
        if self.places:
            return self.places[str(value)]
        low, high, value = (math.log(v) if self.is_log else v for v in (self.low, self.high, float(value)))
        return 0.5 if high == low else (value - low) / (high - low)


def _add_trials(figure: Figure, axes: Sequence[_Axis], trials: Sequence[TrialSettings], step: int) -> None:
    """Lines of trials of about the same score, in one trace."""
    x: list[float | None] = []
    y: list[float | None] = []
    data: list[Any] = []
    for trial in trials:
        values = [*(trial.values.get(axis.name) for axis in axes[:-1]), trial.score]
        x += [*range(len(axes)), None]
        y += [*(axis.height(value) for axis, value in zip(axes, values, strict=True)), None]
        data += [[trial.trial, "not set" if v is None else _text(v)] for v in values] + [[trial.trial, ""]]
    scores = [trial.score for trial in trials]
    name = _text(scores[0]) if len(scores) == 1 else f"{_text(min(scores))} to {_text(max(scores))}"
    figure.add_trace(
        line(
            x, y, name, f"ramp-{step}", customdata=data, mode="lines+markers",
            line={"width": 2.5 if step == _STEPS else 1.5},
            marker={"size": 5}, opacity=1.0 if len(trials) < 60 else 0.6,
            hovertemplate="trial %{customdata[0]}: %{customdata[1]}<extra></extra>",
        )
    )  # fmt: skip


def _add_axis(figure: Figure, position: int, axis: _Axis, *, is_last: bool) -> None:
    ticks = {**axis.ticks, **({_UNSET: "not set"} if axis.has_gaps else {})}
    heights, texts = list(ticks), list(ticks.values())
    figure.add_trace(
        line(
            [position] * len(heights), heights, axis.name, "reference", mode="lines+markers+text", text=texts,
            textposition="middle left" if is_last else "middle right", textfont={"size": 11},
            marker={"symbol": "line-ew-open", "size": 8}, line={"width": 1}, hoverinfo="skip", showlegend=False,
            cliponaxis=False,
        )
    )  # fmt: skip


def _axis_title(name: str) -> str:
    """A name in short lines."""
    return "<br>".join(shortened(part, 14) for part in name.split("_"))


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) and not isinstance(value, bool) else str(value)


def importance(shares: Mapping[str, float], metric: str, *, trials: int, of: int | None = None) -> Figure:
    """How much of the spread of the trials' scores each hyperparameter explains.

    Args:
        shares: by hyperparameter, from 0 to 1, with the sum 1.
        metric: name of the primary metric.
        trials: number of trials that this was estimated from.
        of: number of trials that these were drawn from; None for all of them.

    Raises:
        CannotDrawError: there are no hyperparameters.
    """
    import plotly.graph_objects as go

    if not shares:
        raise CannotDrawError("no hyperparameter was sampled in all trials")
    ordered = dict(sorted(shares.items(), key=lambda item: -item[1]))
    names, values, title = list(ordered), list(ordered.values()), metric.replace("_", " ")
    drawn = "" if of is None or of == trials else f", drawn from {of:,}"
    figure = empty_figure(
        "Importance of hyperparameters",
        f"{names[0]} explains {values[0]:.0%} of the spread of {title} over {trials} trials{drawn}.",
        x="share of the spread (fANOVA)", y="", height=150 + 34 * max(len(names), 3),
        bargap=0.35,
        yaxis={"autorange": "reversed", "ticks": "", "tickvals": list(range(len(names))),
               "ticktext": [shortened(name) for name in names]},
        xaxis={"range": [0, 1.15 * max(*values, 0.01)], "tickformat": ".0%", "nticks": 6},
    )  # fmt: skip
    figure.add_trace(
        go.Bar(
            x=values, y=list(range(len(names))), orientation="h", text=[f"{v:.0%}" for v in values],
            textposition="outside", cliponaxis=False, customdata=names, meta={"role": "series-1"},
            hovertemplate="%{customdata}: %{x:.1%}<extra></extra>",
        )
    )  # fmt: skip
    return figure

"""The figure of a detector's errors by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from automl_vision.charts.marks import CannotDrawError, empty_figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def object_errors(right: int, kinds: Mapping[str, int], meanings: Mapping[str, str], *, score: float) -> Figure:
    """How many objects are right, and how many errors of each kind there are.

    Args:
        right: number of objects shown that are right.
        kinds: number of errors by kind.
        meanings: of the kinds.
        score: threshold from which objects are shown.

    Raises:
        CannotDrawError: there is neither an object nor a detection.
    """
    import plotly.graph_objects as go

    if not right and not any(kinds.values()):
        raise CannotDrawError("there is neither an object to find nor a detection")
    names, values = ["right", *kinds], [right, *kinds.values()]
    shown = {**meanings, "right": "the class and the place of an object"}
    worst = max(kinds, key=lambda name: kinds[name])
    figure = empty_figure(
        f"Kinds of errors, scores from {score:.2g}",
        f"{right:,} detections are right; the most frequent error is {worst} ({kinds[worst]:,}): {shown[worst]}.",
        x="objects", y="", height=360, bargap=0.3, showlegend=False,
        yaxis={"autorange": "reversed", "ticks": ""},
        xaxis={"range": [0, 1.15 * max(values)], "tickformat": ",d", "nticks": 6},
    )  # fmt: skip
    for role, part in (("good", names[:1]), ("error", names[1:])):
        numbers = [values[names.index(name)] for name in part]
        figure.add_trace(
            go.Bar(
                x=numbers, y=part, orientation="h", text=[f"{n:,}" for n in numbers], textposition="outside",
                cliponaxis=False, customdata=[shown[name] for name in part], name=role,
                hovertemplate="%{y}: %{x:,d}<br>%{customdata}<extra></extra>", meta={"role": role},
            )
        )  # fmt: skip
    return figure

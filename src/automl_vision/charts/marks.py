"""What all figures share: an empty figure with its title and summary, lines, and names that fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl_vision.charts.look import look

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

MAX_SERIES = 6
"""More than these cannot be told apart by colour."""

SHARE = {"range": [-0.02, 1.02], "tickformat": ".1f", "dtick": 0.2}
"""An axis from 0 to 1."""

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_LONGEST = 22  # characters of a name beside an axis


class CannotDrawError(ValueError):
    """These values have no figure; the message says why in a sentence."""


def empty_figure(title: str, summary: str, *, x: str, y: str, height: int = 460, **layout: Any) -> Figure:
    """A figure without traces or colours.

    Args:
        title: what is shown, in at most about 45 characters, which fit a phone.
        summary: what it says, in one sentence, for readers that do not see it.
        x, y: titles of the axes, with their units.
        height: in pixels.
        layout: further properties; `xaxis` and `yaxis` extend what is here.
    """
    import plotly.graph_objects as go

    sizes = look()["sizes"]
    axes = {"showline": True, "ticks": "outside", "ticklen": 4, "zeroline": False, "automargin": True}
    small = {"size": sizes["small"]}
    given = {name: {**axes, "tickfont": small, **layout.pop(name, {})} for name in ("xaxis", "yaxis")}
    for name, text in (("xaxis", x), ("yaxis", y)):
        given[name].setdefault("title", {"text": text, "standoff": 8, "font": small})
    return go.Figure(
        layout={
            "template": go.layout.Template(),
            "title": {"text": title, "x": 0, "xref": "container", "xanchor": "left", "y": 1, "yref": "container",
                      "yanchor": "top", "pad": {"t": 16, "l": 12}, "font": {"size": sizes["title"]}},
            "font": {"family": look()["font"], "size": sizes["text"]},
            "height": height,
            "margin": {"l": 56, "r": 20, "t": 56, "b": 52},
            "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yref": "container", "yanchor": "bottom",
                       "font": small, "itemsizing": "constant"},
            "hovermode": "closest",
            "meta": {"summary": summary},
            **given,
            **layout,
        }
    )  # fmt: skip


def line(x: Any, y: Any, name: str, role: str, **properties: Any) -> Scatter:
    """A line; those of series differ by their dashes too."""
    import plotly.graph_objects as go

    number = series_number(role)
    style = {"width": 2, "dash": _DASHES[number] if number is not None else "solid", **properties.pop("line", {})}
    return go.Scatter(
        **{"x": x, "y": y, "name": name, "mode": "lines", "line": style, "meta": {"role": role}, **properties}
    )


def reference(x: Any, y: Any, name: str, **properties: Any) -> Scatter:
    """A thin dotted line that others are compared with."""
    return line(x, y, name, "reference", **{"line": {"width": 1, "dash": "dot"}, "hoverinfo": "skip", **properties})


def symbol(role: str) -> str:
    """The mark of a series, so that it is known without its colour."""
    number = series_number(role)
    return _SYMBOLS[number] if number is not None else _SYMBOLS[0]


def series_number(role: str) -> int | None:
    """Position of a series, from 0; None for other roles."""
    kind, _, number = role.partition("-")
    return int(number) - 1 if kind == "series" else None


def shortened(name: str, longest: int = _LONGEST) -> str:
    """A name that fits beside an axis, without its middle if it is long, as text that Plotly does not read as HTML."""
    end = longest // 3
    text = name if len(name) <= longest else f"{name[: longest - 1 - end].rstrip()}…{name[-end:].lstrip()}"
    return text.replace("&", "&amp;").replace("<", "&lt;")


def distinct(names: Sequence[str], longest: int = _LONGEST) -> list[str]:
    """Names that fit beside an axis and differ, as the names do; equal ones get their position."""
    short = [shortened(name, longest) for name in names]
    return [
        text if short.count(text) == 1 else f"{shortened(name, longest - 5)} #{i}"
        for i, (name, text) in enumerate(zip(names, short, strict=True))
    ]


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 image" and "1,200 images"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

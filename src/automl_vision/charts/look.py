"""Puts the colours of `look.json` on a figure: its traces name roles, and the table says which colour a role has."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Mode = Literal["light", "dark"]
MODES: tuple[Mode, ...] = ("light", "dark")


@cache
def look() -> dict[str, Any]:
    """The content of `look.json`.

    `colours` has a colour for each role by mode. `paint` says which properties get one: of traces by their type, of the
    layout, and of each of its axes. A property's value is a role, or `role` for the one in the trace's `meta`.
    """
    table: dict[str, Any] = json.loads(resources.files(__package__).joinpath("look.json").read_text("utf-8"))
    return table


def dressed(figure: Figure, mode: Mode = "light") -> Figure:
    """A copy of a figure with colours; `dress.js` does the same in a browser.

    Args:
        figure: bare, as the functions of this room return it.
        mode: "light" or "dark".
    """
    from plotly.graph_objects import Figure

    colours, paint = look()["colours"][mode], look()["paint"]
    content = figure.to_plotly_json()
    for trace in content["data"]:
        _paint(trace, paint["traces"][trace["type"]], {**colours, "role": colours[trace["meta"]["role"]]})
    layout = content["layout"]
    _paint(layout, paint["layout"], colours)
    for name in [name for name in layout if name.startswith(("xaxis", "yaxis"))]:
        _paint(layout[name], paint["axes"], colours)
    return Figure(content)


def _paint(part: dict[str, Any], properties: dict[str, str], colours: dict[str, Any]) -> None:
    """Set the properties of a part of a figure, which are named by their path."""
    for path, role in properties.items():
        *outer, last = path.split(".")
        place = part
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = colours[role]

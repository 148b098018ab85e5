"""A page with one figure that opens without a network: figure, look and Plotly's cartesian bundle in one file."""

from __future__ import annotations

import html
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from automl_vision.charts.look import MODES, look

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{variables}
body {{ margin: 0; background: var(--background); color: var(--text); font: 14px/1.45 {font}; }}
figure {{ margin: 0 auto; padding: 8px 12px 24px; max-width: 1000px; }}
figcaption {{ color: var(--muted); padding: 4px 0 0; }}
</style>
</head>
<body>
<figure><div id="figure"></div><figcaption>{summary}</figcaption></figure>
<script>{bundle}</script>
<script>
{dress}
const bare = {figure};
const look = {look};
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw() {{
  const figure = dress(structuredClone(bare), look, dark.matches ? "dark" : "light");
  Plotly.react("figure", figure.data, figure.layout, {{responsive: true, displaylogo: false}});
}}
dark.addEventListener("change", draw);
draw();
</script>
</body>
</html>
"""


@cache
def bundle() -> str:
    """Plotly's cartesian bundle, of the version that `look.json` names; MIT licence."""
    return resources.files(__package__).joinpath("plotly", "plotly-cartesian.min.js").read_text("utf-8")


@cache
def dress() -> str:
    """The script that puts the look on the JSON of a figure: `dress(figure, look, mode)`."""
    return resources.files(__package__).joinpath("dress.js").read_text("utf-8")


def page(figure: Figure) -> str:
    """The HTML of a page with a figure; light or dark as the reader's system is.

    Args:
        figure: bare, as the functions of this room return it.
    """
    return _PAGE.format(
        title=html.escape(figure.layout.title.text),
        summary=html.escape(figure.layout.meta["summary"]),
        variables=variables(),
        font=look()["font"],
        bundle=bundle(),
        dress=dress(),
        figure=_in_script(figure.to_json()),
        look=_in_script(json.dumps(look())),
    )


def variables() -> str:
    """The colours as CSS variables, such as `--muted`, by the reader's preference."""
    names = [name for name, colour in look()["colours"]["light"].items() if isinstance(colour, str)]
    light, dark = (" ".join(f"--{name}: {look()['colours'][mode][name]};" for name in names) for mode in MODES)
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"


def _in_script(text: str) -> str:
    """JSON that cannot end the script that it stands in."""
    return text.replace("<", "\\u003c")

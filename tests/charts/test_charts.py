"""Figures: only cartesian traces, no colours, a role for each trace, and the same look in Python and in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import plotly
import pytest
from chromium import BROWSER, opened
from figures import SCORES, SETTINGS, curves, every_figure

from automl_vision.charts.classes import confusion, worst_pairs
from automl_vision.charts.curves import reliability, roc, thresholds
from automl_vision.charts.look import MODES, dressed, look
from automl_vision.charts.marks import CannotDrawError, distinct, shortened
from automl_vision.charts.page import bundle, page
from automl_vision.charts.search import TrialScore, board, importance, parallel_coordinates, trade_off
from automl_vision.charts.training import learning_curves

CARTESIAN = {"bar", "box", "contour", "heatmap", "histogram", "image", "scatter", "violin"}
COLOUR = re.compile(r'"(#[0-9a-fA-F]{3,8}|rgba?\(.*?)"')


@pytest.fixture(scope="module")
def figures():
    return every_figure()


def test_bare_figures_have_roles_and_no_colours(figures):
    for name, figure in figures.items():
        text = figure.to_json()
        assert not COLOUR.search(text), name
        assert {trace.type for trace in figure.data} <= CARTESIAN, name
        assert {trace.meta["role"] for trace in figure.data} <= set(look()["colours"]["light"]), name
        assert figure.layout.meta["summary"].endswith("."), name
        assert len(figure.layout.title.text) <= 48, name


def test_both_modes_know_the_same_roles():
    light, dark = (look()["colours"][mode] for mode in MODES)
    assert light.keys() == dark.keys()
    painted = {role for part in look()["paint"]["traces"].values() for role in part.values()}
    painted |= {*look()["paint"]["layout"].values(), *look()["paint"]["axes"].values()}
    assert painted - {"role"} <= light.keys()


@pytest.mark.parametrize("mode", MODES)
def test_dressing_is_by_role_and_leaves_the_bare_figure(figures, mode):
    bare, colours = figures["learning curves"], look()["colours"][mode]
    before = bare.to_json()
    figure = dressed(bare, mode)
    assert bare.to_json() == before
    assert {trace.name: trace.line.color for trace in figure.data if trace.name in ("validation", "training")} == {
        "validation": colours["series-1"],
        "training": colours["series-2"],
    }
    assert figure.layout.paper_bgcolor == colours["background"]
    assert figure.layout.yaxis2.gridcolor == colours["grid"]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", MODES)
def test_numbers_are_readable_on_every_shade_of_a_heatmap(mode):
    # Plotly writes white on shades whose brightness (YIQ) is below 128 and #444444 on others
    for _, shade in look()["colours"][mode]["ramp"]:
        red, green, blue = (int(shade[i : i + 2], 16) for i in (1, 3, 5))
        text = "#FFFFFF" if (299 * red + 587 * green + 114 * blue) / 1000 < 128 else "#444444"
        light, dark = sorted((luminance(shade), luminance(text)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, shade


def test_more_than_six_series_are_grey(figures):
    roles = [trace.meta["role"] for trace in figures["roc of many classes"].data]
    assert roles.count("faint") == 1
    assert sorted(role for role in roles if role.startswith("series")) == [f"series-{i}" for i in range(1, 7)]
    assert len(figures["roc of many classes"].to_json()) < 100_000


def test_a_cell_says_what_it_counts(figures):
    heatmap = figures["confusion with background"].data[0]
    assert list(heatmap.customdata[0][2]) == ["a", "not found", "0.0% of all true a"]
    # where no object is, shares are of what is shown: 3 of the 11 that are shown as b
    assert heatmap.customdata[2][1][2] == "27.3% of all shown as b"
    assert heatmap.text[0][2] == ""
    assert "b shown where no object is (3)" in figures["confusion with background"].layout.meta["summary"]


def test_the_front_depends_on_the_direction():
    fronts = [
        list(trade_off(SCORES, "m", "milliseconds", lower_is_better=is_lower).data[0].x) for is_lower in (False, True)
    ]
    assert fronts == [[9.0, 30.0], [9.0, 20.0]]


def test_of_a_crowd_only_the_front_has_numbers_and_intervals():
    beaten = [TrialScore(i, "m", 0.5, 0.4, 0.6, milliseconds=10.0 + i) for i in range(41)]
    few, many = (trade_off(beaten[:n], "m", "milliseconds") for n in (40, 41))
    assert [(trace.mode, trace.error_y.array is not None) for trace in few.data[1:]] == [("markers+text", True)] * 2
    assert [(trace.mode, trace.error_y.array is not None) for trace in many.data[1:]] == [
        ("markers", False), ("markers+text", True),
    ]  # fmt: skip


def test_parallel_lines_pass_below_what_a_trial_does_not_have():
    figure = parallel_coordinates(SETTINGS, "accuracy")
    lines = {trace.customdata[0][0]: trace for trace in figure.data if trace.customdata is not None}
    assert list(lines) == [0, 1]  # the third has no score
    assert lines[1].y[2] < 0 <= min(y for y in lines[0].y if y is not None)
    assert list(lines[1].customdata[2]) == [1, "not set"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("short", "short"), ("a very long name of a class", "a very long na…a class"), ("a<b>&c", "a&lt;b>&amp;c")],
)
def test_names_fit(name: str, expected: str):
    assert shortened(name) == expected


def test_long_names_stay_apart():
    names = [f"a very long name, {word}, that ends in the same words" for word in ("first", "second")]
    assert len(set(distinct(names))) == 2


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (lambda: confusion(np.zeros((2, 2), int), ["a", "b"]), "there is no image to count"),
        (lambda: worst_pairs(np.eye(2, dtype=int), ["a", "b"]), "no two classes are confused"),
        (lambda: roc(curves(0)), "no class has images both with and without it"),
        (lambda: thresholds(np.zeros(0), precision=np.zeros(0), recall=np.zeros(0), f1=np.zeros(0)), "decides nothing"),
        (lambda: reliability([]), "there are no predictions"),
        (lambda: learning_curves([], "accuracy"), "has not validated"),
        (lambda: board([], "accuracy"), "no trial has a score"),
        (lambda: trade_off(SCORES[3:], "accuracy", "megabytes"), "the size of no trial is known"),
        (lambda: parallel_coordinates(SETTINGS[:1], "accuracy"), "fewer than two trials"),
        (lambda: importance({}, "accuracy", trials=0), "no hyperparameter"),
    ],
)
def test_what_cannot_be_drawn_says_why(draw, reason: str):
    with pytest.raises(CannotDrawError, match=reason):
        draw()


def test_bundle_is_the_version_that_plotly_writes_for():
    from plotly.offline import get_plotlyjs_version

    assert f"v{look()['plotly.js']}" in bundle()[:200]
    assert get_plotlyjs_version() == look()["plotly.js"], plotly.__version__


@pytest.mark.skipif(BROWSER is None, reason="needs a Chromium")
def test_browser_draws_every_figure_and_dresses_it_alike(figures, tmp_path: Path):
    import plotly.graph_objects as go

    parts = [{"bare": json.loads(f.to_json()), "dressed": json.loads(dressed(f).to_json())} for f in figures.values()]
    script = """
      const results = parts.map(({bare, dressed}, i) => {
        const sorted = (v) => Array.isArray(v) ? v.map(sorted) : v && typeof v === "object"
          ? Object.fromEntries(Object.keys(v).sort().map((k) => [k, sorted(v[k])])) : v;
        const mine = dress(structuredClone(bare), look, "light");
        const same = JSON.stringify(sorted(mine)) === JSON.stringify(sorted(dressed));
        const place = document.createElement("div");
        document.body.append(place);
        Plotly.newPlot(place, mine.data, mine.layout);
        return [same, place.querySelectorAll(".trace, .hm").length > 0];
      });
      document.title = JSON.stringify(results);
    """
    html = page(go.Figure(figures["roc"])).replace(
        "</body>", f"<script>const parts = {json.dumps(parts).replace('<', chr(92) + 'u003c')};{script}</script></body>"
    )
    file = tmp_path / "page.html"
    file.write_text(html, encoding="utf-8")
    document, console = opened(file)
    assert console == []
    title = re.search(r"<title>(.*?)</title>", document, re.DOTALL)
    assert title is not None
    assert json.loads(title[1]) == [[True, True]] * len(figures)

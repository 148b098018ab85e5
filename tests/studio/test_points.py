"""Each point of a curve opens its images, by mouse on the chart and by keys in its table."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from studio_site import StudioWorkspace

_FIRST = 60_000  # milliseconds; what a page shows first may have to be computed


def click_point(page: Page, chart: str) -> tuple[str, float]:
    """Click a point of a chart that no other one is close to; returns its class, if it has one, and its threshold."""
    figure = page.get_by_role("figure", name=chart, exact=True)
    expect(figure.locator(".main-svg").first).to_be_visible(timeout=_FIRST)
    figure.scroll_into_view_if_needed()
    x, y, label, threshold = figure.locator(".js-plotly-plot").evaluate(
        """plot => {
            const [across, up] = [plot._fullLayout.xaxis, plot._fullLayout.yaxis];
            const place = plot.getBoundingClientRect();
            const points = plot.calcdata.flatMap((trace) => trace.map(({ x, y }, i) => {
                const { customdata, meta, hoverinfo } = trace[0].trace;
                const seen = hoverinfo !== "skip";
                const known = seen && trace.length > 1;
                const carried = customdata ? customdata[i] : [x];
                const at = [place.left + across._offset + across.l2p(x), place.top + up._offset + up.l2p(y)];
                return { at, seen, known, label: meta.classes ? meta.classes[carried[1]] : "", threshold: carried[0] };
            }));
            const far = (one, other) => Math.hypot(one.at[0] - other.at[0], one.at[1] - other.at[1]) > 8;
            const alone = (one) => points.every((other) => other === one || !other.seen || far(one, other));
            const { at, label, threshold } = points.find((one) => one.known && one.threshold > 0 && alone(one));
            return [...at, label, threshold];
        }"""
    )
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y, steps=3)
    page.mouse.click(x, y)
    return label, threshold


@pytest.mark.parametrize("chart", ["roc", "precision recall"])
def test_a_point_of_a_class_opens_its_images(page: Page, studio_workspace: StudioWorkspace, chart: str) -> None:
    page.goto(f"runs/{studio_workspace.sweep}/trials/1?split=val&tab=curves")
    label, threshold = click_point(page, chart)
    expect(page.get_by_role("heading", name=f"{label} shown from {threshold:.4f}")).to_be_visible()
    which = page.get_by_role("group", name="which images")
    expect(which.get_by_role("button", name=re.compile(r"Wrongly shown \d+"))).to_have_attribute("aria-pressed", "true")
    found = which.get_by_role("button", name=re.compile(r"Rightly shown \d+"))
    found.click()
    number = re.search(r"\d+", found.inner_text())
    assert number is not None
    images = page.get_by_role("list", name="images at the threshold").get_by_role("listitem")
    expect(images).to_have_count(int(number[0]))
    link = page.url
    images.first.get_by_role("link").click()
    expect(page.get_by_role("button", name=f"{label} found from")).to_be_visible()
    expect(page.get_by_text(f"{number[0]} images, the worst first.")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(link)


def test_a_point_of_the_threshold_curves_opens_its_images(page: Page, studio_workspace: StudioWorkspace) -> None:
    page.goto(f"runs/{studio_workspace.sweep}/trials/1?split=val&tab=curves")
    _, threshold = click_point(page, "thresholds")
    expect(page.get_by_role("heading", name=f"Everything shown from {threshold:.4f}")).to_be_visible()
    page.get_by_role("link", name="Move it under Threshold").click()
    expect(page.get_by_role("slider", name="threshold")).to_have_value(f"{round(threshold / 0.005) * 0.005:.3g}")


def test_a_bin_of_the_reliability_diagram_opens_its_images(page: Page, studio_workspace: StudioWorkspace) -> None:
    page.goto(f"runs/{studio_workspace.sweep}/trials/1?split=val&tab=calibration")
    table = page.get_by_text("Show as a table")
    expect(table).to_be_visible(timeout=_FIRST)
    table.press("Enter")
    row = page.get_by_role("region", name="values of the figure").get_by_role(
        "button", name=re.compile("before scaling")
    )
    row.first.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("^Confidence from"))).to_be_visible()
    expect(page.get_by_text("Before temperature scaling.")).to_be_visible()
    expect(page.get_by_role("list", name="images of the bin").get_by_role("listitem").first).to_be_visible()
    expect(page).to_have_url(re.compile("lowest=.*before_scaling=true"))

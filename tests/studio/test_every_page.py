"""Every page in both themes and at two widths: accessible, quiet, and not wider than the screen."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from studio_site import StudioWorkspace

PAGES = {
    "home": "",
    "run": "runs/{sweep}",
    "search": "runs/{sweep}?tab=search",
    "compare": "runs/{sweep}/compare?trials=0,1",
    "trial": "runs/{sweep}/trials/1",
    "detection trial": "runs/{detection}/trials/0",
    "mistakes": "runs/{sweep}/trials/1/mistakes",
    "data": "data",
    "version": "data/shapes/1",
    "fixes": "data/shapes/1/fixes",
    "models": "models",
    "model": "models/shapes/1",
    "try": "try",
    "new job": "new",
    "activity": "activity",
    "new job, advanced": "new?data=shapes:1&advanced=1",
    "settings": "settings",
    "api": "api/v1/docs?open=post%20/api/v1/jobs/check",
    "nothing": "there/is/no/such/page",
}
WIDTHS = {"desk": 1440, "phone": 390}


def open_page(page: Page, address: str, studio: StudioWorkspace) -> None:
    """Open a page and wait until nothing of it is still on its way."""
    page.goto(address.format(sweep=studio.sweep, detection=studio.detection))
    expect(page.locator("main h1, main h2").first).to_be_visible()
    expect(page.get_by_role("status", name="loading")).to_have_count(0, timeout=60_000)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("address", PAGES.values(), ids=PAGES)
def test_page(page: Page, studio_workspace: StudioWorkspace, address: str, width: int, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    open_page(page, address, studio_workspace)
    assert not [
        f"{found['id']}: {found['help']} {[node['html'][:200] for node in found['nodes']][:3]}"
        for found in Axe().run(page).response["violations"]
    ]
    assert page.evaluate("document.documentElement.scrollWidth") <= width

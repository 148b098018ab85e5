"""Every page in both themes, at the widths of a desk and a phone, and enlarged: accessible, quiet, nothing cut off."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from studio_browser import check_accessible, check_fits
from studio_site import StudioWorkspace

PAGES = {
    "home": "",
    "run": "runs/{sweep}",
    "search": "runs/{sweep}?tab=search",
    "log": "runs/{sweep}?tab=log",
    "settings of a run": "runs/{sweep}?tab=settings",
    "compare": "runs/{sweep}/compare?trials=0,1",
    "trial": "runs/{sweep}/trials/1",
    "threshold": "runs/{sweep}/trials/1?tab=threshold&t=0.7",
    "confusion": "runs/{sweep}/trials/1?tab=confusion&true=circle&predicted=circle",
    "curves": "runs/{sweep}/trials/1?tab=curves&threshold=0.3&label=circle&outcome=found",
    "calibration": "runs/{sweep}/trials/1?tab=calibration&lowest=0&highest=1",
    "slices": "runs/{sweep}/trials/1?tab=slices",
    "files of a trial": "runs/{sweep}/trials/1?tab=files",
    "detection trial": "runs/{detection}/trials/0",
    "detection curves": "runs/{detection}/trials/0?tab=curves&threshold=0.1",
    "mistakes": "runs/{sweep}/trials/1/mistakes",
    "detection mistakes": "runs/{detection}/trials/0/mistakes",
    "data": "data",
    "add data": "data?add=path",
    "version": "data/shapes/1",
    "image": "data/boxes/1?image=0",
    "fixes": "data/shapes/1/fixes",
    "edit boxes": "data/boxes/1/edit?row=1&object=0",
    "models": "models",
    "model": "models/shapes/1",
    "endpoints": "endpoints",
    "try": "try",
    "new job": "new",
    "activity": "activity",
    "new job, advanced": "new?data=shapes:1&advanced=1",
    "settings": "settings",
    "api": "api/v1/docs?open=post%20/api/v1/jobs/check",
    "nothing": "there/is/no/such/page",
}
WINDOWS = [(1440, 900), (390, 900)]
ENLARGED = [(640, 400), (320, 256)]
"""What a window of 1280 x 800 has left at 200 % and at 400 % (WCAG 2.2, 1.4.4 and 1.4.10)."""


def open_page(page: Page, address: str, studio: StudioWorkspace) -> None:
    """Open a page and wait until nothing of it is still on its way."""
    page.goto(address.format(sweep=studio.sweep, detection=studio.detection))
    expect(page.locator("main h1, main h2").first).to_be_visible()
    expect(page.get_by_role("status", name="loading")).to_have_count(0, timeout=60_000)


@pytest.mark.parametrize("address", PAGES.values(), ids=PAGES)
def test_page(page: Page, studio_workspace: StudioWorkspace, address: str) -> None:
    open_page(page, address, studio_workspace)
    for width, height in WINDOWS:
        page.set_viewport_size({"width": width, "height": height})
        check_accessible(page)
    for width, height in ENLARGED:
        page.set_viewport_size({"width": width, "height": height})
        check_fits(page)

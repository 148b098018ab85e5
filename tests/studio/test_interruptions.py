"""The studio as people use it: hidden tabs, lost networks, two tabs, back and forward, links sent to others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from automl_vision import Workspace
from automl_vision.workspace.run_folder import RunFolder
from processes import free_port
from studio_browser import GONE, check_accessible, page_at, served
from studio_site import StudioWorkspace
from written_runs import begun_trial, evaluate, written_run

_FIRST = 60_000  # milliseconds; what a page shows first may have to be computed


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a run that works as long as these tests do."""
    return Workspace(tmp_path_factory.mktemp("interruptions") / "workspace")


@pytest.fixture(scope="module")
def live(workspace: Workspace) -> Iterator[RunFolder]:
    """A run with one finished trial and one that works."""
    folder = written_run(workspace, "live", trials=1, status="Running", ended=None)
    begun_trial(folder, 1)
    with folder.lock.hold():
        yield folder


@pytest.fixture(scope="module")
def address(workspace: Workspace, live: RunFolder) -> Iterator[str]:
    """The studio on the workspace."""
    with served([workspace.path]) as found:
        yield found


def hide(page: Page, hidden: bool) -> None:
    """Put a tab into the background, or get it back: what a browser tells its page then."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            const state = { configurable: true, get: () => (hidden ? "hidden" : "visible") };
            Object.defineProperty(document, "visibilityState", state);
            document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        }""",
        hidden,
    )


@pytest.mark.parametrize(
    "path", ["runs/live", *(pytest.param(path, marks=pytest.mark.slow) for path in ("", "activity"))]
)
def test_a_hidden_tab_asks_nothing_and_is_fresh_once_it_is_seen(
    browser: Browser, address: str, live: RunFolder, path: str
) -> None:
    with page_at(browser, address) as page:
        page.clock.install()
        page.goto(path)
        expect(page.get_by_text("live", exact=True).first).to_be_visible()
        expect(page.get_by_role("status", name="loading")).to_have_count(0)
        page.wait_for_timeout(300)  # what was on its way has arrived
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        hide(page, hidden=True)
        page.clock.run_for(120_000)
        assert asked == []
        live.message(f"while {path or 'home'} was hidden")
        hide(page, hidden=False)
        if path == "":
            expect(page.get_by_role("region", name="working now")).to_be_visible()
        else:
            expect(page.get_by_text(f"while {path} was hidden")).to_have_count(1)
        page.wait_for_timeout(300)
        seen = [re.sub(r"[?].*", "", url) for url in asked]
        assert 0 < len(seen) <= 2 * len(set(seen)), asked


def test_a_view_without_a_network_stays_and_is_fresh_afterwards(
    browser: Browser, address: str, live: RunFolder
) -> None:
    with page_at(browser, address, expected=r"ERR_INTERNET_DISCONNECTED|ERR_NETWORK") as page:
        page.goto("runs/live")
        strip = page.get_by_role("region", name="live")
        expect(strip).to_contain_text("trial 1")
        page.context.set_offline(True)
        expect(page.get_by_text("The server last answered")).to_be_visible()
        expect(strip).to_contain_text("trial 1")
        check_accessible(page)
        live.message("while the network was gone")
        evaluate(live.trial(1), 0, 0.875)
        page.context.set_offline(False)
        expect(page.get_by_text("The server last answered")).to_have_count(0)
        expect(strip.get_by_text("while the network was gone")).to_have_count(1)
        expect(strip).to_contain_text("0.875")
        live.message("after the network came back")
        expect(strip.get_by_text("after the network came back")).to_have_count(1)


def test_nothing_moves_for_those_who_want_no_motion(browser: Browser, address: str) -> None:
    moving = """() => [...document.querySelectorAll("*")].filter((one) => {
        const { animationDuration, transitionDuration } = getComputedStyle(one);
        return /[1-9]/.test(animationDuration + transitionDuration);
    }).length"""
    with page_at(browser, address) as page:
        page.goto("runs/live")
        expect(page.get_by_role("region", name="live")).to_contain_text("trial 1")
        assert page.evaluate(moving) == 0
        page.emulate_media(reduced_motion="no-preference")
        assert page.evaluate(moving) > 0


@pytest.mark.slow
def test_a_page_that_is_opened_while_the_server_is_gone_comes_with_it(browser: Browser, tmp_path: Path) -> None:
    """Also one whose code the browser has not loaded yet: the app is not lost to the browser's own error page."""
    workspace, port = Workspace(tmp_path / "workspace"), str(free_port())
    written_run(workspace, "ended", trials=1)
    with page_at(browser, f"http://127.0.0.1:{port}/", expected=GONE) as page:
        with served([workspace.path], "--port", port):
            page.goto("")
            expect(page.locator("tr[data-run=ended]")).to_be_visible()
        page.get_by_role("link", name="Models").dispatch_event("click")  # without the pointer that loads it before
        expect(page.get_by_text("The server last answered")).to_be_visible()
        with served([workspace.path], "--port", port):
            expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible(timeout=20_000)
            page.go_back()
            expect(page.locator("tr[data-run=ended]")).to_be_visible()


def test_back_and_forward_lead_through_the_same_views(page: Page, studio_workspace: StudioWorkspace) -> None:
    page.goto(f"runs/{studio_workspace.sweep}?tab=board")
    page.locator("tr[data-trial='1']").get_by_role("link").first.click()
    expect(page.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")
    for tab in ("Confusion", "Threshold"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    page.get_by_role("link", name="Look at mistakes").click()
    expect(page.get_by_role("heading", name="Mistakes", exact=True)).to_be_visible()
    for tab in ("Threshold", "Confusion", "Overview"):
        page.go_back()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.get_by_role("heading", name="Board: 3 trials")).to_be_visible()
    page.go_forward()
    page.go_forward()
    expect(page.get_by_role("tab", name="Confusion")).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize(
    "link",
    [
        "runs/{sweep}/trials/1?split=val&tab=curves&threshold=0.3&label=circle&outcome=found",
        "runs/{sweep}/trials/0/mistakes?split=val&show=all&true=circle",
        pytest.param("runs/{sweep}?tab=search&brush=learning_rate:0.200-1.000", marks=pytest.mark.slow),
        pytest.param("runs/{sweep}/trials/1?split=val&tab=threshold&by=precision&want=0.8", marks=pytest.mark.slow),
        pytest.param("data/shapes/1?label=circle&split=val", marks=pytest.mark.slow),
    ],
)
def test_a_link_shows_others_the_same_view(
    page: Page, browser: Browser, studio_address: str, studio_workspace: StudioWorkspace, link: str
) -> None:
    page.goto(link.format(sweep=studio_workspace.sweep))
    shown = settled(page)
    with page_at(browser, studio_address) as other:
        other.goto(page.url)
        assert settled(other) == shown


def settled(page: Page) -> str:
    """The text of a page once all of it is there."""
    expect(page.locator("main h1")).to_be_visible(timeout=_FIRST)
    expect(page.get_by_role("status", name="loading")).to_have_count(0, timeout=_FIRST)
    page.wait_for_load_state("networkidle")
    return page.locator("main").inner_text()

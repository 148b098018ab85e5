"""What pages show in place of their content: empty, waiting, failed, without a server, partial, interrupted, huge."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from test_every_page import PAGES, open_page

from automl_vision import Workspace
from studio_browser import check_accessible, page_at, served
from studio_site import StudioWorkspace
from written_runs import begun_trial, evaluate, many_runs, written_run

_SMALL = {"width": 640, "height": 400}
"""What a window of 1280 x 800 has left at 200 %."""
_FIRST = 60_000  # milliseconds; what a page shows first may have to be opened

SOME = ("run", "trial", "version", "model")
WITHOUT_DATA = ("api", "nothing")


def some_always(names: list[str]) -> list[object]:
    """All of them, of which most are slow."""
    return [name if name in SOME else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", some_always([name for name in PAGES if name not in WITHOUT_DATA]))
def test_a_page_that_waits_has_its_layout(page: Page, studio_workspace: StudioWorkspace, name: str) -> None:
    answers = re.compile(r"/api/v1/(?!session|system)")
    page.route(answers, lambda _: None)  # the answer is on its way
    page.set_viewport_size(_SMALL)
    page.goto(PAGES[name].format(sweep=studio_workspace.sweep, detection=studio_workspace.detection))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("status", name="loading").first).to_be_visible()
    check_accessible(page)
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("runs/none", 'no run "none"'),
        ("runs/{sweep}/trials/1?tab=curves&threshold=0.5&label=oval", 'no class "oval"'),
        ("data/shapes/77", "has no version 77; it has: 1"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                ("runs/none/trials/0", 'no run "none"'),
                ("runs/none/trials/0/mistakes", 'no run "none"'),
                ("runs/{sweep}/compare?trials=0,77", "has no trial 77"),
                ("runs/{sweep}/trials/1/mistakes?true=oval", 'no class "oval"'),
                ("data/none/1", 'registered as "none"'),
                ("data/none/1/fixes", 'registered as "none"'),
                ("models/none/1", 'registered as "none"'),
                ("models/shapes/9", "has no version 9"),
                ("?workspace=none", 'no workspace "none"'),
            ]
        ),
    ],
)
def test_a_page_that_fails_says_why(
    page: Page, complaints: object, studio_workspace: StudioWorkspace, address: str, reason: str
) -> None:
    complaints.expected.append("40[04]")  # type: ignore[attr-defined]
    page.set_viewport_size(_SMALL)
    page.goto(address.format(sweep=studio_workspace.sweep))
    expect(page.get_by_role("alert").first).to_contain_text(reason)
    expect(page.get_by_role("button", name="Copy details").first).to_be_visible()
    check_accessible(page)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PAGES if name not in WITHOUT_DATA])
def test_a_page_without_its_server_shows_what_was(
    page: Page, complaints: object, studio_workspace: StudioWorkspace, name: str
) -> None:
    complaints.expected.append("ERR_INTERNET_DISCONNECTED")  # type: ignore[attr-defined]
    page.set_viewport_size(_SMALL)
    open_page(page, PAGES[name], studio_workspace)
    page.wait_for_load_state("networkidle")
    shown = page.get_by_role("heading", level=1).inner_text()
    page.context.set_offline(True)
    expect(page.get_by_text("The server last answered")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text(shown)
    expect(page.get_by_role("alert")).to_have_count(0)
    check_accessible(page)
    page.context.set_offline(False)
    expect(page.get_by_text("The server last answered")).to_have_count(0)


EMPTY = {
    "": "No runs yet",
    "data": "No data yet",
    "activity": "No run works now",
}
WITHOUT_MODELS = {"models": "No models yet", "try": "No models yet"}
UNFINISHED = {
    "runs/waits": "no trial has begun",
    "runs/works": "trial 1",
    "runs/works/trials/1": "No predictions yet",
    "runs/works/trials/1/mistakes": "No predictions yet",
    "runs/works/compare?trials=0,1": "trial 1",
    "runs/stopped": "its process is gone",
    "runs/failed": "the disk is full",
    "runs/failed/trials/0": "an earlier version",
}


def test_empty_and_unfinished_pages_say_what_to_do(
    browser: Browser, studio_workspace: StudioWorkspace, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "workspace")
    with served([workspace.path]) as address, page_at(browser, address, expected="40[049]") as page:
        page.set_viewport_size(_SMALL)
        check_empty(page, EMPTY)
        written_run(workspace, "stopped", trials=2, status="Running", ended=None)
        failed = written_run(workspace, "failed", trials=1, status="Failed", reason="the disk is full")
        waits = written_run(workspace, "waits", trials=0, status="Running", ended=None)
        works = written_run(workspace, "works", trials=1, status="Running", ended=None)
        evaluate(begun_trial(works, 1), 0, 0.5)
        for folder in (failed, works):
            shutil.copy(studio_workspace.run(studio_workspace.sweep).folder.manifest, folder.manifest)
        with waits.lock.hold(), works.lock.hold():
            for path, text in UNFINISHED.items():
                page.goto(path)
                expect(page.locator("main")).to_contain_text(re.compile(text, re.IGNORECASE), timeout=_FIRST)
                check_accessible(page)


@pytest.mark.slow
def test_pages_without_models_say_what_to_do(browser: Browser, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    with served([workspace.path]) as address, page_at(browser, address) as page:
        page.set_viewport_size(_SMALL)
        check_empty(page, WITHOUT_MODELS)


def check_empty(page: Page, pages: dict[str, str]) -> None:
    """Each of the pages has its title, and the command that fills it."""
    for path, title in pages.items():
        page.goto(path)
        expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=_FIRST)
        expect(page.locator("main code").first).to_be_visible()
        check_accessible(page)


@pytest.mark.slow
def test_huge_pages_show_the_count_first(browser: Browser, tmp_path: Path) -> None:
    workspace = many_runs(tmp_path / "workspace", runs=50, trials=1_000)
    with served([workspace.path]) as address, page_at(browser, address) as page:
        for path, text in {"": "50 runs", "runs/large-1": "Board: 1,000 trials"}.items():
            page.goto(path)
            expect(page.get_by_text(text).first).to_be_visible(timeout=_FIRST)
            check_accessible(page)
            assert page.locator("main *").count() < 4_000

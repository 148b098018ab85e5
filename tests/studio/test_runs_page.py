"""Home, the page of a run, and activity in Chromium: what they show, by mouse and by keys, live and after a restart."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from automl_vision import AutoMLVisionConfig, Experiment, Workspace
from automl_vision.core.records import TrialStatus
from command_line import run_command
from conftest import SMALL_MODEL, small_hyperparameters
from processes import free_port, wait_for
from runs_here import start_here
from studio_browser import GONE, page_at, served
from studio_site import StudioWorkspace
from written_runs import begun_trial, evaluate, many_runs, written_run, written_trial


def run_names(page: Page) -> list[str]:
    return [name.strip() for name in page.locator("tr[data-run] td:first-child a").all_inner_texts()]


def board_trials(page: Page) -> list[int]:
    return [int(row.get_attribute("data-trial") or -1) for row in page.locator("tr[data-trial]").all()]


def test_home_says_what_ended_and_what_needs_care(browser: Browser, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    with served([workspace.path]) as address, page_at(browser, address) as page:
        page.goto("")
        expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
        expect(page.get_by_text("automl-vision train --training-data FOLDER")).to_be_visible()
        many_runs(workspace.path, runs=11, trials=4)
        written_run(workspace, "gone", trials=1, status="Running", ended=None)
        page.reload()
        care = page.get_by_role("region", name="needs you")
        expect(care.get_by_role("listitem")).to_have_count(2)
        expect(care).to_contain_text("its process is gone 1 finished trial kept")
        expect(care).to_contain_text("the disk is full 3 finished trials kept")
        expect(care.get_by_role("button", name="Resume")).to_have_count(2)
        care.get_by_role("button", name="Hide small-9").click()
        expect(care.get_by_role("listitem")).to_have_count(1)

        expect(page.locator("tr[data-run]")).to_have_count(12)
        page.get_by_label("Status").select_option("failed or interrupted")
        expect(page.locator("tr[data-run]")).to_have_count(2)
        page.get_by_label("Words").fill("full")
        expect(page.locator("tr[data-run]")).to_have_count(1)
        assert "text=full" in page.url
        page.get_by_role("button", name="Show all").click()
        page.get_by_role("button", name="Trials").click()
        expect(page).to_have_url(re.compile("sort=trials"))
        expect(page.locator("tr[data-run]").first).to_contain_text("large-1")
        page.get_by_label("Group by experiment").check()
        expect(page.locator("tr[data-run]").first).to_contain_text("large-1")
        expect(page.get_by_role("rowheader", name="small 2")).to_be_visible()

        shown, link = run_names(page), page.url
        with page_at(browser, address) as other:
            other.goto(link)
            expect(other.get_by_role("rowheader", name="small 2")).to_be_visible()
            assert run_names(other) == shown

        expect(page.get_by_text("new", exact=True)).to_have_count(0)
        page.goto("activity")  # leaves the list, so that what ends from now on is new
        written_run(workspace, "fresh", trials=1)
        page.goto("")
        expect(page.locator("tr[data-run=fresh]")).to_contain_text("new")
        expect(page.get_by_text("new", exact=True)).to_have_count(1)


def test_the_board_shows_what_the_command_prints(page: Page, studio_workspace: StudioWorkspace) -> None:
    run_id = studio_workspace.sweep
    told = run_command("leaderboard", run_id, "--json", "--workspace", studio_workspace.workspace.path)
    rows = json.loads(told.stdout)
    page.goto(f"runs/{run_id}")
    expect(page.locator("tr[data-trial]")).to_have_count(3)
    assert board_trials(page) == [row["trial"] for row in rows]
    for row in rows:
        shown = page.locator(f"tr[data-trial='{row['trial']}'] [data-value]")
        values = [cell.get_attribute("data-value") for cell in shown.all()]
        assert values == [json.dumps(row[name]) for name in ("latency_ms", "size_mb")] or values == [
            re.sub(r"\.0$", "", json.dumps(value))
            for value in (row["score"]["value"], row["latency_ms"], row["size_mb"])
        ]
    verdict = studio_workspace.run(run_id).verdict()
    assert verdict is not None
    said = page.get_by_role("region", name="verdict")
    expect(said).to_contain_text(f"Take trial {verdict.recommended}, {SMALL_MODEL}")
    expect(said).to_contain_text(verdict.sentence[1:])
    said.get_by_role("link", name="Open the recommended").click()
    expect(page).to_have_url(re.compile(rf"/runs/{run_id}/trials/{verdict.recommended}$"))


def test_the_board_by_keys(page: Page, studio_workspace: StudioWorkspace) -> None:
    address = f"runs/{studio_workspace.sweep}"
    page.goto(address)
    rows = page.locator("tr[data-trial]")
    expect(rows).to_have_count(3)
    page.get_by_label("Under … MB").fill("jxc?")  # a field takes its keys itself
    expect(page.locator("tr[data-selected=true]")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_label("Under … MB").fill("")
    page.get_by_role("heading", name="Board: 3 trials").click()
    for key in ("j", "x", "ArrowDown", "j", "k", "x"):
        page.keyboard.press(key)
    first, second = board_trials(page)[:2]
    expect(page.locator("tr[data-selected=true]")).to_have_count(2)
    expect(page.locator(f"tr[data-trial='{second}']")).to_be_focused()
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile(rf"/compare\?trials=({first}%2C{second}|{first},{second})"))
    expect(page).not_to_have_title(
        re.compile(f"^{studio_workspace.sweep} ")
    )  # the page has changed, not only the address
    page.go_back()
    expect(page.locator("tr[data-selected=true]")).to_have_count(2)  # the address holds the selection
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/runs/{studio_workspace.sweep}/trials/{first}$"))

    page.goto(address)
    expect(rows).to_have_count(3)
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys of this page")
    expect(keys).to_contain_text("Compare the two that are selected")
    keys.get_by_label("Single letters are keys").uncheck()
    keys.get_by_role("button", name="Close").click()
    page.keyboard.press("x")
    page.keyboard.press("?")
    expect(page.locator("tr[data-selected=true]")).to_have_count(0)
    expect(keys).to_have_count(0)


def test_a_link_shows_the_same_board(
    page: Page, browser: Browser, studio_address: str, studio_workspace: StudioWorkspace
) -> None:
    page.goto(f"runs/{studio_workspace.sweep}")
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("dialog", name="Columns").get_by_label("f1 macro", exact=True).check()
    page.get_by_role("dialog", name="Columns").get_by_label("Weights, millions").check()
    page.keyboard.press("Escape")
    page.get_by_label("Under … ms per image").fill("1000")
    expect(page.get_by_role("region", name="verdict")).to_contain_text("Best with at most 1000 ms per image")
    page.get_by_role("button", name="MB", exact=True).click()
    expect(page.get_by_role("columnheader", name="MB")).to_have_attribute("aria-sort", "ascending")
    shown = page.get_by_role("table").inner_text()
    with page_at(browser, studio_address) as other:
        other.goto(page.url)
        expect(other.get_by_role("columnheader", name="f1 macro")).to_be_visible()
        expect(other.locator("tr[data-trial]")).to_have_count(3)
        assert other.get_by_role("table").inner_text() == shown
        other.get_by_role("button", name="Copy as").click()
        other.get_by_role("menuitem", name="Command").click()
        copied = other.evaluate("navigator.clipboard.readText()")
        folder = studio_workspace.workspace.path
        assert copied == (
            f"automl-vision leaderboard {studio_workspace.sweep} --metric f1_macro --max-ms 1000 --workspace {folder}"
        )
    page.get_by_label("Under … ms per image").fill("0.000001")
    expect(page.get_by_text("No trial keeps these limits.")).to_be_visible()


def test_search_log_files_and_settings(page: Page, studio_workspace: StudioWorkspace) -> None:
    page.goto(f"runs/{studio_workspace.sweep}")
    page.get_by_role("tab", name="Search").click()
    expect(page.get_by_text("3 of 3 trials held")).to_be_visible()
    expect(page.get_by_text("the importance of hyperparameters needs 10 trials")).to_be_visible()
    axis = page.get_by_role("slider", name=re.compile("^learning_rate"))
    axis.focus()
    for _ in range(2):
        page.keyboard.press("ArrowUp")
    expect(page.get_by_text("2 of 3 trials held")).to_be_visible()
    assert "brush=learning_rate" in page.url
    page.reload()
    expect(page.get_by_text("2 of 3 trials held")).to_be_visible()
    axis.focus()
    page.keyboard.press("Escape")
    expect(page.get_by_text("3 of 3 trials held")).to_be_visible()

    page.get_by_role("tab", name="Log and files").click()
    expect(page.get_by_label("messages, the newest first")).to_contain_text("3 classes, images:")
    page.get_by_role("button", name="trials/").click()
    page.get_by_role("button", name="0/", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="result.json").click()
    result = studio_workspace.run(studio_workspace.sweep).folder.trial(0).path / "result.json"
    assert Path(download.value.path()).read_bytes() == result.read_bytes()

    page.get_by_role("tab", name="Settings").click()
    expect(page.get_by_label("Job as YAML")).to_contain_text("type: grid")
    page.reload()
    expect(page.get_by_label("Specification as YAML")).to_contain_text("primary_metric: accuracy")


def test_a_thousand_trials_are_as_few_rows_as_are_in_sight(browser: Browser, tmp_path: Path) -> None:
    many_runs(tmp_path / "workspace", runs=1, trials=300)
    with served([tmp_path / "workspace"]) as address, page_at(browser, address, width=390) as page:
        page.goto("runs/large-1")
        rows = page.locator("tr[data-trial]")
        expect(rows.first).to_be_visible()
        assert rows.count() < 60
        expect(page.get_by_role("table").first).to_have_attribute("aria-rowcount", "301")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("group", name="board").evaluate("board => { board.scrollTop = 1e6; }")
        expect(page.locator("tr[aria-rowindex='301']")).to_be_visible()
        assert rows.count() < 60


def test_a_live_view_survives_the_servers_restart(browser: Browser, tmp_path: Path) -> None:
    workspace, port = Workspace(tmp_path / "workspace"), str(free_port())
    folder = written_run(workspace, "live", trials=1, status="Running", ended=None)
    trial = begun_trial(folder, 1)
    address = f"http://127.0.0.1:{port}/"
    with folder.lock.hold(), page_at(browser, address, expected=GONE) as page:
        strip = page.get_by_role("region", name="live")
        with served([workspace.path], "--port", port):
            page.goto("runs/live")
            expect(strip).to_contain_text("trial 1")
            evaluate(trial, 0, 0.25)
            folder.message("before the restart")
            expect(strip).to_contain_text("before the restart")
            expect(strip).to_contain_text("0.250")
            expect(page.locator("tr[data-trial='1']")).to_contain_text("0.250")
        expect(page.get_by_text("The server last answered")).to_be_visible()
        evaluate(trial, 1, 0.75)
        folder.message("while it was gone")
        begun_trial(folder, 2)
        with served([workspace.path], "--port", port):
            expect(strip).to_contain_text("while it was gone")
            expect(strip).to_contain_text("0.750")
            expect(page.locator("tr[data-trial='2']")).to_be_visible()
            folder.message("after the restart")
            expect(strip).to_contain_text("after the restart")
            for text in ("before the restart", "while it was gone", "after the restart"):
                expect(strip.get_by_text(text)).to_have_count(1)
            assert sorted(board_trials(page)) == [0, 1, 2]
            expect(strip.locator("li[data-trial]")).to_have_count(2)
            expect(page.get_by_text("The server last answered")).to_have_count(0)

            page.goto("activity")
            expect(page.get_by_role("region", name="live")).to_contain_text("trial 1")
            page.go_back()
            expect(strip).to_be_visible()
            written_trial(folder, 1, share=1.0)
            folder.trial(2).update(status=TrialStatus.CANCELED)
            folder.update(status="Completed", ended=time.time())
            expect(strip).to_have_count(0)
            expect(page.get_by_role("region", name="verdict")).to_contain_text("Take trial")


def test_a_run_is_canceled_and_resumed_from_its_page(browser: Browser, shapes_folder: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    arguments = small_hyperparameters(number_of_epochs=10_000, early_stopping=False).model_dump(exclude_unset=True)
    config = AutoMLVisionConfig(
        task="image-classification", training_data=str(shapes_folder), model_name=SMALL_MODEL, arguments=arguments
    )
    run, worker = start_here(Experiment(workspace, "long"), config)
    with served([workspace.path]) as address, page_at(browser, address) as page:
        page.goto("")
        card = page.get_by_role("region", name="working now")
        card.get_by_role("link", name=run.id).click()
        expect(page.get_by_role("region", name="live")).to_contain_text(re.compile(r"epoch \d+/10000"), timeout=60_000)
        other = page.context.new_page()  # what is done in one tab is seen in the other
        other.goto(f"runs/{run.id}")
        expect(other.get_by_role("region", name="live")).to_contain_text(re.compile(r"epoch \d+/10000"))
        page.get_by_role("button", name="Cancel", exact=True).click()
        asked = page.get_by_role("dialog")
        expect(asked).to_contain_text("the run can be resumed later")
        asked.get_by_role("button", name="Cancel the run").click()
        ended = page.get_by_role("region", name="why the run ended")
        expect(ended).to_contain_text("Canceled: canceled by the user", timeout=60_000)
        worker.join()
        expect(other.get_by_role("region", name="why the run ended")).to_contain_text("canceled by the user")
        other.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("region", name="live")).to_be_visible(timeout=60_000)
        assert not run.get_status().is_at_rest
        page.goto("activity")
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
        expect(page.get_by_role("heading", name="No run works now")).to_be_visible(timeout=60_000)
        wait_for(lambda: run.get_status() == "Canceled")

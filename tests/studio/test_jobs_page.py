"""A job in the browser: three clicks to a run, by keyboard alone, and each mistake at its field."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from automl_vision import Run
from studio_site import StudioWorkspace

TINY = """\
experiment: typed
task: image-classification
model_name: efficientnet_lite0
arguments:
  number_of_epochs: 1
  training_crop_size: 32
  validation_crop_size: 32
  validation_resize_size: 32
"""
WRONG = """\
experiment: "../up"
task: image-classification
training_data: {photos}
validation_data_size: 1.5
compute_target: gpu
iterations: 0
max_concurrent_iterations: 101
experiment_timeout_hours: -1
seed: -1
max_bad_share: 2
threads: -1
processes_per_trial: 0
policy: {{type: bandit, slack_factor: -1}}
arguments: {{optimizer: sdg, momentum: 3}}
hyperparameter_sampling:
  type: random
  seed: -2
  space:
    learning_rate: {{type: uniform, low: 2, high: 1}}
    alternatives: {{type: choice, values: [{{weight_decay: {{type: uniform, low: 0, high: x}}}}, {{momentum: 0.5}}]}}
"""
FAULTS = {
    "experiment": "name is made of letters",
    "validation_data_size": "less than 1",
    "compute_target": "is not a compute target",
    "iterations": "greater than or equal to 1",
    "max_concurrent_iterations": "less than or equal to 100",
    "experiment_timeout_hours": "greater than 0",
    "seed": "greater than or equal to 0",
    "max_bad_share": "less than or equal to 1",
    "threads": "greater than or equal to 0",
    "processes_per_trial": "greater than or equal to 1",
    "policy-slack_factor": "not -1",
    "arguments-optimizer": "sdg",
    "arguments-momentum": "less than or equal to 1",
    "hyperparameter_sampling-seed": "greater than or equal to 0",
    "hyperparameter_sampling-space-learning_rate": "low < high",
    "hyperparameter_sampling-space-alternatives-values-0-weight_decay-high": "valid number",
}


def run_of(page: Page, studio: StudioWorkspace) -> Run:
    """The run whose page is shown."""
    page.wait_for_url(re.compile(r"/runs/[^/?]+"), timeout=60_000)
    found = re.search(r"/runs/([^/?]+)", page.url)
    assert found
    return studio.run(found[1])


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control of a name has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "document.activeElement.textContent || document.activeElement.getAttribute('aria-label')"
        )
        if (focused or "").strip() == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")


def paste(page: Page, text: str) -> None:
    """Fill the form from a job file, by keyboard."""
    tab_to(page, "Fill the form from a job file")
    page.keyboard.press("Enter")
    area = page.get_by_label("Paste the YAML, or drop the file on this page")
    area.focus()
    page.keyboard.insert_text(text)
    tab_to(page, "Fill the form")
    page.keyboard.press("Enter")
    expect(area).to_have_count(0)  # a closing form takes the focus back to its button


def test_three_clicks_lead_from_data_to_a_run(page: Page, studio_workspace: StudioWorkspace):
    page.goto("")
    page.get_by_role("link", name="New job").first.click()
    page.get_by_role("button", name="shapes:1").click()
    expect(page.get_by_text("image classification", exact=True)).to_be_visible()
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_enabled(timeout=30_000)
    expect(page.get_by_text("AutoMode: about").or_(page.get_by_text("AutoMode: time for about"))).to_be_visible()
    start.click()
    run_of(page, studio_workspace).cancel()


def test_a_form_filled_by_keyboard_alone_starts_a_run(page: Page, studio_workspace: StudioWorkspace):
    page.goto("new")
    expect(page.get_by_role("heading", name="Data")).to_be_visible()
    paste(page, TINY)
    page.get_by_label("Folder, file, address or registered version").focus()
    page.keyboard.insert_text(str(studio_workspace.photos))
    page.keyboard.press("Enter")
    expect(page.get_by_text("circle 14, cross 14, square 14")).to_be_visible(timeout=30_000)
    page.get_by_role("radio", name="20 min").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("radio", name="5 min", exact=True)).to_be_checked()
    expect(page.get_by_text("experiment_timeout_hours: 0.0833")).to_be_visible()
    page.reload()
    expect(page.get_by_text("experiment_timeout_hours: 0.0833")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled(timeout=30_000)
    tab_to(page, "Start")
    page.keyboard.press("Enter")
    run = run_of(page, studio_workspace)
    run.wait_for_completion()
    assert run.folder.outline().budget_seconds == pytest.approx(300, abs=1)
    assert run.leaderboard()[0].model_name == "efficientnet_lite0"
    page.goto("new")
    expect(page.get_by_label("Folder, file, address or registered version")).to_have_value("")


def test_every_mistake_is_shown_at_its_field(page: Page, studio_workspace: StudioWorkspace):
    page.goto("new?advanced=1")
    expect(page.get_by_role("heading", name="Data")).to_be_visible()
    paste(page, WRONG.format(photos=studio_workspace.photos))
    for field, words in FAULTS.items():
        expect(page.locator(f"#field-{field}").last, field).to_contain_text(words, timeout=20_000)
    expect(page.get_by_text(re.compile(r"^\d+ mistakes$"))).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    seed = page.locator("#field-seed input")
    seed.fill("5")
    expect(page.locator("#field-seed")).not_to_contain_text("greater than or equal to 0, not")
    expect(seed).to_have_value("5")


def test_the_search_space_says_what_it_means(page: Page, studio_workspace: StudioWorkspace):
    page.goto("new?data=shapes:1&advanced=1")
    expect(page.get_by_text("AutoMode: ")).to_be_visible(timeout=30_000)
    page.get_by_role("radio", name="Search space").check(force=True)
    space = page.locator("#field-hyperparameter_sampling-space-learning_rate")
    expect(space).to_contain_text("0.0001234 to 0.01832 on a logarithmic scale")
    space.get_by_label("high").fill("-2")
    expect(space).to_contain_text("0.0001234 to 0.1353 on a logarithmic scale")
    expect(page.get_by_text("Sweep: ")).to_be_visible()
    page.get_by_role("tab", name="Python").click()
    expect(page.get_by_text("'learning_rate': loguniform(-9.0, -2.0)")).to_be_visible()


def test_settings_change_the_colours_and_lead_to_the_api(page: Page):
    page.goto("settings")
    page.get_by_role("radio", name="Dark").check(force=True)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_text("Single letters are keys").click()
    assert page.evaluate("localStorage.getItem('automl-vision-letter-keys')") == "off"
    page.get_by_role("link", name="What the API offers").click()
    page.get_by_label("Find").fill("jobs/check")
    page.get_by_role("button", name="POST /api/v1/jobs/check").click()
    expect(page.get_by_text("curl -X POST")).to_be_visible()

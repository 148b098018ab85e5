"""The pages of a trial: numbers as in Python, a threshold that moves everything, labels reviewed by keys alone."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from studio_site import StudioWorkspace

FIRST = 60_000  # milliseconds; what a page shows first may have to be computed


def test_the_metrics_of_the_page_are_those_of_python(page: Page, studio_workspace: StudioWorkspace) -> None:
    evaluated = studio_workspace.run(studio_workspace.sweep).get_child(1).evaluated("val")
    page.goto(f"runs/{studio_workspace.sweep}/trials/1?split=val")
    table = page.get_by_role("group", name="metrics")
    expect(table).to_be_visible(timeout=FIRST)
    for name, value in evaluated.metrics().items():
        row = table.get_by_role("row").filter(has=page.get_by_role("cell", name=name.replace("_", " "), exact=True))
        expect(row.get_by_role("cell").nth(1)).to_have_text(value.text(4))


def test_a_wanted_precision_is_chosen_and_measured_as_in_python(page: Page, studio_workspace: StudioWorkspace) -> None:
    evaluated = studio_workspace.run(studio_workspace.sweep).get_child(1).evaluated("val")
    expected = evaluated.operating_points(precision=0.8, per_class=False)
    page.goto(f"runs/{studio_workspace.sweep}/trials/1?split=val&tab=threshold&by=precision&want=0.8")
    part = page.get_by_role("region", name="Operating point")
    expect(part).to_be_visible(timeout=FIRST)
    for figure in (expected.overall.precision, expected.overall.recall, expected.answered):
        expect(part).to_contain_text(f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]")


def test_the_slider_moves_with_the_keyboard_and_stays_in_the_address(
    page: Page, studio_workspace: StudioWorkspace
) -> None:
    page.goto(f"runs/{studio_workspace.sweep}/trials/1?split=val&tab=threshold&t=0.99")
    expect(page.get_by_text(re.compile(r"now left to a person: [1-9]"))).to_be_visible(timeout=FIRST)
    slider = page.get_by_role("slider", name="threshold")
    slider.press("Home")
    expect(page.get_by_text("None: with the model's own threshold every image is on the same side.")).to_be_visible()
    expect(page).to_have_url(re.compile("[?&]t=%220%22|[?&]t=0(&|$)"))
    page.reload()
    expect(page.get_by_role("slider", name="threshold")).to_have_value("0")


def test_a_cell_of_the_confusion_opens_its_images(page: Page, studio_workspace: StudioWorkspace) -> None:
    page.goto(f"runs/{studio_workspace.sweep}/trials/1?split=val&tab=confusion")
    cell = page.get_by_role("group", name="confusion matrix").get_by_role("button", disabled=False).first
    expect(cell).to_be_visible(timeout=FIRST)
    label = cell.get_attribute("aria-label") or ""
    found = re.fullmatch(r"(.+) predicted as (.+): (\d+) images? of \d+", label)
    assert found is not None, label
    cell.press("Enter")
    expect(page.get_by_role("heading", name=f"{found[1]} predicted as {found[2]}")).to_be_visible()
    noun = "image" if found[3] == "1" else "images"
    expect(page.get_by_text(f"{found[3]} {noun}, the worst first.")).to_be_visible()
    images = page.get_by_role("list", name="images of the cell").get_by_role("listitem")
    images.first.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Mistakes", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="the image")).to_contain_text(found[1])


def test_labels_are_reviewed_by_keys_alone(page: Page, studio_workspace: StudioWorkspace) -> None:
    run = studio_workspace.run(studio_workspace.sweep)
    evaluated = run.get_child(0).evaluated("val")
    mistakes = evaluated.mistakes()
    rows = [int(evaluated.rows[mistake.image]) for mistake in mistakes[:3]]
    file = run.folder.path / "label_reviews.jsonl"
    file.unlink(missing_ok=True)

    def decided() -> list[tuple[int, str]]:
        lines = file.read_text(encoding="utf-8").splitlines()
        return [(found["row"], found["verdict"]) for found in map(json.loads, lines)]

    page.goto(f"runs/{studio_workspace.sweep}/trials/0/mistakes?split=val")
    large = page.get_by_role("region", name="the image")
    expect(large).to_contain_text(evaluated.image(mistakes[0]), timeout=FIRST)
    fix = large.get_by_role("link", name="Fix its label by hand")
    expect(fix).to_have_attribute("href", re.compile(r"data/shapes/1/edit\?image=.*&digest="))
    for mistake, key in zip(mistakes, "lms", strict=False):
        expect(large).to_contain_text(evaluated.image(mistake))
        page.keyboard.press(key)
    expect(page.get_by_text("3 decided in this run, 1 label called wrong.")).to_be_visible()
    assert decided() == [(rows[0], "label"), (rows[1], "model"), (rows[2], "skip")]
    page.keyboard.press("u")
    expect(page.get_by_text("2 decided in this run")).to_be_visible()
    expect(large).to_contain_text(evaluated.image(mistakes[2]))
    assert decided()[-1] == (rows[2], "undone")
    page.keyboard.press("ArrowLeft")
    expect(large).to_contain_text(evaluated.image(mistakes[1]))
    page.reload()
    expect(large).to_contain_text(evaluated.image(mistakes[1]))
    expect(large.get_by_role("button", name="Model is wrong")).to_have_attribute("aria-pressed", "true")
    letters = page.get_by_role("checkbox", name="Single letters are keys")
    page.keyboard.press("?")
    letters.uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("l")
    page.get_by_role("button", name="Keys").click()
    letters.check()
    page.get_by_role("button", name="Close").click()
    assert decided()[-1] == (rows[2], "undone")
    file.unlink()


def test_two_trials_side_by_side(page: Page, studio_workspace: StudioWorkspace) -> None:
    page.goto(f"runs/{studio_workspace.sweep}/compare?trials=0,1&split=val")
    expect(page.get_by_role("heading", name="Is the difference real?")).to_be_visible(timeout=FIRST)
    expect(page.get_by_role("group", name="settings")).to_contain_text("learning_rate")
    page.get_by_role("group", name="who is right").get_by_role("button", disabled=False).first.click()
    page.get_by_role("region", name="Where do they differ?").get_by_role("listitem").first.get_by_role("button").click()
    expect(page.get_by_role("figure").filter(has_text="Trial 1:")).to_be_visible()
    expect(page).to_have_url(re.compile("row="))

"""Labels fixed in a real browser: a box drawn, moved by keys and saved, reviewed, and made into the next version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from automl_vision import Dataset
from automl_vision.labeling.edit_log import LabelEdits
from automl_vision.labeling.edits import Change
from automl_vision.workspace.datasets import DatasetRegistry
from conftest import write_objects, write_shape_folders
from studio_browser import check_accessible
from studio_site import StudioWorkspace

PHONE = {"width": 360, "height": 780}


@pytest.fixture
def registry(studio_workspace: StudioWorkspace) -> Iterator[DatasetRegistry]:
    yield studio_workspace.workspace.datasets


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the image, from one place to another in shares of its sides."""
    frame = page.get_by_test_id("canvas").bounding_box()
    assert frame is not None
    places = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=3)
    page.mouse.up()


def test_a_box_is_drawn_and_makes_a_version(page: Page, registry: DatasetRegistry, tmp_path: Path) -> None:
    data = Dataset.open(write_objects(tmp_path / "drawn", images=12))
    registry.register(data, "drawn", split_ratio=0.3)
    before = Dataset.load(registry.get("drawn", 1))
    page.goto("data/drawn/1?image=2")
    page.get_by_role("link", name="Fix by hand").click()
    page.keyboard.press("n")
    drag(page, (0.1, 0.1), (0.4, 0.5))
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")
    page.reload()  # nothing is lost
    expect(page.get_by_text("new", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Save 1 change")).to_be_disabled()
    page.set_viewport_size(PHONE)
    check_accessible(page)
    page.get_by_label("Reason").fill("overlooked")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Save 1 change").click()
    expect(page.get_by_text("drew triangle")).to_be_visible()
    page.get_by_role("link", name="Review edits (1)").click()
    expect(page.get_by_role("img", name=re.compile("After.*triangle"))).to_be_visible()
    page.get_by_role("button", name="Accept: drew triangle").click()
    expect(page.get_by_text("1 image with other labels", exact=False)).to_be_visible()
    check_accessible(page)
    page.get_by_role("button", name="Make version 2 with 1 edit").click()
    expect(page.get_by_role("heading", name="drawn:2")).to_be_visible()
    expect(page.get_by_role("heading", name="Made by edits of 1 image of drawn:1")).to_be_visible()
    after = Dataset.load(registry.get("drawn", 2))
    assert after[2].objects[:-1] == before[2].objects
    width, height = after[2].size
    x1, y1, x2, y2 = after[2].objects[-1].bbox or ()
    assert after[2].objects[-1].label == "triangle"
    assert [x1 - 1, y1, x2 - 1, y2] == pytest.approx([0.1 * width, 0.1 * height, 0.4 * width, 0.5 * height], abs=1.5)


def test_the_second_of_two_people_is_told(
    page: Page, registry: DatasetRegistry, tmp_path: Path, complaints: object
) -> None:
    complaints.expected.append("409")  # type: ignore[attr-defined]
    registry.register(Dataset.open(write_shape_folders(tmp_path / "pair", per_class=4)), "pair", split_ratio=0.4)
    edits = LabelEdits(registry, "pair:1")
    image = edits.dataset[0].reference
    edits.review(edits.add(Change(action="exclude", image=image), reason="blurred", author="Bob").id, "accepted")
    page.goto("data/pair/1/edits")
    make = page.get_by_role("button", name="Make version 2 with 1 edit")
    expect(make).to_be_enabled()
    edits.make_version(author="Eve")
    make.click()
    expect(page.get_by_text("Eve has made pair:2 with these edits meanwhile")).to_be_visible()
    expect(page.get_by_text("pair:2 is newer")).to_be_visible()

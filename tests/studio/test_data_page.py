"""The pages of data in a real browser: add, look, find, fix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from test_data import made_dataset

from automl_vision import Dataset
from conftest import write_shape_folders
from studio_site import StudioWorkspace

MOST_NODES = 400


def test_a_folder_of_the_browser_becomes_a_version(page: Page, tmp_path: Path) -> None:
    photos = write_shape_folders(tmp_path / "dropped", per_class=5)
    page.goto("data")
    page.get_by_role("button", name="Add data").first.click()
    page.get_by_role("tab", name="From this browser").click()
    page.get_by_test_id("folder").set_input_files(photos)
    expect(page.get_by_text("15 images", exact=False).first).to_be_visible()
    expect(page.get_by_role("list", name="first pictures").get_by_role("img")).to_have_count(8)
    name = page.get_by_label("Name")
    expect(name).to_have_value("dropped")
    name.fill("from-browser")
    page.get_by_role("button", name="Register").click()
    expect(page).to_have_url(re.compile("data/from-browser/1"))
    expect(page.get_by_role("heading", name="from-browser:1")).to_be_visible()


@pytest.mark.parametrize("path", ["/etc", "/no/such/place"])
def test_a_wrong_path_is_explained(page: Page, complaints: object, path: str) -> None:
    complaints.expected.append("400")  # type: ignore[attr-defined]
    page.goto("data?add=path")
    page.get_by_label("Path of a folder").fill(path)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("outside of the folders that the studio may read")).to_be_visible()


def test_the_gallery_of_many_images_has_few_nodes(
    page: Page, studio_workspace: StudioWorkspace, tmp_path: Path, complaints: object
) -> None:
    registry = studio_workspace.workspace.datasets
    photos = studio_workspace.photos
    known = Dataset.open(photos)
    images = known.table["image"].to_pylist()
    many = made_dataset(100_000, photos)
    column = many.table.schema.get_field_index("image")
    import pyarrow as pa

    names = [images[row % len(images)] for row in range(len(many))]
    many = Dataset(
        many.table.set_column(column, "image", pa.array(names)), str(photos), many.task, many.classes, "folder"
    )
    registry.register(many, "many", split_ratio=None)
    page.goto("data/many/1")
    gallery = page.get_by_role("list", name="images of many:1")
    expect(page.get_by_text("100,000 images", exact=True)).to_be_visible()
    expect(gallery.get_by_role("img").first).to_be_visible()
    for share in (0, 0.5, 1):
        page.evaluate("share => window.scrollTo(0, share * document.body.scrollHeight)", share)
        expect(gallery.locator("[aria-busy]")).to_have_count(0)
        assert 0 < gallery.locator("*").count() <= MOST_NODES
    page.goto("data/many/1?label=b&split=val")
    expect(page.get_by_text("3,333 images", exact=True)).to_be_visible()


def test_filters_are_in_the_address_and_an_image_opens_by_keyboard(page: Page) -> None:
    page.goto("data/boxes/1")
    page.get_by_role("button", name="Class").click()
    page.get_by_role("option", name="square").click()
    expect(page).to_have_url(re.compile("label=square"))
    tile = page.get_by_role("list", name="images of boxes:1").get_by_role("button").first
    tile.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Objects")).to_be_visible()
    first = page.url
    page.keyboard.press("ArrowRight")
    expect(page).not_to_have_url(first)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(re.compile("image="))


def test_a_finding_is_fixed_and_its_effect_shown(page: Page, studio_workspace: StudioWorkspace, tmp_path: Path) -> None:
    photos = write_shape_folders(tmp_path / "copies", per_class=8)
    (photos / "square" / "copy.png").write_bytes((photos / "circle" / "circle-0.png").read_bytes())
    studio_workspace.workspace.datasets.register(Dataset.open(photos), "copies", split_ratio=0.4)
    page.goto("data/copies/1")
    page.get_by_role("link", name="Review fixes").click()
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_text("contradicting-copies", exact=True)).to_be_visible(timeout=120_000)
    expect(page.get_by_text("2 images left out")).to_be_visible()
    page.get_by_role("button", name="What would it bring?").click()
    expect(page.get_by_text("It is the probe's effect")).to_be_visible(timeout=60_000)
    page.get_by_role("checkbox").first.uncheck()
    expect(page.get_by_text("1 image left out")).to_be_visible()
    expect(page).to_have_url(re.compile("take="))
    page.get_by_label("Reason").fill("copies with two labels")
    page.get_by_role("button", name="Make the next version").click()
    expect(page.get_by_role("heading", name="copies:2")).to_be_visible()
    expect(page.get_by_text("copies with two labels", exact=False)).to_be_visible()
    expect(page.get_by_role("button", name="1 moved")).to_be_visible()

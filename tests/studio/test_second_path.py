"""Why is it wrong: from a run on real photos over labels that are fixed to the next run, in four clicks and keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Run, Workspace
from processes import wait_for
from runs_here import work_here
from studio_browser import page_at, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

_CLICKS = 4  # as the design counts them
_WRONG = 8  # labels of validation photos that are made wrong
_PER_CLASS = {"train": 40, "val": 15}
_LONG = 240_000  # milliseconds


@dataclass(frozen=True)
class Wrong:
    """A run on photos of clothing, of which some labels are wrong.

    Attributes:
        run: the run.
        truth: the right labels of the photos whose labels are wrong, by their paths.
    """

    run: Run
    truth: dict[str, str]


def photos_with_wrong_labels(folder: Path) -> tuple[Dataset, dict[str, str]]:
    """Some photos of each class, and the right labels of those whose labels are wrong."""
    whole = Dataset.open(folder)
    table = whole.table
    split = np.array(table["split"].to_pylist())
    label = np.array([labels[0] for labels in table["labels"].to_pylist()])
    rows = [
        row
        for part, most in _PER_CLASS.items()
        for name in whole.classes
        for row in np.flatnonzero((split == part) & (label == name))[:most].tolist()
    ]
    kept, labels = table.take(pa.array(rows)), label[rows].tolist()
    validation = np.flatnonzero(split[rows] == "val")
    wrong = np.random.default_rng(0).choice(validation, _WRONG, replace=False).tolist()
    truth = {}
    for row in wrong:
        truth[kept["image"][row].as_py()] = labels[row]
        labels[row] = whole.classes[(whole.classes.index(labels[row]) + 3) % len(whole.classes)]
    column = kept.schema.get_field_index("labels")
    changed = kept.set_column(column, "labels", pa.array([[one] for one in labels], kept.schema.field("labels").type))
    return Dataset(changed, str(folder), whole.task, whole.classes, "folder"), truth


def trained(root: Path, data: Path) -> Wrong:
    """Train on the photos, which takes about a minute."""
    workspace = Workspace(root / "workspace")
    dataset, truth = photos_with_wrong_labels(data / "clothing")
    version = workspace.datasets.register(dataset, "clothing", split_ratio=None)
    sizes = dict.fromkeys(("training_crop_size", "validation_crop_size", "validation_resize_size"), 96)
    config = AutoMLVisionConfig(
        task="image-classification",
        training_data=str(version),
        model_name="efficientnet_lite0",
        arguments={"number_of_epochs": 4, **sizes},
    )
    run = work_here(Experiment(workspace, "clothing"), config)
    assert run.get_status() == "Completed", run.get_details()
    return Wrong(run, truth)


@pytest.fixture(scope="module")
def wrong(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Wrong:
    """The run, which both walks begin with."""
    return trained(tmp_path_factory.mktemp("clothing"), real_data)


@pytest.fixture
def page(wrong: Wrong, browser: Browser) -> Iterator[Page]:
    """The page of the run."""
    with served([wrong.run.workspace.path]) as address, page_at(browser, address) as found:
        found.set_default_timeout(60_000)
        found.goto(f"runs/{wrong.run.id}")
        yield found


class Mouse:
    """Goes on by clicks, and counts them."""

    def __init__(self, page: Page) -> None:
        self.clicks = 0

    def __call__(self, wanted: Locator) -> None:
        self.clicks += 1
        wanted.click()


class Keyboard:
    """Goes on by Tab and Enter, and clicks nothing."""

    clicks = _CLICKS

    def __init__(self, page: Page) -> None:
        self._page = page

    def __call__(self, wanted: Locator) -> None:
        expect(wanted).to_be_enabled(timeout=_LONG)
        for _ in range(120):
            if wanted.evaluate("element => element === document.activeElement"):
                return self._page.keyboard.press("Enter")
            self._page.keyboard.press("Tab")
        raise AssertionError(f"{wanted} is not reached by Tab")


@pytest.mark.parametrize(("go", "fixes"), [(Mouse, 4), (Keyboard, 3)], ids=["mouse", "keyboard"])
def test_wrong_labels_are_found_fixed_and_trained_on(
    page: Page, wrong: Wrong, go: Callable[[Page], Mouse | Keyboard], fixes: int
) -> None:
    on = go(page)
    reviews = wrong.run.folder.path / "label_reviews.jsonl"
    reviews.unlink(missing_ok=True)
    on(page.get_by_role("link", name=re.compile(r"^\d+ may be wrong labels$")))
    fixed = review_by_keys(page, wrong, fixes)
    on(page.get_by_role("link", name=f"Review {fixes} fixes"))
    expect(page.get_by_text(f"{fixes} images with other labels")).to_be_visible()
    page.keyboard.press("w")  # what would it bring?
    expect(page.get_by_text("It is the probe's effect")).to_be_visible(timeout=_LONG)
    expect(page.get_by_text(f"{fixes} validation images whose labels change are not counted above")).to_be_visible()
    on(page.get_by_role("button", name="Make it and retrain"))
    expect(page.get_by_text("efficientnet_lite0").first).to_be_attached()
    on(page.get_by_role("button", name="Start", exact=True))
    page.wait_for_url(lambda url: "/runs/" in url and wrong.run.id not in url, timeout=_LONG)
    assert on.clicks == _CLICKS
    retrained = Run(wrong.run.workspace, page.url.split("/runs/")[1].split("?")[0])
    versions = wrong.run.workspace.datasets.versions("clothing")
    labels = labels_of(Dataset.load(versions[-1]))
    before = labels_of(Dataset.load(versions[0]))
    assert {image: label for image, label in labels.items() if label != before[image]} == fixed
    assert retrained.folder.spec()["data_version"] == versions[-1].id
    if go is Keyboard:
        retrained.cancel()
    wait_for(lambda: retrained.get_status().is_at_rest, seconds=900)
    if go is Mouse:
        assert retrained.get_status() == "Completed"
        expect(page.get_by_role("region", name="verdict")).to_contain_text("Take trial 0")


def review_by_keys(page: Page, wrong: Wrong, fixes: int) -> dict[str, str]:
    """Look at photos whose label may be wrong, and decide by keys until some labels are fixed; returns these."""
    large, fixed = page.get_by_role("region", name="the image"), {}
    shown = large.locator("dd").nth(2)
    expect(shown).to_be_visible()
    while len(fixed) < fixes:
        image = shown.inner_text()
        guess = large.locator("dd").nth(1).inner_text().split(" (")[0]
        is_wrong = wrong.truth.get(image) == guess
        if is_wrong:
            fixed[image] = guess
        page.keyboard.press("l" if is_wrong else "m")
        if len(fixed) < fixes:
            expect(shown).not_to_have_text(image)
    expect(page.get_by_text(re.compile(f"{fixes} labels called wrong"))).to_be_visible()
    return fixed


def labels_of(dataset: Dataset) -> dict[str, str]:
    """The label of each image."""
    labels = (labels[0] for labels in dataset.table["labels"].to_pylist())
    return dict(zip(dataset.table["image"].to_pylist(), labels, strict=True))

"""Models, one model, and trying a photo, in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from automl_vision import Dataset, Workspace
from automl_vision.serving.command import predict_files
from colour_models import GOOD, write_colour_images, write_colour_model
from studio_browser import Complaints, served
from studio_site import StudioWorkspace

RUN = "colours-1"
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a studio with a champion and an equal challenger."""
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        workspace = Workspace(folder)
        (workspace.runs_path / RUN).mkdir()
        data = write_colour_images(tmp_path_factory.mktemp("data"))
        Dataset.open(data).save(workspace.runs_path / RUN / "manifest.parquet")
        for i in range(2):
            model = write_colour_model(folder / "made" / str(i), GOOD, card=f"# {MARKUP}\n", run=RUN)
            workspace.models.register(model, "colours", tags={"place": MARKUP})
        workspace.models.alias("colours", "champion", 1, why=MARKUP, action="promoted")
        with served([folder]) as address:
            yield address


@pytest.fixture
def shown(browser: Browser, colours: str) -> Iterator[Page]:
    """A page of that studio which must not complain, but of answers that refuse a form."""
    context = browser.new_context(base_url=colours, viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(20_000)
    expect.set_options(timeout=30_000)  # the first question about models loads MLflow
    page = context.new_page()
    complaints = Complaints(page, colours)
    complaints.expected = ["status of 422"]
    yield page
    context.close()
    assert not complaints.unexpected, complaints.unexpected


def focus_and_press(page: Page, name: str, key: str = "Enter", role: str = "button") -> None:
    """Walk to a control with the tab key alone, and press a key on it."""
    target = page.get_by_role(role, name=name, exact=True).first  # type: ignore[arg-type]
    expect(target).to_be_enabled()
    for _ in range(80):
        if target.evaluate("element => element === document.activeElement"):
            page.keyboard.press(key)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the tab key never reaches {name}")


def test_promote_and_roll_back_by_keyboard(shown: Page) -> None:
    shown.goto("models")
    expect(shown.get_by_role("link", name="colours:2")).to_be_visible()
    focus_and_press(shown, "colours:2", role="link")  # the first of three presses
    expect(shown.get_by_text("Yes: it may replace colours:1.")).to_be_visible(timeout=60_000)
    focus_and_press(shown, "Promote")
    expect(shown.get_by_role("dialog")).to_be_visible()
    shown.keyboard.type("as good, and newer")  # the field has the focus
    shown.keyboard.press("Enter")
    expect(shown.get_by_text("colours:2 is the champion.")).to_be_visible()
    focus_and_press(shown, "Roll back")  # the first of two
    expect(shown.get_by_role("dialog")).to_be_visible()
    focus_and_press(shown, "Roll back now")
    expect(shown.get_by_text("May it replace colours:1?")).to_be_visible()
    shown.get_by_role("tab", name="Log").click()
    expect(shown.get_by_role("cell", name="as good, and newer")).to_be_visible()


def test_markup_is_text(shown: Page) -> None:
    shown.goto("models/colours/1?tab=card")
    expect(shown.get_by_role("heading", name=MARKUP)).to_be_visible()
    shown.get_by_role("tab", name="Origin and use").click()
    expect(shown.get_by_text(MARKUP).first).to_be_visible()
    shown.get_by_role("tab", name="Log").click()
    expect(shown.get_by_role("cell", name=MARKUP)).to_be_visible()


def test_a_mistake_in_the_rule_is_at_its_field(shown: Page) -> None:
    shown.goto("models/colours/1?tab=rule")
    field = shown.get_by_label("margin", exact=True)
    field.fill("-1")
    with shown.expect_response("**/rule") as answer:
        shown.get_by_role("button", name="Keep this rule").click()
    assert answer.value.status == 422
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(shown.get_by_text(re.compile("margin: .*greater than or equal to 0"))).to_be_visible()


def test_a_dropped_photo_gets_the_answer_of_the_command(page: Page, studio_workspace: StudioWorkspace) -> None:
    photo = sorted(studio_workspace.photos.rglob("*.png"))[0]
    (line,) = predict_files(studio_workspace.run(studio_workspace.sweep).model_path, [photo])
    page.goto(f"try?model={studio_workspace.model}")
    expect(page.get_by_role("button", name="Choose a photo")).to_be_visible()
    drop(page, photo)
    expect(page.get_by_test_id("answer")).to_have_text(line["label"])
    for label, prob in zip(line["labels"], line["probs"], strict=True):
        row = page.get_by_role("list", name="probabilities").get_by_role("listitem").filter(has_text=label)
        expect(row).to_contain_text(f"{100 * prob:.1f} %")
    page.get_by_text("JSON answer").click()
    shown = json.loads(page.locator("pre").last.inner_text())
    assert (shown["probs"], shown["labels"]) == (line["probs"], line["labels"])


def drop(page: Page, file: Path) -> None:
    """Drop a file onto the page's place for photos."""
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "photo.png", { type: "image/png" }));
            return transfer;
        }""",
        list(file.read_bytes()),
    )
    page.get_by_role("group", name="photo").dispatch_event("drop", {"dataTransfer": transfer})

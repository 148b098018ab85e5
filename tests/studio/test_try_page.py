"""Photos that are tried: pasted, seen by a camera, and with the masks of what is found in them drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Workspace
from automl_vision.serving.command import predict_files
from conftest import SMALL_DETECTORS, small_detector, write_objects
from runs_here import work_here
from studio_browser import page_at, served
from studio_site import StudioWorkspace

_FIRST = 60_000  # milliseconds; the registry may have to be opened


def test_a_pasted_photo_is_tried(browser: Browser, studio_address: str, studio_workspace: StudioWorkspace) -> None:
    photo = sorted(studio_workspace.photos.rglob("*.png"))[0]
    (line,) = predict_files(studio_workspace.run(studio_workspace.sweep).model_path, [photo])
    with page_at(browser, studio_address) as page:
        page.goto(f"try?model={studio_workspace.model}")
        expect(page.get_by_role("button", name="Choose a photo")).to_be_visible(timeout=_FIRST)
        page.evaluate(
            """async bytes => {
                const image = new Blob([new Uint8Array(bytes)], { type: "image/png" });
                await navigator.clipboard.write([new ClipboardItem({ "image/png": image })]);
            }""",
            list(photo.read_bytes()),
        )
        page.keyboard.press("Control+V")
        expect(page.get_by_test_id("answer")).to_have_text(line["label"])
        expect(page.get_by_role("img", name="image.png")).to_be_visible()


def test_the_camera_is_predicted_until_it_is_stopped(
    browser: Browser, studio_address: str, studio_workspace: StudioWorkspace
) -> None:
    with page_at(browser, studio_address) as page:
        page.context.grant_permissions(["camera"])
        page.goto(f"try?model={studio_workspace.model}")
        page.get_by_role("button", name="Use the camera").click(timeout=_FIRST)
        expect(page.get_by_text(re.compile(r"^\d+\.\d images/s$"))).to_be_visible()
        frame = page.get_by_role("img", name="camera")
        first = frame.get_attribute("src")
        expect(frame).not_to_have_attribute("src", first or "")  # the next one
        page.get_by_role("button", name="Stop the camera").click()
        expect(page.get_by_role("button", name="Use the camera")).to_be_visible()
        expect(page.get_by_test_id("answer")).to_have_text(re.compile("circle|cross|square"))
        expect(page.get_by_role("button", name="Send to the queue")).to_be_visible()  # the last frame can be kept
        assert page.evaluate("document.querySelector('video').srcObject?.active ?? false") is False


@pytest.mark.slow
def test_masks_are_drawn_over_the_photo(browser: Browser, tmp_path: Path) -> None:
    task = "image-instance-segmentation"
    data = write_objects(tmp_path / "masks", masks=True)
    workspace = Workspace(tmp_path / "workspace")
    version = workspace.datasets.register(Dataset.open(data, task=task), "masks", split_ratio=0.3)
    arguments = small_detector(task, SMALL_DETECTORS[task], number_of_epochs=6, learning_rate=0.02)
    config = AutoMLVisionConfig(
        task=task,
        training_data=str(version),
        model_name=SMALL_DETECTORS[task],
        arguments=arguments.model_dump(exclude_unset=True),
    )
    run = work_here(Experiment(workspace, "masks"), config)
    assert run.get_status() == "Completed", run.get_details()
    photos = sorted((tmp_path / "masks").glob("*.png"))
    lines = list(predict_files(run.model_path, photos))
    photo, line = max(zip(photos, lines, strict=True), key=lambda pair: len(pair[1]["boxes"]))
    assert line["boxes"], "the model finds nothing in any photo"
    with served([workspace.path]) as address, page_at(browser, address) as page:
        page.goto(f"try?model={run.id}")
        page.get_by_label("photo file").set_input_files(photo)
        picture = page.get_by_role("img", name=photo.name).locator("xpath=..")
        expect(picture.locator("polygon").first).to_be_visible()
        outlines = sum(len(box["polygon"]) for box in line["boxes"])
        expect(picture.locator("polygon")).to_have_count(outlines)
        corners = line["boxes"][0]["polygon"][0]
        points = picture.locator("polygon").first.get_attribute("points") or ""
        width, height = (int(side) for side in picture.locator("svg").get_attribute("viewBox").split()[2:])
        drawn = [float(value) for value in re.split(r"[ ,]+", points.strip())]
        assert drawn == pytest.approx(
            [value * (height if i % 2 else width) for i, value in enumerate(corners)], abs=0.1
        )

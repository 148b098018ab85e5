"""Several people label the same images on the real Label Studio; how far they agree, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_vision import Dataset, Workspace
from automl_vision.data.object import Object
from automl_vision.formats.tools.label_studio_results import label_results, object_results
from automl_vision.labeling.project import LabelingProject
from automl_vision.web.label_studio import LabelStudio
from command_line import run_command
from conftest import draw_shapes
from label_studio_server import LabelStudioServer, signed_up, token_of

pytestmark = pytest.mark.slow
SIZE = (48, 40)  # pixels
IMAGES = 14
PEOPLE = ("ada", "bob", "cyd")


class Person:
    """Somebody with an account of their own, who labels over the API as the editor does.

    Args:
        connection: with this person's token.
        project: number of the project there.
    """

    def __init__(self, connection: LabelStudio, project: int) -> None:
        self._connection = connection
        tasks = connection.pages("/api/tasks/", project=project, fields="all", include="id,data")
        self._task = {Path(task["data"]["reference"]).stem: task["id"] for task in tasks}

    def submit(self, image: int, results: list[dict[str, Any]]) -> None:
        self._connection.send("POST", f"/api/tasks/{self._task[f'{image:02}']}/annotations/", {"result": results})

    def skip(self, image: int) -> None:
        body = {"result": [], "was_cancelled": True}
        self._connection.send("POST", f"/api/tasks/{self._task[f'{image:02}']}/annotations/", body)

    def begin(self, image: int, results: list[dict[str, Any]]) -> None:
        body = {"result": results, "lead_time": 1.0}
        self._connection.send("POST", f"/api/tasks/{self._task[f'{image:02}']}/drafts", body)


class Labelling:
    """Makes projects of drawn images that nobody has labelled, with three people."""

    def __init__(self, server: LabelStudioServer, tokens: Sequence[str], place: Path) -> None:
        self._server, self._tokens, self.workspace = server, tokens, Workspace(place / "workspace")
        self._open = ExitStack()

    def start(self, name: str, task: str, classes: Sequence[str]) -> tuple[LabelingProject, list[Person]]:
        """A project, and the people who label in it."""
        photos = self._server.files / name
        photos.mkdir(parents=True)
        for number in range(IMAGES):
            draw_shapes(("circle",), 500 + number, size=SIZE).save(photos / f"{number:02}.png")
        project, pushed = LabelingProject.create(
            name, images=photos, classes=classes, task=task, files=self._server.files, server=self._server.url,
            token=self._server.token, people=len(PEOPLE), workspace=self.workspace,
        )  # fmt: skip
        assert (pushed.tasks, pushed.problems) == (IMAGES, {})
        number = project.record.number or 0
        connections = [self._open.enter_context(LabelStudio(self._server.url, token)) for token in self._tokens]
        return project, [Person(connection, number) for connection in connections]

    def close(self) -> None:
        self._open.close()

    def tell(self, command: str, name: str) -> tuple[dict[str, Any], str]:
        """What a command says as JSON, and to people."""
        texts = [
            run_command("label", command, name, *more, "--workspace", self.workspace.path) for more in (["--json"], [])
        ]
        assert [text.returncode for text in texts] == [0, 0], texts[0].stderr
        return json.loads(texts[0].stdout), texts[1].stdout


@pytest.fixture(scope="module")
def tokens(real: LabelStudioServer) -> list[str]:
    """One per person; the last one's is a personal one."""
    found = []
    for name in PEOPLE:
        with signed_up(real, f"{name}@example.com") as browser:
            found.append(token_of(browser, personal=name == PEOPLE[-1]))
    return found


@pytest.fixture
def labelling(
    real: LabelStudioServer, tokens: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Labelling]:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", real.token)
    made = Labelling(real, tokens, tmp_path)
    yield made
    made.close()


def test_classes_that_people_choose(labelling: Labelling) -> None:
    project, (ada, bob, cyd) = labelling.start("chosen", "image-classification", ("cat", "dog"))
    cat, dog = label_results(["cat"]), label_results(["dog"])
    for person in (ada, bob, cyd):
        person.submit(0, cat)
    for person, choice in ((ada, dog), (bob, dog), (cyd, cat)):
        person.submit(1, choice)
    ada.submit(2, cat)
    bob.submit(2, dog)  # as often: the newest
    ada.begin(3, dog)
    bob.skip(4)
    ada.skip(5)
    bob.submit(5, dog)
    for number in range(6, 12):
        ada.submit(number, (cat, dog)[number % 2])

    status, text = labelling.tell("status", project.name)
    assert {name: status[name] for name in ("tasks", "submitted", "drafts", "skipped", "unpulled", "disputed")} == {
        "tasks": IMAGES, "submitted": 10, "drafts": 1, "skipped": 1, "unpulled": 10, "disputed": 2,
    }  # fmt: skip
    assert status["agreement"]["people"] == [f"{name}@example.com" for name in PEOPLE]
    assert status["agreement"]["images"] == 3
    # ada and bob: 2 of 3 alike, 4/9 by chance; each of them and cyd: 1 of 2 alike, 1/2 by chance
    assert status["agreement"]["kappa"] == pytest.approx((3 * 0.4 + 2 * 0 + 2 * 0) / 7)
    assert "3 images were labelled by several of 3 people; kappa 0.17; 2 images are disputed" in text

    pulled, text = labelling.tell("pull", project.name)
    assert (pulled["version"], pulled["added"], pulled["problems"]) == ("chosen:1", 10, {})
    assert "chosen:1 has all labels already" in text, "the second pull brought nothing"
    labels = {
        Path(image.reference).stem: image.labels for image in Dataset.load(labelling.workspace.datasets.get("chosen"))
    }
    assert {name: labels[name] for name in ("00", "01", "02", "05")} == {
        "00": ("cat",), "01": ("dog",), "02": ("dog",), "05": ("dog",),
    }  # fmt: skip
    assert not labels.keys() & {"03", "04", "12", "13"}, "what was only begun or skipped changes nothing"

    cyd.submit(2, cat)  # now two of three
    ada.submit(3, dog)  # the draft is submitted
    pulled, _ = labelling.tell("pull", project.name)
    second = Dataset.load(labelling.workspace.datasets.get("chosen:2"))
    assert pulled["status"]["drafts"] == 0
    assert {Path(image.reference).stem: image.labels for image in second}.items() >= {
        ("02", ("cat",)), ("03", ("dog",)),
    }  # fmt: skip


def test_boxes_that_people_draw(labelling: Labelling) -> None:
    project, (ada, bob, cyd) = labelling.start("drawn", "image-object-detection", ("cat", "dog"))

    def boxes(*drawn: tuple[str, float, float]) -> list[dict[str, Any]]:
        """Boxes by class, left side and width, all from 8 to 28 pixels down."""
        return object_results([Object(name, (x, 8.0, x + width, 28.0)) for name, x, width in drawn], "boxes", SIZE)

    ada.submit(0, boxes(("cat", 4, 16)))
    bob.submit(0, boxes(("cat", 6, 16)))  # overlaps by 14 of 18
    cyd.submit(0, boxes(("cat", 5, 16)))  # in the middle: by 15 of 17 with both
    ada.submit(1, boxes(("cat", 4, 16), ("dog", 30, 12)))
    bob.submit(1, boxes(("cat", 4, 16)))
    cyd.submit(1, boxes(("cat", 4, 16), ("dog", 10, 12)))  # each dog was drawn by one of three
    ada.begin(2, boxes(("cat", 4, 16)))
    bob.skip(3)
    ada.submit(4, [])  # nothing is there
    for number in range(5, 12):
        bob.submit(number, boxes(("dog", 2 * number, 20)))

    status, text = labelling.tell("status", project.name)
    assert {name: status[name] for name in ("tasks", "submitted", "drafts", "skipped", "unpulled", "disputed")} == {
        "tasks": IMAGES, "submitted": 10, "drafts": 1, "skipped": 1, "unpulled": 10, "disputed": 1,
    }  # fmt: skip
    agreement = status["agreement"]
    assert (agreement["people"], agreement["images"]) == ([f"{name}@example.com" for name in PEOPLE], 2)
    assert agreement["mean_iou"] == pytest.approx(np.mean([14 / 18, 15 / 17, 15 / 17, 1, 1, 1]), abs=1e-4)
    assert agreement["share_found"] == pytest.approx(2 * 6 / (3 * 2 + 3 + 4 + 3)), "of each pair's boxes"
    assert "with a mean IoU of 0.92; 1 images are disputed" in text

    pulled, _ = labelling.tell("pull", project.name)
    assert (pulled["version"], pulled["added"], pulled["problems"]) == ("drawn:1", 10, {})
    first = Dataset.load(labelling.workspace.datasets.get("drawn"))
    found = {Path(image.reference).stem: image.objects for image in first}
    (middle,) = found["00"]
    assert middle.label == "cat" and middle.bbox == pytest.approx((5, 8, 21, 28), abs=0.01)
    assert [(each.label, round(each.bbox[0])) for each in found["01"]] == [("cat", 4)]
    assert found["04"] == () and len(found["05"]) == 1
    assert not found.keys() & {"02", "03", "12", "13"}

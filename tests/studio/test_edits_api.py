"""Edits of labels over the API: proposed, reviewed, taken back, and made into a version that says what changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from automl_vision import Dataset, Workspace
from automl_vision.studio.app import create_app
from conftest import write_objects, write_shape_folders

API = "/api/v1/datasets"
WHO = {"author": "Ada", "reason": "looked at it"}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("edited")
    workspace = Workspace(root / "workspace")
    for name in ("shapes", "others"):
        data = Dataset.open(write_shape_folders(root / "shapes", per_class=4))
        workspace.datasets.register(data, name, split_ratio=0.3)
    for name in ("boxes", "crates"):
        workspace.datasets.register(Dataset.open(write_objects(root / "boxes", images=12)), name, split_ratio=0.3)
    masks = Dataset.open(write_objects(root / "masks", images=12, masks=True))
    workspace.datasets.register(masks, "masks", split_ratio=0.3)
    return workspace


@pytest.fixture(scope="module")
def studio(space: Workspace) -> Iterator[TestClient]:
    with TestClient(create_app([space]), base_url="http://127.0.0.1") as client:
        client.headers["X-Studio"] = "1"
        yield client


def sent(studio: TestClient, address: str, body: dict[str, Any], status: int = 201) -> Any:
    answer = studio.post(f"{API}/{address}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def with_objects(space: Workspace, name: str, least: int) -> tuple[int, str]:
    """The row and the path of an image with some objects."""
    dataset = Dataset.load(space.datasets.get(name, 1))
    row = next(row for row in range(len(dataset)) if len(dataset[row].objects) >= least)
    return row, dataset[row].reference


def test_boxes_are_edited_reviewed_and_made_into_a_version(studio: TestClient, space: Workspace) -> None:
    row, image = with_objects(space, "boxes", 2)
    changes = [
        {"action": "delete", "image": image, "object": 0},
        {"action": "move", "image": image, "object": 1, "bbox": [1, 2, 30, 40]},
        {"action": "draw", "image": image, "labels": ["square"], "bbox": [-4, 3, 20, 25.5]},
    ]
    (made,) = sent(studio, "boxes/versions/1/edits", {"changes": changes, **WHO})
    before, after = ({found["key"]: found for found in made[side]["objects"]} for side in ("before", "after"))
    ids = [edit["id"] for edit in made["edits"]]
    assert (made["row"], 0 in after, after[1]["box"], after[ids[2]]["box"]) == (
        row,
        False,
        [1, 2, 30, 40],
        [0, 3, 20, 25.5],
    )
    assert [edit["what"] for edit in made["edits"]] == [
        f"deleted {before[0]['label']}", f"moved {before[1]['label']}", "drew square",
    ]  # fmt: skip
    assert studio.get(f"{API}/boxes/versions/1/edits/image", params={"row": row}).json() == made
    assert studio.get(f"{API}/boxes/versions/1/edits/image", params={"image": image}).json() == made
    undone = sent(studio, f"boxes/versions/1/edits/{ids[1]}/undo", {"author": "Ada"}, 200)
    assert undone == {"edits": [ids[1]]}
    review = {"edits": [ids[0], ids[2]], "verdict": "accepted", "reviewer": "Eve"}
    assert sent(studio, "boxes/versions/1/edits/reviews", review, 200) == {"open": 0, "accepted": 2, "rejected": 0}
    draft = studio.get(f"{API}/boxes/versions/1/edits").json()
    assert (draft["newest"], draft["kind"], draft["accepted"], draft["images"]["total"]) == (
        1,
        "boxes",
        [ids[0], ids[2]],
        1,
    )
    made = sent(studio, "boxes/versions/1/edits/version", {"edits": draft["accepted"], **WHO})
    assert (made["id"], made["edits"], made["waiting"], made["changes"]["relabelled"]) == ("boxes:2", 2, 0, 1)
    new = Dataset.load(space.datasets.get("boxes", 2))
    assert new[row].objects[-1].bbox == (0, 3, 20, 25.5)
    behind = studio.get(f"{API}/boxes/versions/2/edits/made").json()
    assert (behind["parent"], [edit["reviewer"] for edit in behind["images"]["items"][0]["edits"]]) == (
        "boxes:1",
        ["Eve"] * 2,
    )
    back = sent(studio, "boxes/versions/2/edits/take-back", {"edits": [ids[0]]})
    assert (back["id"], len(Dataset.load(space.datasets.get("boxes", 3))[row].objects)) == ("boxes:3", len(before) + 1)
    assert studio.get(f"{API}/boxes/versions/1/edits/made").json()["parent"] == ""


def test_labels_and_exclusions_are_counted_before_they_are_made(studio: TestClient, space: Workspace) -> None:
    dataset = Dataset.load(space.datasets.get("shapes", 1))
    other = next(name for name in dataset.classes if name not in dataset[0].labels)
    rows = [0, next(row for row in range(len(dataset)) if row and dataset.splits[row] == "train")]
    changes = [
        {"action": "relabel", "image": dataset[0].reference, "labels": [other]},
        {"action": "exclude", "image": dataset[rows[1]].reference},
    ]
    made = sent(studio, "shapes/versions/1/edits", {"changes": changes, **WHO})
    assert [one["after"]["labels"] == [other] for one in made] == [True, False]
    draft = studio.get(f"{API}/shapes/versions/1/edits", params={"limit": 1}).json()
    assert (draft["images"]["next"], draft["verdicts"]["open"], draft["accepted"]) == (1, 2, [])
    assert studio.get(f"{API}/shapes/versions/1/edits/preview").json()["relabelled"] == 0
    sent(
        studio,
        "shapes/versions/1/edits/reviews",
        {"edits": draft["open"], "verdict": "accepted", "reviewer": "Eve"},
        200,
    )
    counts = studio.get(f"{API}/shapes/versions/1/edits/preview").json()
    assert (counts["left_out"], counts["relabelled"]) == (1, 1)
    assert counts["by_class"][other]["after"] == counts["by_class"][other]["before"] + (
        other not in dataset[rows[1]].labels
    )


def test_an_object_of_a_mask_gets_another_class(studio: TestClient, space: Workspace) -> None:
    row, image = with_objects(space, "masks", 1)
    label = next(
        name
        for name in ("square", "triangle")
        if name != Dataset.load(space.datasets.get("masks"))[row].objects[0].label
    )
    (made,) = sent(studio, "masks/versions/1/edits", {
        "changes": [{"action": "relabel", "image": image, "object": 0, "labels": [label]}], **WHO,
    })  # fmt: skip
    assert (made["after"]["objects"][0]["label"], len(made["after"]["objects"][0]["polygons"])) == (label, 1)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"action": "exclude", "image": "7.pgn"}, 400, 'no image "7.pgn". Did you mean "7.png"'),
        ({"action": "draw", "labels": ["squar"], "bbox": [1, 1, 9, 9]}, 400, 'no class "squar". Did you mean "square"'),
        ({"action": "draw", "labels": ["square"], "bbox": [500, 1, 600, 9]}, 400, "lies in the image of"),
        ({"action": "move", "object": 99, "bbox": [1, 1, 9, 9]}, 400, "has no object 99"),
        ({"action": "move", "object": 0, "bbox": [1, 1, 9, 9]}, 409, "may be deleted already"),
        ({"action": "relabel", "labels": ["square"]}, 400, "labels objects"),
        ({"action": "move", "object": 1, "bbox": [1, 1, 9]}, 422, "bbox"),
        ({"action": "paint"}, 422, "action"),
    ],
)
def test_edits_that_cannot_be_are_refused_in_a_sentence(
    studio: TestClient, space: Workspace, change: dict[str, Any], status: int, said: str
) -> None:
    _, image = with_objects(space, "crates", 2)
    if not studio.get(f"{API}/crates/versions/1/edits").json()["open"]:
        sent(studio, "crates/versions/1/edits", {"changes": [{"action": "delete", "image": image, "object": 0}], **WHO})
    answer = sent(studio, "crates/versions/1/edits", {"changes": [{"image": image, **change}], **WHO}, status)
    assert said in answer["detail"]
    assert len(studio.get(f"{API}/crates/versions/1/edits").json()["open"]) == 1


def test_the_second_of_two_people_is_told_what_the_first_did(studio: TestClient, space: Workspace) -> None:
    image = Dataset.load(space.datasets.get("others", 1))[0].reference
    address = "others/versions/1/edits"
    (made,) = sent(studio, address, {"changes": [{"action": "exclude", "image": image}], **WHO})
    edit = made["edits"][0]["id"]
    nothing = sent(studio, f"{address}/version", {"edits": [], "author": "Ada"}, 400)
    assert "review them first" in nothing["detail"]
    sent(studio, f"{address}/reviews", {"edits": [edit], "verdict": "accepted", "reviewer": "Eve"}, 200)
    stale = sent(studio, f"{address}/version", {"edits": [], "author": "Ada"}, 409)
    assert "are accepted by now than those that were shown" in stale["detail"]
    sent(studio, f"{address}/version", {"edits": [edit], "author": "Eve"})
    late = sent(studio, f"{address}/version", {"edits": [edit], "author": "Ada"}, 409)
    assert late["detail"] == "Eve has made others:2 with these edits meanwhile"
    assert "others:2" in sent(studio, f"{address}/{edit}/undo", {"author": "Ada"}, 409)["detail"]


@pytest.mark.parametrize("missing", ["author", "reason"])
def test_an_edit_says_who_and_why(studio: TestClient, missing: str) -> None:
    body = {"changes": [{"action": "exclude", "image": "0.png"}], **WHO, missing: "  "}
    assert missing in sent(studio, "boxes/versions/1/edits", body, 422)["detail"]


def test_edits_of_what_is_not_there_are_not_found(studio: TestClient) -> None:
    for address in ("nothing/versions/1/edits", "boxes/versions/9/edits", "boxes/versions/1/edits/image?row=99"):
        assert studio.get(f"{API}/{address}").status_code == 404

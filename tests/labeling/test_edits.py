"""People change labels: each change has an author and a reason, is reviewed, can be taken back, and makes a version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from automl_vision.core.errors import ConflictError, DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.manifest import with_column
from automl_vision.labeling.edit_log import LabelEdits, edits_behind, undo_edits
from automl_vision.labeling.edits import Change, LabelEdit, find_rows
from automl_vision.workspace.workspace import Workspace
from conftest import write_multi_label_csv, write_objects


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def _edits(workspace: Workspace, data: Dataset, name: str = "shapes") -> LabelEdits:
    return LabelEdits(workspace.datasets, workspace.datasets.register(data, name).id)


def test_accepted_edits_make_the_next_version_with_author_and_reason(workspace: Workspace, shapes: Dataset) -> None:
    edits = _edits(workspace, shapes)
    images = edits.dataset.table["image"].to_pylist()
    other = next(name for name in shapes.classes if name != edits.dataset[0].labels[0])
    first = edits.add(Change(action="relabel", image=images[0], labels=(other,)), reason="wrong folder", author="Ada")
    left = edits.add(Change(action="exclude", image=images[1]), reason="blurred", author="Bob")
    open_ = edits.add(Change(action="exclude", image=images[2]), reason="doubtful", author="Bob")
    with pytest.raises(DataError, match="none of 3 edits of shapes:1 is accepted"):
        edits.make_version()
    for edit in (first, left):
        edits.review(edit.id, "accepted", reviewer="Eve")
    made = edits.make_version()
    new = Dataset.load(made.manifest)
    assert (made.id, made.parent, made.description) == ("shapes:2", "shapes:1", "wrong folder; blurred")
    assert new[0].labels == (other,) and [new.splits[row] == "left_out" for row in (1, 2)] == [True, False]
    assert [note.reason for note in new.report.notes if note.kind == "edited label"] == [
        f"relabelled from {edits.dataset[0].labels[0]} to {other}, by Ada: wrong folder", "excluded, by Bob: blurred",
    ]  # fmt: skip
    assert [(edit.author, edit.reviewer) for edit in edits_behind(made)] == [("Ada", "Eve"), ("Bob", "Eve")]
    assert edits.standing() == []
    assert [edit.id for edit in LabelEdits(workspace.datasets, made.id).standing()] == [open_.id]


def test_edits_of_a_version_are_taken_back_all_or_some(workspace: Workspace, shapes: Dataset) -> None:
    edits = _edits(workspace, shapes)
    images = edits.dataset.table["image"].to_pylist()
    made = []
    for image in images[:2]:
        made.append(edits.add(Change(action="exclude", image=image), reason="blurred"))
        edits.review(made[-1].id, "accepted")
    edits.make_version()
    partly = undo_edits(workspace.datasets, "shapes:2", [made[0].id])
    excluded = np.flatnonzero(Dataset.load(partly.manifest).splits == "left_out").tolist()
    assert (partly.id, excluded) == ("shapes:3", [1])
    assert undo_edits(workspace.datasets, "shapes:2").id == "shapes:1"
    with pytest.raises(DataError, match="shapes:1 was not made by edits"):
        undo_edits(workspace.datasets, "shapes:1")


@pytest.fixture
def boxes(tmp_path: Path) -> Dataset:
    return Dataset.open(write_objects(tmp_path / "boxes")).with_validation(0.25)


def test_boxes_are_drawn_moved_relabelled_and_deleted(workspace: Workspace, boxes: Dataset) -> None:
    edits = _edits(workspace, boxes)
    row = next(row for row in range(len(boxes)) if len(boxes[row].objects) >= 3)
    before, image = edits.dataset[row], edits.dataset[row].reference
    changes = [
        Change(action="delete", image=image, object=0),
        Change(action="relabel", image=image, object=1, labels=("square",)),
        Change(action="move", image=image, object=2, bbox=(1, 2, 30, 40)),
        Change(action="draw", image=image, labels=("triangle",), bbox=(-5, 3, 20, 25.5)),
    ]
    added = [edits.add(change, reason="looked at it") for change in changes]
    edits.add(Change(action="move", image=image, object=added[-1].id, bbox=(4, 4, 22, 26)), reason="closer")
    found = edits.preview()[row].objects
    assert [(value.label, value.bbox) for value in found[:3]] == [
        ("square", before.objects[1].bbox), (before.objects[2].label, (1, 2, 30, 40)), ("triangle", (4, 4, 22, 26)),
    ]  # fmt: skip
    assert len(found) == len(before.objects)
    assert len(edits.undo(added[-1].id)) == 2  # the box that was drawn, and its move
    assert len(edits.preview()[row].objects) == len(before.objects) - 1
    other = (row + 1) % len(boxes)
    assert edits.preview()[other].objects == boxes[other].objects
    with pytest.raises(DataError, match="may be deleted already"):
        edits.add(Change(action="move", image=image, object=0, bbox=(1, 1, 9, 9)), reason="again")


def test_a_mask_is_drawn_by_its_polygon(workspace: Workspace, tmp_path: Path) -> None:
    edits = _edits(workspace, Dataset.open(write_objects(tmp_path / "masks", masks=True)))
    image = edits.dataset.table["image"][1].as_py()
    change = Change(action="draw", image=image, labels=("square",), polygon=(5, 5, 30, 5, 30, 40, 5, 40))
    edits.add(change, reason="overlooked")
    drawn = edits.preview()[1].objects[-1]
    assert (drawn.bbox, len(drawn.segments), len(drawn.segments[0])) == ((5, 5, 30, 40), 1, 8)
    with pytest.raises(DataError, match="needs a polygon of at least 3 points"):
        edits.add(Change(action="draw", image=image, labels=("square",), bbox=(5, 5, 9, 9)), reason="overlooked")


def test_several_labels_may_be_taken_away(workspace: Workspace, tmp_path: Path) -> None:
    edits = _edits(workspace, Dataset.open(write_multi_label_csv(tmp_path / "multi")))
    edits.add(Change(action="relabel", image=edits.dataset.table["image"][0].as_py()), reason="shows nothing")
    assert edits.preview()[0].labels == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "relabel", "image": "nowhere.png", "labels": ("circle",)}, 'has no image "nowhere.png"'),
        ({"action": "relabel", "labels": ("circl",)}, 'no class "circl". Did you mean "circle"'),
        ({"action": "relabel"}, "needs exactly 1 label, not 0"),
        ({"action": "draw", "labels": ("circle",), "bbox": (1, 1, 5, 5)}, "labels whole images"),
    ],
)
def test_changes_that_cannot_be_are_refused(workspace, shapes, change, message) -> None:
    edits = _edits(workspace, shapes)
    values = {"image": edits.dataset.table["image"][0].as_py(), **change}
    with pytest.raises(DataError, match=message):
        edits.add(Change(**values), reason="because")
    assert not edits.path.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "draw", "labels": ("square",), "bbox": (500, 1, 600, 5)}, "at least 1 pixel"),
        ({"action": "draw", "labels": ("square",)}, "needs a box"),
        ({"action": "delete"}, "needs the number of the object"),
        ({"action": "delete", "object": 99}, "has no object 99"),
        ({"action": "relabel", "labels": ("square",)}, "labels objects"),
    ],
)
def test_changes_of_boxes_that_cannot_be_are_refused(workspace, boxes, change, message) -> None:
    edits = _edits(workspace, boxes)
    with pytest.raises(DataError, match=message):
        edits.add(Change(image=edits.dataset.table["image"][1].as_py(), **change), reason="because")


def test_a_new_class_has_to_be_wanted_and_half_a_line_hides_no_edit(workspace: Workspace, shapes: Dataset) -> None:
    edits = _edits(workspace, shapes)
    change = Change(action="relabel", image=edits.dataset.table["image"][0].as_py(), labels=("star",))
    with pytest.raises(DataError, match="A new class has to be allowed"):
        edits.add(change, reason="it is a star")
    with pytest.raises(DataError, match="needs a reason"):
        edits.add(change, reason=" ", new_classes=True)
    edits.add(change, reason="it is a star", new_classes=True)
    edits.add(change, reason="it is a star")  # by now the class is known
    with edits.path.open("a", encoding="utf-8") as file:
        file.write('{"event": "edit", "id')
    assert LabelEdits(workspace.datasets, "shapes").preview().classes == (*shapes.classes, "star")


def test_edits_of_a_drawn_box_count_only_with_it(workspace: Workspace, boxes: Dataset) -> None:
    edits = _edits(workspace, boxes)
    image, label = edits.dataset.table["image"][0].as_py(), boxes.classes[0]
    before = len(edits.dataset[0].objects)
    drawn = edits.add(Change(action="draw", image=image, labels=(label,), bbox=(1, 1, 9, 9)), reason="missed")
    moved = edits.add(Change(action="move", image=image, object=drawn.id, bbox=(2, 2, 9, 9)), reason="too wide")
    assert len(edits.preview()[0].objects) == before + 1
    edits.review(moved.id, "accepted")
    edits.review(drawn.id, "rejected")
    assert len(edits.preview()[0].objects) == before
    edits.add(Change(action="exclude", image=image), reason="blurred")  # the draft can still be worked on
    with pytest.raises(DataError, match="none of 3 edits"):
        edits.make_version()
    edits.review(drawn.id, "accepted")
    assert len(Dataset.load(edits.make_version().manifest)[0].objects) == before + 1


def test_open_edits_go_on_with_the_version_that_others_make(workspace: Workspace, boxes: Dataset) -> None:
    edits = _edits(workspace, boxes)
    row = next(row for row in range(len(boxes)) if len(boxes[row].objects) >= 3)
    image, label = boxes[row].reference, boxes.classes[0]
    gone = edits.add(Change(action="delete", image=image, object=0), reason="not there", author="Ada")
    drawn = edits.add(Change(action="draw", image=image, labels=(label,), bbox=(1, 1, 9, 9)), reason="missed")
    edits.add(Change(action="move", image=image, object=1, bbox=(2, 2, 20, 20)), reason="too wide")
    edits.add(Change(action="move", image=image, object=drawn.id, bbox=(3, 3, 9, 9)), reason="too wide")
    edits.review_all([gone.id, drawn.id], "accepted")
    made = edits.make_version()
    further = LabelEdits(workspace.datasets, made.id)
    last = len(further.dataset[row].objects) - 1
    assert [(edit.object, edit.reason) for edit in further.standing()] == [(0, "too wide"), (last, "too wide")]
    assert [further.preview()[row].objects[at].bbox for at in (0, last)] == [(2, 2, 20, 20), (3, 3, 9, 9)]


def test_changes_that_belong_together_are_proposed_all_or_none(workspace: Workspace, boxes: Dataset) -> None:
    edits = _edits(workspace, boxes)
    image = next(image.reference for image in boxes if image.objects)
    changes = [
        Change(action="delete", image=image, object=0),
        Change(action="move", image=image, object=0, bbox=(1, 1, 9, 9)),
    ]
    with pytest.raises(ConflictError, match="may be deleted already"):
        edits.add_all(changes, reason="because")
    assert edits.standing() == []
    assert len(edits.add_all(changes[:1], reason="because")) == 1


def test_two_people_do_not_overrule_each_other(workspace: Workspace, shapes: Dataset) -> None:
    edits = _edits(workspace, shapes)
    images = shapes.table["image"].to_pylist()
    first, second, third = (
        edits.add(Change(action="exclude", image=image), reason="blurred").id for image in images[:3]
    )
    edits.undo(third, author="Bob")
    with pytest.raises(ConflictError, match=f'"{third}" of shapes:1 was taken back by Bob'):
        edits.review(third, "accepted")
    edits.review(first, "accepted")
    seen = [first]
    other = LabelEdits(workspace.datasets, "shapes:1")
    other.review(second, "accepted")
    with pytest.raises(ConflictError, match="other edits of shapes:1 are accepted by now"):
        edits.make_version(edit_ids=seen)
    other.make_version(author="Eve", edit_ids=[first, second])
    with pytest.raises(ConflictError, match="Eve has made shapes:2 with these edits meanwhile"):
        edits.make_version(edit_ids=[first, second])
    with pytest.raises(ConflictError, match="is in shapes:2 by now, which Eve made"):
        edits.undo(second)


def test_edits_that_come_to_nothing_make_no_version(workspace: Workspace, shapes: Dataset) -> None:
    edits = _edits(workspace, shapes)
    same = Change(action="relabel", image=shapes[0].reference, labels=shapes[0].labels)
    edits.review(edits.add(same, reason="looked at it").id, "accepted")
    with pytest.raises(DataError, match="come to nothing"):
        edits.make_version()


@pytest.mark.parametrize(
    ("image", "digest", "row"),
    [("a", "1", 0), ("b", "1", 1), ("gone", "1", 0), ("a", "2", 2), ("c", "9", 2), ("c", "", 2)],
)
def test_an_image_is_found_by_its_path_among_copies_else_by_its_contents(shapes, image, digest, row) -> None:
    table = shapes.table.slice(0, 3)
    for name, values in (("image", ["a", "b", "c"]), ("digest", ["1", "1", "2"])):
        table = with_column(table, name, pa.array(values))
    wanted = LabelEdit(action="exclude", image=image, id="x", digest=digest, time=0, author="", reason="")
    assert find_rows(replace(shapes, table=table), [wanted]) == [row]

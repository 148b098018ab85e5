"""What is written for Label Studio is read back as it was."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from automl_vision.core.tasks import TASKS
from automl_vision.data.annotations import Annotations
from automl_vision.data.masks import encode_mask
from automl_vision.data.object import Object
from automl_vision.formats.tools.label_studio_regions import contents_of
from automl_vision.formats.tools.label_studio_results import interface_of, label_results, object_results, with_classes

SIZE = (53, 37)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_a_mask_comes_back_to_the_pixel(share: float) -> None:
    mask = np.random.default_rng(0).random((SIZE[1], SIZE[0])) < share
    written = object_results([Object("cat", rle=encode_mask(mask).to_text())], "masks", SIZE)
    _, (read,), size = contents_of(json.loads(json.dumps(written)), "a", Annotations("masks", relative=True))
    assert (read.rle, size) == (encode_mask(mask).to_text(), SIZE)


def test_a_long_run_is_written_in_parts() -> None:
    """A run has at most 65,536 values, which are 16,384 pixels."""
    mask = np.zeros((300, 300), bool)
    mask[50:290, 1:] = True
    written = object_results([Object("cat", rle=encode_mask(mask).to_text())], "masks", (300, 300))
    _, (read,), _ = contents_of(written, "a", Annotations("masks", relative=True))
    assert read.rle == encode_mask(mask).to_text()


def test_boxes_polygons_and_marks_come_back() -> None:
    box = Object("a & b", (1.25, 2.5, 50.1, 36.9), difficult=True)
    polygon = Object("cat", segments=((1.1, 2.2, 30.3, 4.4, 5.5, 36.6),), iscrowd=True)
    (found,) = contents_of(object_results([box], "boxes", SIZE, [0.7]), "a", Annotations("boxes", relative=True))[1]
    assert np.multiply(found.bbox, SIZE * 2) == pytest.approx(box.bbox, abs=1e-9)
    assert (found.label, found.difficult, found.iscrowd) == ("a & b", True, False)
    (found,) = contents_of(object_results([polygon], "masks", SIZE), "a", Annotations("masks", relative=True))[1]
    assert np.multiply(found.segments[0], SIZE * 3) == pytest.approx(polygon.segments[0], abs=1e-9)
    assert (found.iscrowd, found.difficult) == (True, False)


@pytest.mark.parametrize("task", TASKS)
def test_the_interface_has_the_classes(task: str) -> None:
    classes = ("a & b", 'c "d"', *map(str, range(20)))
    root = ElementTree.fromstring(interface_of(task, classes, hint="reason"))
    names = [tag.get("value") for tag in root.iter() if tag.tag in ("Choice", "Label")]
    assert tuple(dict.fromkeys(names)) == classes
    assert root.find("Image").get("value") == "$image"  # type: ignore[union-attr]
    assert root.find("Header").get("value") == "$reason"  # type: ignore[union-attr]
    assert root.findall("Filter")


@pytest.mark.parametrize("task", TASKS)
def test_an_interface_gets_new_classes_and_keeps_what_people_made_of_it(task: str) -> None:
    made = interface_of(task, ("a & b", "cat")).replace("<View>", '<View><!-- ours --><Text name="t" value="$reason"/>')
    assert with_classes(made, ("cat",)) == made, "a class that is gone stays"
    changed = ElementTree.fromstring(with_classes(made, ("cat", "a & b", "dog")))
    assert [each.get("name") for each in changed.iter("Text")] == ["t"]
    for control in changed:
        names = [each.get("value") for each in control]
        assert names in ([], ["a & b", "cat", "dog"])
    assert [tag.get("value") for tag in changed.iter() if tag.tag in ("Choice", "Label")].count("dog") >= 1
    assert with_classes("<View/>", ("cat",)) == "<View/>", "people chose controls of their own"
    with pytest.raises(ValueError, match="is not XML"):
        with_classes("<View>", ("cat",))


def test_what_no_region_can_be_is_refused() -> None:
    assert label_results(()) == []
    with pytest.raises(ValueError, match="not 2 polygons"):
        object_results([Object("cat", segments=((0.0,) * 6, (1.0,) * 6))], "masks", SIZE)
    with pytest.raises(ValueError, match="a box is needed"):
        object_results([Object("cat")], "boxes", SIZE)

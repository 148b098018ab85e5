"""What is written for Label Studio: the interface of a task, and labels as results with regions in percent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import ParseError, SubElement, indent, tostring
from xml.sax.saxutils import quoteattr

import defusedxml.ElementTree
import numpy as np
from defusedxml import DefusedXmlException
from numpy.typing import NDArray

from automl_vision.core.tasks import TASKS, Kind
from automl_vision.data.drawing import class_colours
from automl_vision.data.masks import MaskCode
from automl_vision.data.object import Object

IMAGE = "image"
"""Name of the image in the interface, and of its address in the data of a task."""

FLAGS = ("iscrowd", "difficult")
"""Of an object; they travel as the text of a region's `meta`, which the editor keeps."""

_CHOICE, _BOX, _POLYGON, _BRUSH = "choice", "box", "polygon", "brush"
_CONTROLS = {
    ("Choices", _CHOICE): "Choice", ("RectangleLabels", _BOX): "Label", ("PolygonLabels", _POLYGON): "Label",
    ("BrushLabels", _BRUSH): "Label",
}  # fmt: skip
"""By tag and name, what the control has one of per class."""

_FILTER_FROM = 12  # classes; more are hard to find without a filter
_WORD, _LENGTHS = 8, (3, 4, 8, 16)  # bits of a value and of the four kinds of runs, as the editor itself writes them


def interface_of(task: str, classes: Sequence[str], *, hint: str = "") -> str:
    """The labelling interface for a task, as Label Studio's XML.

    Args:
        task: its name.
        classes: that can be chosen.
        hint: key of the tasks' data whose text stands above the image; empty for none.
    """
    kind = TASKS[task].kind
    colours = _colours(classes)
    header = f'  <Header value="${hint}" size="5"/>\n' if hint else ""
    view = f'  <Image name="{IMAGE}" value="${IMAGE}" zoom="true" zoomControl="true" rotateControl="false"/>\n'
    if kind in ("label", "labels"):
        choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in classes)
        rule = 'choice="single" required="true"' if kind == "label" else 'choice="multiple"'
        control = f'  <Choices name="{_CHOICE}" toName="{IMAGE}" {rule} showInLine="true">\n{choices}  </Choices>\n'
        names = [_CHOICE]
    else:
        labels = "".join(
            f"    <Label value={quoteattr(name)} background={quoteattr(colours[name])}/>\n" for name in classes
        )
        tags = {_BOX: "RectangleLabels"} if kind == "boxes" else {_POLYGON: "PolygonLabels", _BRUSH: "BrushLabels"}
        control = "".join(
            f'  <{tag} name="{name}" toName="{IMAGE}">\n{labels}  </{tag}>\n' for name, tag in tags.items()
        )
        names = list(tags)
    filters = "".join(f'  <Filter name="find-{name}" toName="{name}" minlength="0"/>\n' for name in names)
    return f"<View>\n{header}{view}{filters if len(classes) >= _FILTER_FROM else ''}{control}</View>\n"


def with_classes(interface: str, classes: Sequence[str]) -> str:
    """A labelling interface in which all of some classes can be chosen.

    What it has stays, also classes that are not among these: people may have chosen them.

    Args:
        interface: made by `interface_of`, and perhaps changed by people since; where nothing lacks it is returned as
            it is.
        classes: that can be chosen afterwards; a new one has the colour of its position.

    Raises:
        ValueError: it is not XML.
    """
    try:
        root = defusedxml.ElementTree.fromstring(interface)
    except (ParseError, DefusedXmlException) as error:
        raise ValueError(f"the labelling interface is not XML ({error})") from None
    is_changed = False
    for control in root.iter():
        child = _CONTROLS.get((control.tag, control.get("name", "")))
        if child is None:
            continue
        known = {each.get("value") for each in control}
        for name, colour in _colours(classes).items():
            if name not in known:
                SubElement(control, child, {"value": name} | ({"background": colour} if child == "Label" else {}))
                is_changed = True
    if not is_changed:
        return interface
    indent(root)
    return f"{tostring(root, encoding='unicode')}\n"


def _colours(classes: Sequence[str]) -> dict[str, str]:
    """The colour of each class, as `#rrggbb`."""
    return {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in class_colours(classes).items()}


def label_results(labels: Sequence[str]) -> list[dict[str, Any]]:
    """The chosen classes of an image as results; none where nothing is chosen."""
    if not labels:
        return []
    value = {"choices": list(labels)}
    return [{"id": "r0", "from_name": _CHOICE, "to_name": IMAGE, "type": "choices", "value": value}]


def object_results(
    objects: Sequence[Object], kind: Kind, size: tuple[int, int], scores: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """The objects of an image as results: rectangles, or with masks polygons and brush strokes.

    Args:
        objects: in pixels; one whose mask is not a single polygon has a run-length code.
        kind: "boxes" or "masks".
        size: width and height in pixels.
        scores: of the objects, from 0 to 1; None for labels.

    Raises:
        ValueError: an object without box or mask, or of several polygons.
    """
    found = []
    for number, value in enumerate(objects):
        result = _region(number, value, kind, size)
        if scores is not None:
            result["score"] = float(scores[number])
        flags = [name for name in FLAGS if getattr(value, name)]
        found.append({**result, "meta": {"text": flags}} if flags else result)
    return found


def _frame(number: int, control: str, type_: str, size: tuple[int, int]) -> dict[str, Any]:
    """What all regions have."""
    return {
        "id": f"r{number}", "from_name": control, "to_name": IMAGE, "type": type_,
        "original_width": size[0], "original_height": size[1], "image_rotation": 0,
    }  # fmt: skip


def _region(number: int, value: Object, kind: Kind, size: tuple[int, int]) -> dict[str, Any]:
    width, height = size
    if kind == "boxes":
        if value.bbox is None:
            raise ValueError("a box is needed for a rectangle")
        x1, y1, x2, y2 = value.bbox
        place = {"x": 100 * x1 / width, "y": 100 * y1 / height}
        place |= {"width": 100 * (x2 - x1) / width, "height": 100 * (y2 - y1) / height, "rotation": 0}
        region = {**place, "rectanglelabels": [value.label]}
        return {**_frame(number, _BOX, "rectanglelabels", size), "value": region}
    if value.rle is not None:
        code = brush_code(MaskCode.from_text(value.rle).decode())
        region = {"format": "rle", "rle": code, "brushlabels": [value.label]}
        return {**_frame(number, _BRUSH, "brushlabels", size), "value": region}
    if len(value.segments) != 1:
        raise ValueError(f"a mask is one polygon or a run-length code, not {len(value.segments)} polygons")
    pairs = np.asarray(value.segments[0], np.float64).reshape(-1, 2) / (width, height) * 100
    region = {"points": pairs.tolist(), "closed": True, "polygonlabels": [value.label]}
    return {**_frame(number, _POLYGON, "polygonlabels", size), "value": region}


def brush_code(mask: NDArray[np.bool_]) -> list[int]:
    """A mask in Label Studio's run-length code of RGBA values, as bytes.

    Source: label-studio-converter, `brush.py` (`encode_rle`).

    Args:
        mask: (height, width).
    """
    flat = mask.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [len(flat)]])
    bits = [f"{4 * len(flat):032b}{_WORD - 1:05b}{''.join(f'{length - 1:04b}' for length in _LENGTHS)}"]
    for start, count in zip(edges[:-1].tolist(), np.diff(edges).tolist(), strict=True):
        bits += _runs(4 * count, 255 * int(flat[start]))
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _runs(count: int, value: int) -> Iterator[str]:
    """Bits of a run of equal values, in parts that fit the longest length."""
    most = 1 << _LENGTHS[-1]
    while count:
        part = min(count, most)
        kind = next(i for i, length in enumerate(_LENGTHS) if part <= 1 << length)
        yield f"1{kind:02b}{part - 1:0{_LENGTHS[kind]}b}{value:0{_WORD}b}"
        count -= part

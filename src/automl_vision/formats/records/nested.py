"""JSON whose records are nested: images with a list of objects each, whose boxes are mappings, pairs or points.

So are BDD100K's labels, the Tsinghua-Tencent 100K's, the Broad's malaria images, and many others of one author each: a
record is a mapping that names an image and holds a list of mappings of which one has a box.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automl_vision.data.image_names import is_image
from automl_vision.formats.records.objects import box_sides
from automl_vision.formats.records.vocabulary import IMAGE, OBJECT_LABEL, plain, usual
from automl_vision.formats.unsupported import foreign_document

_BOX_FIELDS = frozenset({"bbox", "box", "box2d", "boundingbox", "boundingrect", "rect", "rectangle", "bndbox"})
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_LOOKED_AT = 20  # records of a container
_MODE = "bbox_mode"  # of Detectron2, whose numbers it gives another meaning


class OtherShape(dict[str, Any]):
    """An object without a box, such as a line."""


def records_in(value: Any) -> list[Any] | None:
    """The records of a document: of a list, of a mapping by number or name, or of the only field that holds some."""
    if foreign_document(value):
        return None
    if (found := _records(value)) is not None or not isinstance(value, dict):
        return found
    inside = [found for field in value.values() if (found := _records(field)) is not None]
    return inside[0] if len(inside) == 1 else None


def _records(value: Any) -> list[Any] | None:
    """The records of a container, when most of the first ones name images, and one of them is nested."""
    if isinstance(value, dict):
        items: list[Any] = [_with_name(name, item) for name, item in value.items()]
        if items and isinstance(value[next(iter(value))], dict) and all(item is not None for item in items):
            return items
        items = list(value.values())
    else:
        items = value if isinstance(value, list) else []
    head = [item for item in items[:_LOOKED_AT] if isinstance(item, dict) and _image(item) is not None]
    if 2 * len(head) <= len(items[:_LOOKED_AT]) or not any(map(nested_record, head)):
        return None
    return [nested_record(item) or _without_objects(item) for item in items]


def _with_name(name: str, item: Any) -> dict[str, Any] | None:
    """The record of a mapping that is called after its image; None where the record names an image itself."""
    field = _objects_field(item) if isinstance(item, dict) else None
    if field is None or _image(item) is not None:
        return None
    return _record(item, ("image", name), [_object(found) for found in item[field]])


def nested_record(value: Any) -> dict[str, Any] | None:
    """A record as one of `image` and `label`, its objects; None where it is something else, or nothing is nested."""
    if not isinstance(value, dict):
        return None
    image, field = _image(value), _objects_field(value)
    if image is None or field is None:
        return None
    is_flat = isinstance(value[image[0]], str) and plain(image[0]) != "name"
    if is_flat and all(map(_is_flat, value[field])):
        return None
    return _record(value, image, [_object(item) for item in value[field]])


def _without_objects(value: Any) -> Any:
    """A record among nested ones that has no list of objects, or an empty one; any other value as it is."""
    image = _image(value) if isinstance(value, dict) else None
    if image is None or any(isinstance(item, list) and item for item in value.values()):
        return value
    return _record(value, image, [])


def _record(value: dict[str, Any], image: tuple[str, str], objects: list[Any]) -> dict[str, Any]:
    others = {name: item for name, item in value.items() if isinstance(item, str | int | float) and name != image[0]}
    return {**others, "image": image[1].lstrip("/"), "label": objects}


def _is_flat(item: Any) -> bool:
    """Whether an object's box stands in its own fields, as other lines have it."""
    box = _box(item) if isinstance(item, dict) else {}
    return all(side in item for side in box)


def _image(value: dict[str, Any]) -> tuple[str, str] | None:
    """The field that names a record's image, and the image: by a usual name or "name", also one level deeper."""
    for name in usual(value, (*IMAGE, "name")):
        found = value[name]
        inner = (text for text in found.values() if isinstance(text, str)) if isinstance(found, dict) else ()
        if (path := next(filter(is_image, inner), None)) is not None:
            return name, path
        if isinstance(found, str) and (is_image(found) or plain(name) == "image"):
            return name, found
    return None


def _objects_field(value: dict[str, Any]) -> str | None:
    """The only field with a list of mappings of which one has a box."""
    found = [name for name, items in value.items() if isinstance(items, list) and any(map(_has_box, items))]
    return found[0] if len(found) == 1 else None


def _has_box(item: Any) -> bool:
    return isinstance(item, dict) and _MODE not in item and any(usual(item, OBJECT_LABEL)) and bool(_box(item))


def _object(item: Any) -> Any:
    """An object with four corners in fields of their own, where its box is nested."""
    if not isinstance(item, dict):
        return item
    label = {name: item[name] for name in usual(item, OBJECT_LABEL)}
    box = _box(item)
    return {**label, **box} if box else OtherShape(item)


def _box(item: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object's box; empty where it has none that is understood."""
    if sides := box_sides(tuple(item))[0]:
        return {side: item[side] for side in sides}
    for name, found in item.items():
        if plain(name) not in _BOX_FIELDS:
            continue
        if isinstance(found, dict):
            if sides := box_sides(tuple(found))[0]:
                return {side: found[side] for side in sides}
            return dict(zip(_CORNERS, _ends(found), strict=False))
        if isinstance(found, list) and len(found) == 2 and all(isinstance(p, list) and len(p) == 2 for p in found):
            return dict(zip(_CORNERS, [*found[0], *found[1]], strict=True))
        if isinstance(found, list) and len(found) == 4:
            return {"bbox": found}
    return {}


def _ends(box: dict[str, Any]) -> Iterator[Any]:
    """The corners of a box of two points, each with x and y or with row and column."""
    for names in (("minimum", "min", "topleft", "start"), ("maximum", "max", "bottomright", "end")):
        point = next((box[name] for name in usual(box, names)), None)
        if isinstance(point, dict):
            for axis in (("x", "c", "column", "col"), ("y", "r", "row")):
                yield from [point[name] for name in usual(point, axis)][:1]

"""Lines of the clouds' labelling services as the lines of this package: Vertex AI's, and SageMaker's manifests."""

from __future__ import annotations

from typing import Any

from automl_vision.formats.json_file import as_mapping
from automl_vision.formats.records.nested import nested_record

_CORNERS = {"topX": "xMin", "topY": "yMin", "bottomX": "xMax", "bottomY": "yMax"}
_USE = "aiplatform.googleapis.com/ml_use"


def standard_line(value: Any) -> Any:
    """A line as `{"image_url": ..., "label": ...}` where a service wrote it, or it is nested; any other value as it is.

    Raises:
        ValueError: a service wrote it, and it has no label of an image or of boxes.
    """
    if isinstance(value, dict):
        if "imageGcsUri" in value:
            return _of_vertex(value)
        if "source-ref" in value:
            return _of_sagemaker(value)
        return nested_record(value) or value
    return value


def _of_vertex(value: dict[str, Any]) -> dict[str, Any]:
    split = as_mapping(value.get("dataItemResourceLabels")).get(_USE)
    line = {"image_url": value["imageGcsUri"], "split": split}
    if isinstance(one := value.get("classificationAnnotation"), dict):
        return {**line, "label": one.get("displayName")}
    if isinstance(several := value.get("classificationAnnotations"), list):
        return {**line, "label": [item.get("displayName") for item in several if isinstance(item, dict)]}
    if isinstance(boxes := value.get("boundingBoxAnnotations"), list):
        objects = [
            {"label": item.get("displayName"), **{ours: item.get(theirs, 0) for ours, theirs in _CORNERS.items()}}
            for item in boxes
            if isinstance(item, dict)
        ]
        return {**line, "label": objects}
    raise ValueError(f"the line of Vertex AI has no annotation that is read; it has: {', '.join(map(str, value))}")


def _of_sagemaker(value: dict[str, Any]) -> dict[str, Any]:
    line = {"image_url": value["source-ref"]}
    for name, metadata in value.items():
        if not name.endswith("-metadata") or not isinstance(metadata, dict):
            continue
        answer, names = value.get(name.removesuffix("-metadata")), metadata.get("class-map")
        if isinstance(metadata.get("class-name"), str):
            return {**line, "label": metadata["class-name"]}
        if isinstance(answer, list) and isinstance(names, dict):
            return {**line, "label": [names.get(str(number), str(number)) for number in answer]}
        if isinstance(answer, dict) and isinstance(answer.get("annotations"), list) and isinstance(names, dict):
            return {**line, "label": _boxes(answer, names)}
    raise ValueError(f"the line of SageMaker has no label that is read; it has: {', '.join(map(str, value))}")


def _boxes(answer: dict[str, Any], names: dict[str, Any]) -> list[dict[str, Any]]:
    """Boxes in shares of width and height.

    Raises:
        ValueError: the image's size is not stated.
    """
    try:
        width, height = (float(answer["image_size"][0][side]) for side in ("width", "height"))
        return [
            {
                "label": names.get(str(item["class_id"]), str(item["class_id"])),
                "topX": item["left"] / width,
                "topY": item["top"] / height,
                "bottomX": (item["left"] + item["width"]) / width,
                "bottomY": (item["top"] + item["height"]) / height,
            }
            for item in answer["annotations"]
        ]
    except (KeyError, IndexError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"the boxes need image_size, class_id, left, top, width and height ({error!r})") from None

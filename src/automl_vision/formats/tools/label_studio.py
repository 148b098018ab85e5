"""Label Studio: the JSON export of a project, a list of tasks with results in percent of width and height."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from automl_vision.core.errors import DataError
from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.image_names import is_image
from automl_vision.data.split_names import normalize_split, split_of_path
from automl_vision.formats.json_file import as_list, as_mapping, json_documents, shown, some_json
from automl_vision.formats.records.vocabulary import IMAGE, IMAGE_IDENTIFIERS, LABEL, LABEL_IDENTIFIERS, usual
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source, as_text
from automl_vision.formats.tools.label_studio_regions import contents_of

_IMAGE = ("image", "img", "imageurl", "url", "ocr", *IMAGE)  # the tool's own templates first
_LABEL = ("choice", *LABEL)
_NOT_LABELS = LABEL_IDENTIFIERS - {"choice"}
_OWN_KEYS = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "split", "group")
_SERVED = ("/data/", "/storage-data/")  # where the server keeps what was uploaded, and local files
_LOCAL = "/data/local-files/"  # also of a server that lies below a path


def _tasks(value: Any) -> list[Any]:
    """The tasks of an export, or the one of a file a task; empty when it is something else."""
    if isinstance(value, dict):
        value = value.get("tasks", [value])
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return []
    first = value[0]
    is_whole = isinstance(first.get("data"), dict) and bool({"annotations", "completions", "predictions"} & set(first))
    is_short = "annotator" in first and ("id" in first or any(usual(first, _IMAGE)))
    return value if is_whole or is_short else []


@dataset_format(
    "label-studio",
    "label",
    "labels",
    "boxes",
    "masks",
    rank=Rank.DOCUMENTS + 40,
    layout='JSON (or JSON-MIN) export of Label Studio: [{"data": {"image": ...}, "annotations": [{"result": [...]}]}]',
    detect=lambda source, _: some_json(source, _tasks),
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read every export; of several annotations of a task the ground truth counts, else the newest not cancelled one.

    Raises:
        DataError: in the short form several texts could be what was chosen, and `label_column` names none.
    """
    annotations = Annotations("boxes", relative=True)
    several = False
    for path, value in json_documents(source, annotations):
        tasks = _tasks(value)
        control = columns.label or _control(tasks, path)
        for i, task in enumerate(tasks):
            place = f"{path}: task {task.get('id', i)}" if isinstance(task, dict) else f"{path}: task {i}"
            try:
                several |= _read_task(source, task, place, control, columns, annotations)
            except ValueError as error:
                annotations.reject(place, str(error), "bad record")
    annotations.settle_kind(several=several)
    return annotations


def _read_task(source: Source, task: Any, place: str, control: str, columns: Columns, annotations: Annotations) -> bool:
    """Add the image of one task; returns whether it has room for several labels.

    Raises:
        ValueError: the task has no data, or no image.
    """
    data, results = _parts(task, control)
    path = place.rpartition(": task ")[0]
    split = normalize_split(as_text(data.get(columns.split or "split"))) or split_of_path(path)
    image = _image(source, data, columns, folder_of(path), split)
    if results is None:
        what = ", only predictions, which nobody confirmed" if task.get("predictions") else ""
        annotations.ignore(place, f"the task has no annotation{what}", "not annotated")
        return False
    labels, objects, size = contents_of(results, place, annotations)
    split = split or source.split_of(image)
    group = as_text(data.get(columns.group or "group")) or None
    annotations.add(Record(image, place, labels, objects, split, group, size))
    return any(len(as_list(as_mapping(as_mapping(result).get("value")).get("choices"))) > 1 for result in results)


def _parts(task: Any, control: str) -> tuple[dict[str, Any], list[Any] | None]:
    """A task's data, and the results of its annotation; None when it has none.

    Raises:
        ValueError: the task has no data.
    """
    if not isinstance(task, dict):
        raise ValueError(f"a task must be an object, not {shown(task)}")
    if not isinstance(task.get("data"), dict):
        return _short(task, control)
    found = task.get("annotations") or task.get("completions") or []
    kept = [a for a in as_list(found) if isinstance(a, dict) and not a.get("was_cancelled")]
    if not kept:
        return task["data"], None
    best = max(enumerate(kept), key=lambda item: (item[1].get("ground_truth") is True, _time(item[1]), item[0]))[1]
    return task["data"], as_list(best.get("result"))


def _time(annotation: dict[str, Any]) -> str:
    """When an annotation was changed, as ISO 8601."""
    return as_text(annotation.get("updated_at")) or as_text(annotation.get("created_at"))


def _image_keys(data: dict[str, Any]) -> Iterator[str]:
    return usual(data, _IMAGE, but=IMAGE_IDENTIFIERS)


def _texts_of(task: dict[str, Any]) -> list[str]:
    """Keys of a task's short form that hold a text which is not an image: a choice, or a column of the task's data."""
    image = next((key for key in _image_keys(task) if as_text(task[key])), "")
    kept = (key for key, value in task.items() if key not in (*_OWN_KEYS, image) and isinstance(value, str) and value)
    return [key for key in kept if not is_image(_path_of(task[key]))]


def _control(tasks: Sequence[Any], path: str) -> str:
    """The key of what was chosen in the short form; empty where nothing was.

    Raises:
        DataError: several could be it.
    """
    short = [task for task in tasks if isinstance(task, dict) and not isinstance(task.get("data"), dict)]
    keys = list(dict.fromkeys(key for task in short for key in _texts_of(task)))
    if any(isinstance(value, list) for task in short for value in task.values()):
        return ""  # regions are labelled, and the texts are columns
    chosen = list(usual(keys, _LABEL, but=_NOT_LABELS))
    if len(keys) > 1 and not chosen:
        raise DataError(
            f'{path}: each of {", ".join(keys)} could be the label; choose one with label_column="{keys[0]}"'
        )
    return (chosen or keys or [""])[0]


def _short(task: dict[str, Any], control: str) -> tuple[dict[str, Any], list[Any] | None]:
    """Data and results of a task in the short form (JSON-MIN), where a control's name holds what was chosen."""
    results: list[Any] = []
    for key, value in task.items():
        if isinstance(value, list):
            results += [{"value": item, **_size_of(item)} for item in value if isinstance(item, dict)]
        elif isinstance(value, dict) and isinstance(value.get("choices"), list):
            results.append({"value": value})
        elif isinstance(value, str) and key == control:
            results.append({"value": {"choices": [value]}})
    return {key: value for key, value in task.items() if key != control}, results


def _size_of(value: dict[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in ("original_width", "original_height") if key in value}


def _image(source: Source, data: dict[str, Any], columns: Columns, folder: str, split: str | None) -> str:
    """The task's image; an uploaded or local file, or one of a bucket, is found by its name.

    Raises:
        ValueError: the task has no image.
    """
    keys = (columns.image,) if columns.image else tuple(_image_keys(data))
    text = next((as_text(data.get(key)) for key in keys if as_text(data.get(key))), "")
    if not text:
        texts = [value for key, value in data.items() if isinstance(value, str) and key not in _OWN_KEYS]
        text = next(filter(lambda value: is_image(_path_of(value)), texts), next((v for v in texts if "." in v), ""))
    if not text:
        raise ValueError("the task has no image")
    path = urlsplit(text).path
    if path.startswith(_SERVED) or path.endswith(_LOCAL):
        text = _path_of(text)
        found = source.image(text, folder, split)
        if found not in source.image_set:  # an upload is named HASH-NAME
            name = text.rpartition("/")[2]
            found = source.image(name.partition("-")[2] or name, folder, split)
        return found
    return source.image_or_copy(text, folder, split)


def _path_of(reference: str) -> str:
    """The path of a reference, which the server states behind `d` or `filepath`."""
    try:
        parts = urlsplit(reference)
    except ValueError:
        return reference
    query = parse_qs(parts.query)
    stated = query.get("d") or query.get("filepath")
    return stated[0] if stated else unquote(parts.path)

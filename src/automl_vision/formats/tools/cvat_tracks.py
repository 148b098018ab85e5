"""CVAT for video 1.1: tracks of objects over frames, which come as images named `frame_000000.png`."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from xml.etree.ElementTree import Element

from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Record
from automl_vision.data.object import Object
from automl_vision.formats.json_file import as_number
from automl_vision.formats.source import Source

_FRAME = re.compile(r"frame_(\d{1,9})")
_EDGES = ("xtl", "ytl", "xbr", "ybr")

ReadShape = Callable[[Element, tuple[int, int] | None], Object]


def add_tracks(source: Source, path: str, root: Element, read_shape: ReadShape, annotations: Annotations) -> None:
    """Add each frame that is there with the shapes of all tracks; without any frame a note says what is missing."""
    folder = folder_of(path)
    frames = {int(match[1]): image for image in source.images if (match := _FRAME.fullmatch(_stem(image)))}
    below = {number: image for number, image in frames.items() if image.startswith(f"{folder}/")}
    frames = below or frames
    if not frames:
        reason = "tracks of a video are not read without its frames as images (frame_000000.png, ...)"
        annotations.ignore(path, f"{reason}; export them too, or export the task as CVAT for images", "track")
        return
    objects: dict[int, list[Object]] = defaultdict(list)
    for number, track in enumerate(root.iter("track"), start=1):
        for frame, shape in _shapes(track, sorted(frames)):
            try:
                shape.set("label", track.get("label", ""))
                objects[frame].append(read_shape(shape, None))
            except ValueError as error:
                annotations.reject(f"{path}: track {number}, frame {frame}", str(error), "bad annotation")
    for frame, image in sorted(frames.items()):
        split = source.split_of(path) or source.split_of(image)
        annotations.add(Record(image, f"{path}: frame {frame}", objects=objects[frame], split=split))


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


def _shapes(track: Element, frames: list[int]) -> Iterator[tuple[int, Element]]:
    """Frame and shape of a track wherever it is visible in some frames; between two drawn boxes one moves evenly."""
    shapes = sorted(((_frame(shape), shape) for shape in track), key=lambda item: item[0])
    for (frame, shape), (following, then) in pairwise([*shapes, (-1, track)]):
        if frame < 0 or shape.get("outside") == "1":
            continue
        is_moving = shape.tag == then.tag == "box"
        for shown in frames[bisect_left(frames, frame) : bisect_left(frames, max(following, frame + 1))]:
            if shown == frame:
                yield frame, shape
            elif is_moving:
                yield shown, _moved(shape, then, (shown - frame) / (following - frame))


def _frame(shape: Element) -> int:
    text = shape.get("frame", "")
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def _moved(first: Element, second: Element, share: float) -> Element:
    """A box a share of the way from one to another."""
    moved = Element("box", first.attrib)
    for name in _EDGES:
        try:
            start, end = as_number(first.get(name)), as_number(second.get(name))
        except ValueError:
            continue  # the box that was drawn is reported
        moved.set(name, repr(start + share * (end - start)))
    return moved

"""Lists of classes beside masks: by value, or by colour."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field

from automl_vision.formats.source import Source

_FILES = (
    "classes.txt", "labels.txt", "class_names.txt", "labelmap.txt", "label_colors.txt", "class_dict.csv",
    "class_dict_seg.csv", "_classes.csv",
)  # fmt: skip
_BACKGROUND = ("background", "__background__", "_background_")


@dataclass(frozen=True)
class MaskClasses:
    """Names of classes.

    Attributes:
        names: by value, or by colour as red + 256 green + 65536 blue; without that of the background, 0.
        are_colours: whether it is by colour.
    """

    names: dict[int, str] = field(default_factory=dict)
    are_colours: bool = False


def mask_classes(source: Source) -> MaskClasses:
    """The classes of the first list: Pascal VOC's names, CVAT's and Datumaro's `name:r,g,b::`, CamVid's, Roboflow's."""
    for path in source.files:
        name = path.rpartition("/")[2].lower()
        if name in _FILES:
            lines = [line.strip() for line in source.read_text(path).splitlines()]
            lines = [line for line in lines if line and not line.startswith("#")]
            return _of_table(lines) if name.endswith(".csv") else _of_lines(lines)
    return MaskClasses()


def _of_table(lines: list[str]) -> MaskClasses:
    """`name,r,g,b`, or `Pixel Value, Class`."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines[1:], skipinitialspace=True)]
    colours = {colour: row[0] for row in rows if len(row) >= 4 and (colour := _colour(row[1:4])) is not None}
    if colours:
        return _without_background(colours, are_colours=True)
    values = {int(row[0]): row[1] for row in rows if len(row) == 2 and row[0].isdecimal() and len(row[0]) < 7}
    return _without_background(values, are_colours=False)


def _of_lines(lines: list[str]) -> MaskClasses:
    """`name:r,g,b::`, `r g b name`, or a name a line: the first of value 1 unless it is the background's."""
    colours = {}
    for line in lines:
        name, _, rest = line.partition(":")
        parts = line.split(maxsplit=3)
        if (colour := _colour(rest.partition(":")[0].split(","))) is not None:
            colours[colour] = name.strip()
        elif len(parts) == 4 and (colour := _colour(parts[:3])) is not None:
            colours[colour] = parts[3]
    if colours:
        return _without_background(colours, are_colours=True)
    names = [line.partition(":")[0].strip() for line in lines]
    first = 0 if names and names[0].lower() in _BACKGROUND else 1
    return _without_background(dict(enumerate(names, start=first)), are_colours=False)


def _without_background(names: dict[int, str], *, are_colours: bool) -> MaskClasses:
    return MaskClasses({value: name for value, name in names.items() if value > 0}, are_colours)


def _colour(parts: list[str]) -> int | None:
    if len(parts) != 3 or not all(part.strip().isdecimal() and len(part.strip()) < 4 for part in parts):
        return None
    red, green, blue = (int(part) & 255 for part in parts)
    return red + 256 * green + 65536 * blue

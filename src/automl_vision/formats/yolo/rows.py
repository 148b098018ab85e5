"""The cells of a line of YOLO's label files, also as other programs write them where only one meaning is possible."""

from __future__ import annotations

from automl_vision.formats.json_file import is_number

Cells = list[str]

USUAL = "spaces"
ODD = {
    "separators": "commas, semicolons or tabs between the numbers instead of spaces",
    "decimal commas": "decimal commas instead of points",
}
_FEWEST = 5


def cells_of(line: str) -> tuple[Cells, str]:
    """The cells of a line, and how they are written: `USUAL`, or a key of `ODD`.

    Commas stand either between the numbers or in them; a line in which both would be possible is left as it is, and so
    is one that no reading makes numbers.
    """
    cells = line.split()
    if "," not in line and ";" not in line:
        return cells, USUAL
    between = [cell.strip() for cell in line.split(";" if ";" in line else ",")]
    inside = [cell.replace(",", ".") for cell in (between if ";" in line else cells)]
    fitting = [found for found in ((between, "separators"), (inside, "decimal commas")) if _are_numbers(found[0])]
    if ";" in line and "," not in line:
        fitting = fitting[:1]  # the same cells twice
    return fitting[0] if len(fitting) == 1 else (cells, USUAL)


def _are_numbers(cells: Cells) -> bool:
    return len(cells) >= _FEWEST and all(map(is_number, cells[1:]))

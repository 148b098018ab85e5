"""What an import left out and noted, as lines of a terminal: each kind once, with its first places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from automl_vision.core.text import visible

if TYPE_CHECKING:
    from automl_vision.data.dataset import Dataset
    from automl_vision.data.report import Problem

_PLACES = 3  # of each kind
_MOST_CLASSES = 10


def note_lines(notes: Sequence[Problem], *, all_places: bool = False) -> Iterator[str]:
    """The kinds of notes, most frequent first, each with its first places or with all."""
    by_kind: dict[str, list[Problem]] = {}
    for note in notes:
        by_kind.setdefault(note.kind, []).append(note)
    for kind, found in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        shown = found if all_places else found[:_PLACES]
        yield from (visible(f"noted     {kind}: {note.place}: {note.reason}") for note in shown)
        if len(found) > len(shown):
            yield f"noted     {kind}: and {len(found) - len(shown):,} more, which data check --notes lists"


def unvalidated_lines(dataset: Dataset) -> Iterator[str]:
    """A warning of classes that no validation image has, where some images are for validation."""
    if not (dataset.splits == "val").any():
        return
    missing = [name for name, counts in dataset.class_counts.items() if counts.get("train") and not counts["val"]]
    if missing:
        names = ", ".join(map(visible, missing[:_MOST_CLASSES])) + (", ..." if len(missing) > _MOST_CLASSES else "")
        count = "1 class has" if len(missing) == 1 else f"{len(missing)} classes have"
        yield f"warning   {count} no image for validation, so nothing is measured for them: {names}"

"""Splits that a table beside the data states, such as `split.csv` with image and split, whatever the format is."""

from __future__ import annotations

from automl_vision.core.text import suffix_of
from automl_vision.data.annotations import Annotations
from automl_vision.formats.records.tables import KnownTable, candidate_tables, side_splits
from automl_vision.formats.source import Source

_SUFFIXES = (".csv", ".tsv")


def follow_split_tables(source: Source, annotations: Annotations) -> None:
    """Give images the splits of tables that state splits and nothing else; they count before folders and lists."""
    if source.main or not source.with_suffix(*_SUFFIXES):
        return
    tables = [table for table in candidate_tables(source) if _states_only_splits(table)]
    if not tables:
        return
    splits = side_splits(source, tables)
    changed = 0
    for number, image in enumerate(annotations.images):
        split = splits.get(image)
        if split and annotations.splits[number] != split:
            changed += annotations.splits[number] is not None
            annotations.splits[number] = split
    if changed:
        reason = f"{changed} images have another split here than the data states elsewhere; this table is followed"
        annotations.ignore(tables[0].file, reason, "splits")


def _states_only_splits(table: KnownTable) -> bool:
    layout = table.layout
    return (
        suffix_of(table.file) in _SUFFIXES
        and layout.split is not None
        and not layout.is_labelled
        and not layout.holds_objects
    )

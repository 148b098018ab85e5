"""The folder of a dataset inside folders that hold nothing else."""

from __future__ import annotations

from automl_vision.data.split_names import SPLIT_NAMES
from automl_vision.storage.access import open_storage
from automl_vision.storage.archives import Archive
from automl_vision.storage.locations import INSIDE, Storage

_LAYOUT_FOLDERS = frozenset({*SPLIT_NAMES, "images", "labels", "annotations"})
ANNOTATION_SUFFIXES = (
    ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".txt", ".parquet",
)  # fmt: skip
"""Of the files that formats read."""


def descend(storage: Storage) -> Storage:
    """The storage one folder deeper, as often as a root holds nothing but one folder that holds more than images."""
    while True:
        tops = {path.partition("/")[0] for path in storage.files}
        if len(tops) != 1:
            return storage
        (only,) = tops
        below = {path.split("/", 2)[1] for path in storage.files if "/" in path}
        is_container = any("." not in name or name.endswith(ANNOTATION_SUFFIXES) for name in below)
        if not is_container or only.lower() in _LAYOUT_FOLDERS:
            return storage
        separator = INSIDE if isinstance(storage, Archive) and INSIDE not in storage.root else "/"
        storage = open_storage(f"{storage.root}{separator}{only}")

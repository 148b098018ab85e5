"""A manifest as a Parquet file, with everything else that makes it a dataset in the file's metadata."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from automl_vision.core.errors import DataError
from automl_vision.core.files import atomic_path
from automl_vision.data.further_columns import PREFIX, further_names
from automl_vision.data.manifest import SCHEMA

_METADATA = b"automl_vision"


def write_manifest(path: str | PathLike[str], table: pa.Table, metadata: dict[str, Any]) -> None:
    """Write a manifest; `metadata` holds JSON values."""
    table = table.replace_schema_metadata({_METADATA: json.dumps(metadata).encode()})
    with atomic_path(Path(path)) as temporary:
        pq.write_table(table, temporary)


def read_manifest(path: str | PathLike[str]) -> tuple[pa.Table, dict[str, Any]]:
    """The table and metadata that `write_manifest` wrote.

    Raises:
        DataError: the file is not a manifest.
    """
    try:
        with pq.ParquetFile(Path(path), memory_map=True) as file:  # `read_table` imports pandas: 40 MB
            table = file.read()
        metadata = json.loads(table.schema.metadata[_METADATA])
        further = [table.schema.field(f"{PREFIX}{name}") for name in further_names(table)]
        schema = pa.schema([*SCHEMA, *further])
        return table.select(schema.names).cast(schema), metadata
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a manifest of a dataset ({error})") from error


def manifest_facts(path: str | PathLike[str]) -> tuple[int, dict[str, Any]]:
    """The number of images of a manifest and its metadata, without reading its rows.

    Raises:
        DataError: the file is not a manifest.
    """
    try:
        found = pq.read_metadata(Path(path))
        return found.num_rows, json.loads(found.metadata[_METADATA])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a manifest of a dataset ({error})") from error


def is_manifest(path: str | PathLike[str]) -> bool:
    """Whether a path is a Parquet file that `write_manifest` wrote."""
    file = Path(path)
    if file.suffix != ".parquet" or not file.is_file():
        return False
    try:
        return _METADATA in (pq.read_schema(file).metadata or {})
    except (OSError, pa.ArrowException):
        return False

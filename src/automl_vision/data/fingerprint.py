"""A digest of a dataset: file contents, labels, splits and classes; the order of the rows does not matter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_COLUMNS = ["digest", "split", "group", "labels", "objects"]


def fingerprint_of(table: pa.Table, words: Sequence[str]) -> str:
    """The digest of a manifest, 32 hexadecimal digits.

    Args:
        table: the manifest.
        words: other contents of the digest: the task and the classes.
    """
    table = table.select(_COLUMNS)
    keys = {"digest": "ascending", "split": "ascending", "tie": "ascending"}
    order = pc.sort_indices(table.append_column("tie", _ties(table)), sort_keys=list(keys.items()))
    digest = hashlib.blake2b(digest_size=16)
    for word in words:
        digest.update(word.encode() + b"\n")
    for name in _COLUMNS:
        column = table[name].take(order)
        _feed(digest, pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type))
    return digest.hexdigest()


def _ties(table: pa.Table) -> pa.Array:
    """What orders rows of the same file: all of their annotations as text; empty for the others."""
    codes = table["digest"].combine_chunks().dictionary_encode().indices.to_numpy()
    (rows,) = np.nonzero(np.bincount(codes, minlength=1)[codes] > 1)
    texts = [""] * len(table)
    for row, value in zip(rows.tolist(), table.take(rows).to_pylist(), strict=True):
        texts[row] = json.dumps(value, sort_keys=True)
    return pa.array(texts, pa.string())


def _feed(digest: Any, array: pa.Array) -> None:
    """Add an array's values, not its layout in memory, which may differ for equal values."""
    digest.update(array.is_valid().to_numpy(zero_copy_only=False).tobytes())
    if pa.types.is_string(array.type):
        array = array.fill_null("")
        digest.update(pc.binary_length(array).to_numpy(zero_copy_only=False).astype(np.int64).tobytes())
        digest.update("".join(array.to_pylist()).encode())
    elif pa.types.is_fixed_size_list(array.type):
        _feed(digest, array.flatten())
    elif pa.types.is_list(array.type):
        digest.update(array.value_lengths().fill_null(0).to_numpy().astype(np.int64).tobytes())
        _feed(digest, array.flatten())
    elif pa.types.is_struct(array.type):
        for field in array.flatten():
            _feed(digest, field)
    else:
        digest.update(np.ascontiguousarray(array.to_numpy(zero_copy_only=False)).tobytes())

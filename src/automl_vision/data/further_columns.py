"""What a source says of its images beside their labels, such as camera, patient or day: further columns of a manifest.

Neither labels nor the fingerprint depend on them. Their names in the table begin with `PREFIX`, so that they cannot
clash with the manifest's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import pyarrow as pa

PREFIX = "column:"
MOST = 20  # of a source; the first ones are kept


def further_names(table: pa.Table) -> tuple[str, ...]:
    """Names of the further columns, as the source spells them."""
    return tuple(name.removeprefix(PREFIX) for name in table.column_names if name.startswith(PREFIX))


def with_further(table: pa.Table, columns: Mapping[str, Mapping[int, str]], rows: Sequence[int]) -> pa.Table:
    """The table with further columns: numbers where all values are some, else texts.

    Args:
        table: the manifest.
        columns: texts by number of the record, of the records that have a value, by name of the column.
        rows: number of the record of each row of the table.
    """
    for name, values in columns.items():
        texts = pa.array([values.get(row) for row in rows], pa.string())
        with suppress(pa.ArrowInvalid):  # not all are numbers
            texts = texts.cast(pa.float64())
        table = table.append_column(f"{PREFIX}{name}", texts)
    return table


class FurtherColumns:
    """Collects further columns of records.

    A column that has several values for one image, such as those of its boxes, is not of images and is dropped.
    """

    def __init__(self) -> None:
        self._values: dict[str, dict[int, str]] = {}
        self._several: set[str] = set()

    def add(self, record: int, columns: Mapping[str, str]) -> None:
        """Add what one row says of a record."""
        for name, value in columns.items():
            values = self._values.get(name)
            if values is None:
                if len(self._values) >= MOST:
                    continue
                values = self._values[name] = {}
            if values.setdefault(record, value) != value:
                self._several.add(name)

    def columns(self) -> dict[str, dict[int, str]]:
        """The columns that are of images."""
        return {name: values for name, values in self._values.items() if name not in self._several}

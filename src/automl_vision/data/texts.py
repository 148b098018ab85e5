"""A column of texts as bytes: a million run-length codes without a million Python objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.ragged import starts_of

_AT_ONCE = 10_000  # texts whose bytes are copied at once


@dataclass(frozen=True, eq=False)
class Texts(Sequence[str]):
    """Texts that become Python's own when one is asked for.

    Attributes:
        data: uint8, their bytes in UTF-8, one text after another.
        starts: (n + 1,), int64, where each text starts in `data`, and where the last one ends.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]

    @staticmethod
    def of(texts: Iterable[str]) -> Texts:
        """A column from texts; one that is a column already is returned as it is."""
        if isinstance(texts, Texts):
            return texts
        codes = [text.encode() for text in texts]
        return Texts(np.frombuffer(b"".join(codes), np.uint8), starts_of(np.array([len(code) for code in codes])))

    @staticmethod
    def join(parts: Iterable[Iterable[str]]) -> Texts:
        """Several columns, one after another."""
        columns = [Texts.of(part).take(slice(None)) for part in parts]
        lengths = [np.diff(column.starts) for column in columns]
        none, no_text = np.zeros(0, np.uint8), np.zeros(0, np.int64)
        return Texts(
            np.concatenate([none, *(column.data for column in columns)]), starts_of(np.concatenate([no_text, *lengths]))
        )

    def take(self, rows: NDArray[np.intp] | slice) -> Texts:
        """Some of the texts, in the order of `rows`."""
        first, end = self.starts[:-1][rows], self.starts[1:][rows]
        breaks = np.flatnonzero(first[1:] != end[:-1]) + 1  # what follows each other is copied at once
        starts, ends = (first[np.append(0, breaks)], end[np.append(breaks - 1, -1)]) if len(first) else (first, end)
        pieces = [self.data[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        return Texts(np.concatenate([self.data[:0], *pieces]), starts_of(end - first))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> Texts: ...

    def __getitem__(self, row: int | slice) -> str | Texts:
        if isinstance(row, slice):
            return self.take(row)
        row = range(len(self))[row]
        return self.data[self.starts[row] : self.starts[row + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            starts = self.starts[start : start + _AT_ONCE + 1]
            data = self.data[starts[0] : starts[-1]].tobytes()
            for a, b in pairwise((starts - starts[0]).tolist()):
                yield data[a:b].decode()

    def __eq__(self, other: object) -> bool:
        """Whether another sequence holds the same texts."""
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

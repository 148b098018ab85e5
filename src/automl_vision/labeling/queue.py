"""What to label next, in order, each image with the reason; kept as a Parquet file that any tool reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from automl_vision.core.errors import DataError
from automl_vision.core.files import atomic_path

SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("rank", pa.int64()),
        ("reason", pa.string()),
        ("group", pa.string()),
        ("score", pa.float64()),
        ("tile", pa.list_(pa.float64())),  # of a fixed size PyArrow writes but does not read where some are null
    ]
)
"""`tile` is x1, y1, x2, y2 in pixels of the part to look at first, null for the whole image."""


_REQUIRED = ("image", "rank")


@dataclass(frozen=True)
class QueuedImage:
    """An image to label, or to label again.

    Attributes:
        image: path or URL, as in the dataset.
        reason: why, as a sentence; empty if nothing is said.
        group: the kind of reason, such as "unsure", or of similar images; empty if nothing is said.
        score: how strong the reason is, comparable within a group alone; None if nothing is said.
        tile: x1, y1, x2, y2 in pixels of the part of a large image that the reason is about; None for all of it.
    """

    image: str
    reason: str = ""
    group: str = ""
    score: float | None = None
    tile: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class LabelingQueue:
    """Images in the order in which to label them.

    Attributes:
        images: the first one first.
        root: folder, archive or URL that relative paths start from.
        task: what they are labelled for; empty where nobody said so.
        notes: what was left aside, for people.
    """

    images: tuple[QueuedImage, ...]
    root: str = ""
    task: str = ""
    notes: Sequence[str] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[QueuedImage]:
        return iter(self.images)

    def __getitem__(self, rank: int) -> QueuedImage:
        return self.images[rank]

    @property
    def groups(self) -> dict[str, int]:
        """How many images have each kind of reason."""
        return Counter(each.group for each in self.images)

    def to_table(self) -> pa.Table:
        """The queue as a table with the columns of `SCHEMA`."""
        rows = [{**vars(each), "rank": rank} for rank, each in enumerate(self.images)]
        return pa.Table.from_pylist(rows, SCHEMA)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the queue as Parquet.

        Raises:
            DataError: the name does not end in .parquet.
        """
        if Path(path).suffix != ".parquet":
            raise DataError(f"a queue is a file that ends in .parquet, not {path}")
        facts = {"root": self.root, "task": self.task}
        with atomic_path(Path(path)) as temporary:
            pq.write_table(self.to_table().replace_schema_metadata(facts), temporary)

    @staticmethod
    def load(path: str | PathLike[str]) -> LabelingQueue:
        """Read a queue that `save` wrote, or another tool: only the columns `image` and `rank` are required.

        Raises:
            DataError: the file is not a queue.
        """
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path} is not a queue of images to label ({error})") from None
        lacking = [name for name in _REQUIRED if name not in table.column_names]
        if lacking:
            raise DataError(
                f"{path} is not a queue of images to label: it has no column {lacking[0]}; write one with: "
                "automl-vision label next"
            )
        facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        rows = sorted(table.to_pylist(), key=lambda row: int(row["rank"]))
        images = tuple(
            QueuedImage(
                row["image"], row.get("reason") or "", row.get("group") or "", row.get("score"), _tile(row.get("tile"))
            )
            for row in rows
        )
        return LabelingQueue(images, facts.get("root", ""), facts.get("task", ""))


def _tile(value: list[float] | None) -> tuple[float, float, float, float] | None:
    return None if value is None else (value[0], value[1], value[2], value[3])

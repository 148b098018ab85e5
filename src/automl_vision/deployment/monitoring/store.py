"""A bounded store of what a deployment saw lately, in one SQLite file that worker processes share."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.serving.observations import Observations

_WAIT = 5.0  # seconds for another process that writes
_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,          -- seconds since 1970
    request TEXT NOT NULL,       -- its id, as in the access log
    model TEXT NOT NULL,         -- the folder that predicted
    features BLOB NOT NULL,      -- float16
    classes BLOB NOT NULL,       -- float32
    answers REAL NOT NULL,
    confidence REAL NOT NULL,
    figures BLOB NOT NULL,       -- float32
    prediction TEXT NOT NULL,    -- JSON
    image BLOB                   -- a JPEG file, if images are kept
)
"""


class MonitoringError(AutoMLVisionError):
    """What a deployment saw cannot be read, compared or written out as was asked."""


@dataclass(frozen=True)
class Sample:
    """What was kept of one image of a request.

    Attributes:
        time: when it came, in seconds since 1970.
        request: id of the request.
        model: the folder that predicted, relative to that of the endpoint.
        observations: of this one image.
        prediction: as the endpoint answers it, and the names of the classes that are `predicted`.
        image: a JPEG file, or None where images are not kept.
    """

    time: float
    request: str
    model: str
    observations: Observations
    prediction: dict[str, Any]
    image: bytes | None = None


class SampleStore:
    """The samples of one deployment.

    Args:
        file: made by the first sample.
        keep: samples, beyond which the oldest ones go.
        keep_images: images, beyond which those of the oldest samples go.
    """

    def __init__(self, file: Path, *, keep: int = 5000, keep_images: int = 1000) -> None:
        self.file = file
        self._keep, self._keep_images = keep, keep_images

    def add(self, sample: Sample) -> None:
        """Keep a sample.

        Raises:
            OSError, sqlite3.Error: the file cannot be written.
        """
        kept = sample.observations
        row = (
            sample.time,
            sample.request,
            sample.model,
            kept.features[0].astype("<f2").tobytes(),
            kept.classes[0].astype("<f4").tobytes(),
            float(kept.answers[0]),
            float(kept.confidence[0]),
            kept.figures[0].astype("<f4").tobytes(),
            json.dumps(sample.prediction),
            sample.image,
        )
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it may hold callers' images
        with closing(self._open()) as connection, connection:
            connection.execute(_SCHEMA)
            places = ", ".join("?" * len(row))
            done = connection.execute(f"INSERT INTO samples VALUES (NULL, {places})", row)
            newest = int(done.lastrowid or 0)
            connection.execute("DELETE FROM samples WHERE id <= ?", (newest - self._keep,))
            last = newest - self._keep_images
            connection.execute("UPDATE samples SET image = NULL WHERE id <= ? AND image IS NOT NULL", (last,))

    def newest(self, count: int, *, model: str) -> list[Sample]:
        """The newest samples of a model, oldest first.

        Args:
            count: at most.
            model: the folder that predicted.

        Raises:
            MonitoringError: the file cannot be read.
        """
        query = "SELECT * FROM samples WHERE model = ? ORDER BY id DESC LIMIT ?"
        with self._read() as connection:
            rows = [] if connection is None else connection.execute(query, (model, count)).fetchall()
        return [_sample(row) for row in reversed(rows)]

    def count(self, *, model: str) -> int:
        """How many samples of a model there are.

        Raises:
            MonitoringError: the file cannot be read.
        """
        with self._read() as connection:
            if connection is None:
                return 0
            return int(connection.execute("SELECT COUNT(*) FROM samples WHERE model = ?", (model,)).fetchone()[0])

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=_WAIT)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")  # so that a reader stops no worker
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection | None]:
        """An open connection, or None where nothing was sampled yet."""
        if not self.file.exists():
            yield None
            return
        try:  # without a lock that a worker would have to wait for
            with closing(sqlite3.connect(f"{self.file.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT)) as found:
                found.row_factory = sqlite3.Row
                is_made = found.execute("SELECT 1 FROM sqlite_master WHERE name = 'samples'").fetchone() is not None
                yield found if is_made else None
        except sqlite3.Error as error:
            raise MonitoringError(f"{self.file} cannot be read ({error}); delete it to begin anew") from error


def _sample(row: sqlite3.Row) -> Sample:
    observations = Observations(
        np.frombuffer(row["features"], "<f2")[None],
        np.frombuffer(row["classes"], "<f4")[None],
        np.array([row["answers"]], np.float32),
        np.array([row["confidence"]], np.float32),
        np.frombuffer(row["figures"], "<f4")[None],
    )
    prediction = json.loads(row["prediction"])
    return Sample(row["time"], row["request"], row["model"], observations, prediction, row["image"])

"""The record of mirrored answers: what a deployment would have answered, beside what the caller got."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl_vision.core.errors import StorageError
from automl_vision.core.files import append_json_line
from automl_vision.serving.predictions import AnyPrediction

_log = logging.getLogger(__name__)
_MOST_BYTES = 64_000_000  # of a file; the one before it is kept


Recorded = tuple[str, Sequence[AnyPrediction] | None]
"""A deployment and its predictions."""


class ShadowRecord:
    """Appends to one file per mirrored deployment; the worker processes of a server share them.

    Args:
        folder: for the files.
        most_bytes: of a file, which then becomes `.1` and replaces an older one.
    """

    def __init__(self, folder: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def add(self, request_id: str, answered: Recorded, mirrored: Recorded) -> None:
        """Record a pair of answers.

        Args:
            request_id: of the request.
            answered: the deployment whose answer was returned, and what it predicted.
            mirrored: the other deployment, and what it predicted; None if it failed.
        """
        entry: dict[str, Any] = {
            "time": time.time(),
            "request": request_id,
            "answered_by": answered[0],
            "answer": _plain(answered[1]),
            "mirror": mirrored[0],
            "mirrored": _plain(mirrored[1]),
        }
        file = self._folder / f"{mirrored[0]}.jsonl"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if file.exists() and file.stat().st_size > self._most_bytes:
                file.replace(file.with_suffix(".jsonl.1"))
            append_json_line(file, entry)
        except (OSError, StorageError) as error:  # a full or read-only disk must not end the service
            _log.warning("a mirrored answer is not recorded: %s", error)


def _plain(predictions: Sequence[AnyPrediction] | None) -> Any:
    return None if predictions is None else [each.to_json() for each in predictions]

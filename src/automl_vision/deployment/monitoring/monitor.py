"""Samples what a deployment sees, in a thread of its own that never holds a request up."""

from __future__ import annotations

import io
import logging
import queue
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.data.images import load_pixels
from automl_vision.data.value_range import ValueRange
from automl_vision.deployment.monitoring.store import Sample, SampleStore
from automl_vision.serving.observations import Observer
from automl_vision.serving.processors import Inputs

_WAITING = 4  # images that wait to be observed, beyond which none is taken
_JPEG_QUALITY = 85
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sampling:
    """How much is kept of what a deployment sees.

    Attributes:
        per_minute: samples, at most, per worker process.
        image_side: longest side in pixels of the images that are kept too; 0 keeps none.
    """

    per_minute: float
    image_side: int = 0


@dataclass(frozen=True)
class _Seen:
    time: float
    request: str
    inputs: Inputs
    file: bytes


class Monitor:
    """Takes an image of a request every now and then, observes it, and puts it into the store.

    The first image after each pause is taken, so that of a burst of similar ones there are few.

    Args:
        folder: the model folder.
        model: its name in the store.
        sampling: how much is kept.
        store: of the deployment.
    """

    def __init__(self, folder: Path, model: str, sampling: Sampling, store: SampleStore) -> None:
        self._folder, self._model, self._sampling, self._store = folder, model, sampling, store
        self._pause = 60 / sampling.per_minute
        self._next = 0.0
        self._lock = threading.Lock()
        self._waiting: queue.Queue[_Seen | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self._warned: set[str] = set()

    def offer(self, request: str, inputs: Inputs, file: bytes) -> None:
        """Say that an image came; most are not taken.

        Args:
            request: id of the request.
            inputs: the network's input.
            file: its contents.
        """
        now = time.monotonic()
        with self._lock:
            if now < self._next or self._waiting.full():
                return
            self._next = now + self._pause
            if self._thread is None:
                self._thread = threading.Thread(target=self._observe, name=f"monitor-{self._model}", daemon=True)
                self._thread.start()
            self._waiting.put_nowait(_Seen(time.time(), request, inputs, file))

    def close(self) -> None:
        """Finish what was taken, and end the thread."""
        with self._lock:
            thread, self._next = self._thread, float("inf")
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _observe(self) -> None:
        observer: Observer | None = None
        while (seen := self._waiting.get()) is not None:
            try:
                observer = observer or Observer(self._folder)
                found, prediction = observer.observe(seen.inputs)
                value_range = observer.description.preprocessing.value_range
                image = _small(seen.file, self._sampling.image_side, value_range)
                self._store.add(Sample(seen.time, seen.request, self._model, found, prediction.to_row(), image))
            except (AutoMLVisionError, OSError, sqlite3.Error, ValueError) as error:
                if str(error) not in self._warned:  # a full disk must neither end the service nor fill the log
                    self._warned.add(str(error))
                    _log.warning("what %s sees is not recorded: %s", self._model, error)


def _small(file: bytes, side: int, value_range: ValueRange | None) -> bytes | None:
    """A JPEG file of an image, at most so many pixels on its longer side; None for 0."""
    if not side:
        return None
    picture = Image.fromarray(load_pixels(file, value_range=value_range))
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()

"""Images of many requests go through the network together: whatever waits when it becomes free is the next batch."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Network = Callable[[NDArray[np.float32]], list[NDArray[Any]]]

_log = logging.getLogger(__name__)


class Item(Protocol):
    """An image that waits for the network."""

    @property
    def views(self) -> NDArray[np.float32]:
        """(v, 3, height, width), normalised."""

    @property
    def is_wanted(self) -> bool:
        """Whether anyone still waits for it; a request that timed out does not."""

    def done(self, outputs: list[NDArray[Any]], begun: float, batch: int) -> None:
        """Called with the rows of its views, the time when its batch began, and the batch's number of views."""

    def failed(self, error: Exception) -> None:
        """Called if the network failed."""


@dataclass
class _Waiting:
    item: Item
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Runs a network on batches of waiting images, in threads of its own.

    A batch begins as soon as a thread is free. If more images are coming and it is not full, it waits for them, at most
    `delay` seconds from its first image on. Items whose views are more than a batch are run alone.

    Args:
        network: maps inputs (n, 3, height, width) to outputs with n rows each; called by `runners` threads at once.
        batch: views per batch, at most.
        coming: tells how many images are being decoded and will be put soon.
        delay: seconds that a batch waits for those, at most.
        runners: threads.
    """

    def __init__(
        self, network: Network, *, batch: int, coming: Callable[[], int], delay: float = 0.0, runners: int = 1
    ) -> None:
        self._network = network
        self._coming = coming
        self._batch, self._delay = batch, delay
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"network-{number}", daemon=True) for number in range(runners)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, item: Item) -> None:
        """Let an image wait for the network."""
        with self._changed:
            self._waiting.append(_Waiting(item))
            self._changed.notify()

    def close(self) -> None:
        """Finish what waits, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                items = self._next()
            if items is None:
                return
            if items:
                self._run(items)

    def _next(self) -> list[Item] | None:
        """The next batch, once it may begin; None at the end. The lock is held."""
        while not self._waiting:
            if self._closed:
                return None
            self._changed.wait()
        begin = self._waiting[0].since + self._delay
        while self._delay and not self._closed and len(self._waiting) < self._batch and self._coming():
            left = begin - time.perf_counter()
            if left <= 0 or not self._changed.wait(left):
                break
            if not self._waiting:  # another thread took them
                return []
        items: list[Item] = []
        views = 0
        while self._waiting:
            item = self._waiting[0].item
            if not item.is_wanted:
                self._waiting.popleft()
                continue
            if items and views + len(item.views) > self._batch:
                break
            items.append(self._waiting.popleft().item)
            views += len(item.views)
        return items

    def _run(self, items: list[Item]) -> None:
        begun = time.perf_counter()
        views = [item.views for item in items]
        try:
            outputs = self._network(views[0] if len(views) == 1 else np.concatenate(views))
        except Exception as error:  # runtimes raise what they like; the next batch may work
            _log.exception("the network failed on a batch of %d images", len(items))
            for item in items:
                item.failed(error)
            return
        total, start = sum(map(len, views)), 0
        for item, own in zip(items, views, strict=True):
            item.done([output[start : start + len(own)] for output in outputs], begun, total)
            start += len(own)

"""Mapping in threads, in order and with a bounded number of results in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, window: int
) -> Iterator[Result]:
    """Map in threads and yield the results in the order of the items.

    The items are taken in the caller's thread. An exception of the function is raised where its result would have come;
    closing the generator waits for the calls that have begun and drops the others.

    Args:
        function: called in the threads.
        items: may be endless.
        threads: at least 1.
        window: maximum number of items that are being mapped or wait to be yielded, at least 1.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        pending = iter(items)
        waiting = deque(pool.submit(function, item) for item in islice(pending, window))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(pending, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)

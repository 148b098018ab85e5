"""A progress bar with the time left, for commands that take long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show on the error stream how far something is, from its first report on.

    In a terminal it is a bar, elsewhere a line every half minute.

    Args:
        text: what is done, such as "images".

    Yields:
        What to call with (done, in all).
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    if not sys.stderr.isatty():
        yield _Lines(text).report
        return
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def report(done: int, total: int) -> None:
            if not bar.task_ids:
                bar.add_task(text)
            bar.update(bar.task_ids[0], completed=done, total=total)

        yield report


class _Lines:
    """Progress for a log, such as `12,800 of 100,000 images, 310.2/s, 0:04:41 left`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._first: tuple[float, int] | None = None
        self._last = 0.0

    def report(self, done: int, total: int) -> None:
        """Print a line if the last one is old enough; what was done before the first call does not count as speed."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._last = (now, done), now
        start, before = self._first
        if now - self._last < _SECONDS_BETWEEN_LINES or done <= before:
            return
        self._last = now
        speed = (done - before) / (now - start)
        left = timedelta(seconds=round((total - done) / speed))
        sys.stderr.write(f"{done:,} of {total:,} {self._text}, {speed:,.1f}/s, {left} left\n")
        sys.stderr.flush()

"""A progress bar with the time left, for commands that take long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show on the error stream how far something is, from its first report on, if that is a terminal.

    Args:
        text: what is done, such as "images".

    Yields:
        What to call with (done, in all).
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:

        def report(done: int, total: int) -> None:
            if not bar.task_ids:
                bar.add_task(text)
            bar.update(bar.task_ids[0], completed=done, total=total)

        yield report

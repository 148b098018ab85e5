"""Tables and times in the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

_PIPE_WIDTH = 250  # columns; in a pipe nothing may be wrapped


def moment(seconds: float) -> str:
    """A time as local date and minute.

    Args:
        seconds: since 1970.
    """
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; on a narrow terminal cells wrap."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from automl_vision.core.text import visible

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)

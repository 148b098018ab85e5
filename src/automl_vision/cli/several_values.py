"""Several values after one option, as in `--minutes 1 5 20`; otherwise the option would stand before each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand


def _is_no_option(text: str) -> bool:
    return not text.startswith("-")


def several_values(option: str, is_value: Callable[[str], bool] = _is_no_option) -> type[TyperCommand]:
    """The class of a command, one of whose options takes all values that follow it.

    Args:
        option: such as `--minutes`; its parameter is a list.
        is_value: whether an argument after the option is one of its values; by default each up to the next option.
    """

    class SeveralValues(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """The arguments, with the option before each of its values."""
            spread: list[str] = []
            follows = False
            for each in args:
                if follows and is_value(each):
                    if spread[-1] != option:
                        spread.append(option)
                else:
                    follows = each == option
                spread.append(each)
            return super().parse_args(ctx, spread)

    return SeveralValues

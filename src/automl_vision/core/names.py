"""The names that people give: of datasets, models, pipelines and projects, which become folders and addresses."""

from __future__ import annotations

NAME_RULE = "letters, digits, - _ and ."
"""What a name is made of, for messages."""


def is_usable_name(name: str) -> bool:
    """Whether a name is made of letters, digits, `-`, `_` and `.`, and does not begin with a dot."""
    return bool(name) and not name.startswith(".") and all(c.isalnum() or c in "-_." for c in name)

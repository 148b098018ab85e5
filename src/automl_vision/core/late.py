"""Functions that are named by a text and imported when they are first needed.

A table can name the builder of a network without loading torch, and a lower room can offer what a higher one does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(reference: str) -> Any:
    """Return the object that `"package.module:name"` refers to.

    Raises:
        ImportError: the module cannot be imported.
        AttributeError: the module has no such name.
    """
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)

"""Functions that are named by a text and imported when they are first needed, and packages that may be missing.

A table can name the builder of a network without loading torch, and a lower room can offer what a higher one does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from automl_vision.core.errors import MissingPackageError

FULL_INSTALL = 'pip install "automl-vision[train]"'
"""Brings everything that the predictor does not need."""


def load(reference: str) -> Any:
    """Return the object that `"package.module:name"` refers to.

    Raises:
        ImportError: the module cannot be imported.
        AttributeError: the module has no such name.
    """
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def optional_package(name: str, *, subject: str | None = None, install: str | None = None) -> Any:
    """Import a package that is not a requirement of ours.

    Args:
        name: of the package.
        subject: how the sentence that it is not installed begins; None for its name.
        install: what brings it, for pip; None for the package itself.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise MissingPackageError(
            f"{subject or name} is not installed. Install it with: pip install {install or name}"
        ) from None


def not_in_the_predictor(subject: str, error: ModuleNotFoundError) -> ModuleNotFoundError | MissingPackageError:
    """What to raise where an import fails because only the predictor is installed.

    Args:
        subject: what was asked for.
        error: of the import; returned as it is where a module of our own is missing.
    """
    if (error.name or "").partition(".")[0] == "automl_vision":
        return error
    return MissingPackageError(
        f"{subject} needs more than the predictor, and {error.name} is not installed. Install it with: {FULL_INSTALL}"
    )

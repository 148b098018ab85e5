"""AutoML Vision: labelled images in, a proven model out."""

from __future__ import annotations

from importlib import import_module

from automl_vision.core.version import VERSION

__version__ = VERSION

with open(f"{__file__}i", encoding="utf-8") as _stub:  # noqa: PTH123 - pathlib is slow to import
    _IMPORTS = [line.split() for line in _stub if line.startswith("from ")]

_EXPORTS = {name: module for _, module, _, name, *_ in _IMPORTS}  # lines are `from module import name as name`

__all__ = [*_EXPORTS, "__version__"]  # noqa: PLE0604 - the names of the lazily loaded exports


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_EXPORTS[name]), name)
    except ModuleNotFoundError as error:
        from automl_vision.core.late import not_in_the_predictor

        raise not_in_the_predictor(f"automl_vision.{name}", error) from error


def __dir__() -> list[str]:
    return sorted(__all__)

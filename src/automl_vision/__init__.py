"""AutoML Vision: labelled images in, a proven model out."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from automl_vision.core.version import VERSION

__version__ = VERSION

with open(f"{__file__}i", encoding="utf-8") as _stub:  # noqa: PTH123 - the list of public names
    _EXPORTS = {name: module for module, name in re.findall(r"^from ([\w.]+) import (\w+) as", _stub.read(), re.M)}

__all__ = [*_EXPORTS, "__version__"]  # noqa: PLE0604 - the names of the lazily loaded exports


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""Numbers that are none: what a diverged training reports must neither rank nor be printed as JSON."""

from __future__ import annotations

import json
import math
from typing import Any


def finite(value: float | None) -> float | None:
    """A number, or None where it is missing, NaN or infinite; only finite numbers can be ranked."""
    return value if value is not None and math.isfinite(value) else None


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that every parser reads: what is NaN or infinite becomes null."""
    return json.dumps(strict(value), indent=indent, ensure_ascii=False, allow_nan=False)


def strict(value: Any) -> Any:
    """JSON values with null where a number is NaN or infinite."""
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, dict):
        return {key: strict(part) for key, part in value.items()}
    return [strict(part) for part in value] if isinstance(value, list | tuple) else value

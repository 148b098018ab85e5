"""VIA has no labels but attributes, which its users name as they like: which of them is the label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.formats.source import as_text

_USUAL = ("label", "class", "class_name", "category", "name", "type", "object", "object_name")
_FEW = 0.5  # an attribute that so few have, of those that have the most frequent one, is a remark


def label_attribute(attributes: Sequence[dict[str, Any]], source: str, *, only_usual: bool = False) -> str:
    """The attribute whose name says that it is the label, else the one that most regions have; empty without any.

    Args:
        attributes: of all regions, or images.
        source: for messages.
        only_usual: take none whose name does not say so.

    Raises:
        DataError: several could be the label.
    """
    counts = Counter(name for item in attributes for name, value in item.items() if labels_of(value))
    most = max(counts.values(), default=0)
    frequent = [name for name, count in counts.items() if count > _FEW * most]
    usual = sorted((name for name in frequent if name.lower() in _USUAL), key=lambda name: _USUAL.index(name.lower()))
    if usual or only_usual:
        return max(usual, key=lambda name: counts[name], default="")
    if len(frequent) > 1:
        raise DataError(
            f"{source}: each of the attributes {', '.join(frequent)} could be the label; choose one with "
            f'label_column="{frequent[0]}"'
        )
    return "".join(frequent)


def labels_of(value: Any) -> list[str]:
    """The labels in an attribute's value: a text, or the options that are set."""
    if isinstance(value, dict):
        return [name.strip() for name, is_set in value.items() if is_set and name.strip()]
    return [text] if (text := as_text(value)) else []

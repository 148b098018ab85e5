"""JSON Schema of samplings and policies, derived from their fields."""

from __future__ import annotations

from typing import Any

from automl_vision.search.distribution_json import FIELDS
from automl_vision.search.policies import KINDS as POLICIES
from automl_vision.search.samplers import KINDS as SAMPLINGS

_NUMBER, _CONSTANT = {"type": "number"}, {"type": ["string", "number", "boolean", "null"]}
_TYPES: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "float | None": _NUMBER,
}


def _distribution(kind: str) -> dict[str, Any]:
    """One distribution; a choice holds constants, or mappings as deep as an alternative in an alternative."""
    values = {"type": "array", "minItems": 1, "items": {"anyOf": [_CONSTANT, {"type": "object"}]}}
    parts = {name: values if name == "values" else _NUMBER for name in FIELDS[kind]}
    return {
        "type": "object",
        "properties": {"type": {"const": kind}, **parts},
        "required": ["type", *parts],
        "additionalProperties": False,
    }


_SPACE = {
    "description": "by name, a distribution or a constant; or a list of such mappings, of which each trial takes one",
    "anyOf": [
        {
            "type": "object",
            "additionalProperties": {"anyOf": [*(_distribution(kind) for kind in FIELDS), _CONSTANT]},
        },
        {"type": "array", "minItems": 1, "items": {"type": "object"}},
    ],
}


_REQUIRED = ("space", "truncation_percentage")


def _one_of(kinds: dict[str, Any], special: dict[str, Any]) -> list[dict[str, Any]]:
    """A schema for each kind, its parameters taken from the class."""
    options = []
    for name, shape in kinds.items():
        fields = shape.__dataclass_fields__
        properties = {field: special.get(field) or _TYPES[fields[field].type] for field in fields}
        options.append(
            {
                "type": "object",
                "properties": {"type": {"const": name}, **properties},
                "required": ["type", *(field for field in fields if field in _REQUIRED)],
                "additionalProperties": False,
            }
        )
    return options


_SPECIAL = {"space": _SPACE, "algorithm": {"enum": ["tpe", "gp"]}}

SAMPLING_SCHEMA: dict[str, Any] = {"anyOf": [*_one_of(SAMPLINGS, _SPECIAL), {"type": "null"}]}
POLICY_SCHEMA: dict[str, Any] = {"anyOf": [*_one_of(POLICIES, {}), {"type": "null"}]}

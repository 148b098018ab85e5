"""Distributions as plain values, as they stand in YAML and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl_vision.core.text import did_you_mean
from automl_vision.search.distributions import Bell, Choice, Distribution, RandInt, Range

FIELDS = {
    "choice": ("values",), "uniform": ("low", "high"), "quniform": ("low", "high", "q"),
    "loguniform": ("low", "high"), "qloguniform": ("low", "high", "q"), "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"), "lognormal": ("mu", "sigma"), "qlognormal": ("mu", "sigma", "q"),
    "randint": ("upper",),
}  # fmt: skip
KINDS = tuple(FIELDS)
_OTHER_NAMES = {"min_value": "low", "max_value": "high", "distribution": "type"}


def distribution_to_json(distribution: Distribution) -> dict[str, Any]:
    """The distribution as plain values; the values of a choice are left as they are."""
    if isinstance(distribution, Choice):
        return {"type": "choice", "values": list(distribution.values)}
    if isinstance(distribution, RandInt):
        return {"type": "randint", "upper": distribution.upper}
    names = ("low", "high") if isinstance(distribution, Range) else ("mu", "sigma")
    numbers = {name: getattr(distribution, name) for name in names}
    return {"type": distribution.kind, **numbers, **({} if distribution.q is None else {"q": distribution.q})}


def distribution_from_json(value: Mapping[str, Any]) -> Distribution:
    """A distribution from its mapping in a file, such as `{type: uniform, low: 0.001, high: 0.01}`.

    Raises:
        ValueError: it breaks the rules; the message is one sentence.
    """
    given = {_OTHER_NAMES.get(str(name), str(name)): part for name, part in value.items()}
    if "type" not in given:
        raise ValueError(
            f"a distribution has a type: {', '.join(KINDS)}; mappings of hyperparameters stand in a choice"
        )
    kind = str(given.pop("type"))
    if kind not in FIELDS:
        raise ValueError(f'no distribution is named "{kind}".{did_you_mean(kind, KINDS)} Choose: {", ".join(KINDS)}')
    fields = FIELDS[kind]
    for name in given:
        if name not in fields:
            raise ValueError(f'{kind} has no "{name}".{did_you_mean(name, fields)} It has: {", ".join(fields)}')
    missing = [name for name in fields if given.get(name) is None]
    if missing:
        raise ValueError(f"{kind} needs {', '.join(missing)}")
    if kind == "choice":
        values = given["values"]
        if not isinstance(values, list | tuple | range):
            raise ValueError(f"the values of a choice are a list, not {values!r}")
        return Choice(tuple(values))
    if kind == "randint":
        return RandInt(given["upper"])
    shape: type[Range | Bell] = Range if kind.endswith("uniform") else Bell
    return shape(**given, log="log" in kind)

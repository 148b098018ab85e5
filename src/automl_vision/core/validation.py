"""Mistakes that pydantic finds, as problems with a path and a sentence in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl_vision.core.errors import InvalidValueError, Problem
from automl_vision.core.text import did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


class CrossCheckError(InvalidValueError):
    """Raised by the validator of one field for mistakes of several: their paths count from the model, not the field."""


def names_of(model: type[BaseModel]) -> dict[str, str]:
    """Every name that a model accepts, old names included, with the name of its field."""
    return {
        str(name): own
        for own, field in model.model_fields.items()
        for name in getattr(field.validation_alias, "choices", [own])
    }


def problems_of(error: ValidationError, known: Sequence[str], *, noun: str) -> list[Problem]:
    """One problem per mistake: the rule, what came, and the near match of a misspelt name.

    Args:
        error: of a model.
        known: every name that the model accepts.
        noun: what the names stand for, such as "setting".
    """
    return [problem for detail in error.errors() for problem in _problems(detail, known, noun)]


def _problems(detail: Any, known: Sequence[str], noun: str) -> list[Problem]:
    path = tuple(detail["loc"])
    cause = cause_of(detail)
    if isinstance(cause, CrossCheckError):
        return cause.problems
    if cause is not None:
        return [problem.within(*path) for problem in cause.problems]
    place = ".".join(map(str, path))
    if detail["type"] == "extra_forbidden" and place in known:
        sentence = f"{place} is another name of a {noun} that is given too; keep one of them"
    elif detail["type"] == "extra_forbidden":
        sentence = f'no {noun} is named "{place}".{did_you_mean(place, known)}'
    elif detail["type"] == "missing":
        sentence = f"{place} is required"
    else:
        sentence = sentence_of(detail, place)
    return [Problem(path, sentence)]


def cause_of(detail: Any) -> InvalidValueError | None:
    """The `InvalidValueError` that a validator raised, if one did."""
    cause = detail.get("ctx", {}).get("error")
    return cause if isinstance(cause, InvalidValueError) else None


def sentence_of(detail: Any, place: str) -> str:
    """The sentence on a value that breaks a rule.

    Args:
        detail: of a `ValidationError`.
        place: where the value stands; empty for the whole.
    """
    if detail["type"] == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
    else:
        message = f"{detail['msg'].lower()}, not {detail['input']!r}"
    return f"{place}: {message}" if place else message

"""The settings of trials beside their defaults, and where those of two trials differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automl_vision.core.errors import UnknownModelError
from automl_vision.recipes.catalog import family_of
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder


@dataclass(frozen=True)
class Setting:
    """One hyperparameter of a trial.

    Attributes:
        name: of the hyperparameter.
        value: of the trial, a JSON value.
        default: of its algorithm.
        meaning: what it is, with its unit.
        is_default: whether value and default are the same.
        is_sampled: whether the sampler chose it.
    """

    name: str
    value: Any
    default: Any
    meaning: str
    is_default: bool
    is_sampled: bool


def trial_settings(trial: TrialFolder) -> list[Setting]:
    """All hyperparameters of a trial: first those that the sampler chose, then those that differ from their defaults.

    A value that AutoMode or the user chose counts as different wherever it is not the algorithm's default.
    """
    plan, task = trial.plan(), RunFolder(trial.path.parents[1]).outline().task
    fields = _fields(task, plan.model_name)
    found = [
        Setting(
            name=name,
            value=value,
            default=fields[name][0] if name in fields else None,
            meaning=fields[name][1] if name in fields else "",
            is_default=name in fields and value == fields[name][0],
            is_sampled=name in plan.sampled,
        )
        for name, value in plan.hyperparameters.items()
    ]
    return sorted(found, key=lambda setting: (not setting.is_sampled, setting.is_default))


def differing_settings(first: TrialFolder, second: TrialFolder) -> list[tuple[str, Any, Any]]:
    """Name and both values of what differs between two trials, the algorithm first; None where a trial has no such."""
    one, two = first.plan(), second.plan()
    values = [{"model_name": plan.model_name, **plan.hyperparameters} for plan in (one, two)]
    names = dict.fromkeys([*values[0], *values[1]])
    return [
        (name, values[0].get(name), values[1].get(name))
        for name in names
        if (name in values[0]) != (name in values[1]) or values[0].get(name) != values[1].get(name)
    ]


def _fields(task: str, model_name: str) -> dict[str, tuple[Any, str]]:
    """Default as a JSON value and meaning of each hyperparameter; none where the algorithm is unknown here."""
    try:
        family = family_of(task, model_name)
    except (KeyError, UnknownModelError):
        return {}
    defaults = family().model_dump(mode="json")
    return {name: (defaults[name], field.description or "") for name, field in family.model_fields.items()}

"""What AutoMode tries besides the default recipe: other backbones or detectors, another resolution, other rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from automl_vision.core.tasks import has_objects
from automl_vision.recipes.catalog import automode_models, has_bundled_weights
from automl_vision.recipes.checking import check_hyperparameters
from automl_vision.recipes.network_costs import relative_latency
from automl_vision.search.experience import Experience
from automl_vision.search.planned_trial import PlannedTrial

RATES = (2.5, 0.4)
"""Factors on the default recipe's learning rate."""

_LARGER = 288 / 224  # the next resolution for which EfficientNets were published
_SIZES = ("training_crop_size", "validation_resize_size", "validation_crop_size")
_UNKNOWN_COST = 4.0  # of a network that was never measured, as of most on the hub
_CHANGES = {
    "tile_grid_size": "in {} tiles",
    "copy_paste": "with pasted objects",
    "mosaic": "with mosaics",
    "repeat_factor_threshold": "with rare classes more often",
}  # in words
_BEST_PROBES = 4  # backbones with resolutions that are trained, of those that were probed


@dataclass(frozen=True)
class Candidate:
    """A change of the default recipe.

    Attributes:
        model_name: the algorithm.
        changes: hyperparameters by name.
        rate: factor on the default recipe's learning rate.
        head_only: whether nothing is trained but the head.
    """

    model_name: str
    changes: tuple[tuple[str, Any], ...] = ()
    rate: float = 1.0
    head_only: bool = False

    @property
    def key(self) -> str:
        """Names the algorithm and what is changed; the probe's score is kept by it."""
        changes = dict(self.changes)
        words = [text.format(changes[name]) for name, text in _CHANGES.items() if name in changes]
        size = None if words else changes.get("validation_crop_size", changes.get("min_size"))
        return " ".join([self.model_name, *([] if size is None else [f"at {size} px"]), *words])

    def cost(self, base: PlannedTrial) -> float:
        """Time of a classifier for an image, roughly, in units of that of the default recipe's network."""
        side = base.hyperparameters.model_dump()[_SIZES[-1]]
        own = dict(self.changes).get(_SIZES[-1], side)
        return relative_latency(self.model_name, own**2, base.model_name, side**2) or _UNKNOWN_COST

    @property
    def role(self) -> str:
        """Names the candidate with its rate; candidates of one role are compared over datasets."""
        if self.head_only:
            return f"{self.key}, head only"
        return self.key if self.rate == 1.0 else f"{self.key}, {self.rate:g} times the rate"


def probed_candidates(base: PlannedTrial, task: str, fixed: Mapping[str, Any]) -> list[Candidate]:
    """Backbones and resolutions whose frozen features are probed before any is trained; none for detectors.

    Args:
        base: the default recipe.
        task: the product's name of the task.
        fixed: hyperparameters that the user fixed; what is fixed is not varied.
    """
    if has_objects(task) or not base.hyperparameters.pretrained or base.start_from:
        return []
    names = [base.model_name, *(automode_models(task) if _is_free(base, fixed) else ())]
    names = list(dict.fromkeys(names))
    values = base.hyperparameters.model_dump()
    larger = 32 * round(_LARGER * int(values["validation_crop_size"]) / 32)
    sized = [] if any(name in fixed for name in (*_SIZES, "crop_size", "resize_size")) else [larger]
    same_size = [Candidate(name) for name in names if name != base.model_name]
    return same_size + [
        Candidate(name, tuple((field, size) for field in _SIZES)) for size in sized for name in names[:3]
    ]


def second_opinions(base: PlannedTrial, task: str, fixed: Mapping[str, Any]) -> list[Candidate]:
    """Heads on pretrained features, to be averaged with the default recipe's network, the quickest first.

    They make other mistakes and cost seconds, since nothing but a head is trained: the default's own network at a
    larger size, and the largest one whose weights are installed. docs/decisions/0071 has what they add.

    Args:
        base: the default recipe.
        task: the product's name of the task.
        fixed: hyperparameters that the user fixed.
    """
    sized = [candidate for candidate in probed_candidates(base, task, fixed) if candidate.changes]
    own = [candidate for candidate in sized if candidate.model_name == base.model_name]
    others = [c for c in sized if c.model_name != base.model_name and has_bundled_weights(c.model_name)]
    return [replace(candidate, head_only=True) for candidate in (*own, *others[-1:])]


def portfolio(
    base: PlannedTrial,
    task: str,
    fixed: Mapping[str, Any],
    probes: Mapping[str, float],
    *,
    suggested: Sequence[Mapping[str, Any]] = (),
    known: Experience | None = None,
) -> list[Candidate]:
    """The candidates in the order in which they are tried.

    What the data suggest and the best probes come first, and between them other rates for the default; then other rates
    for the best of them. What they gained on earlier sets changes this order.

    Args:
        base: the default recipe.
        task: the product's name of the task.
        fixed: hyperparameters that the user fixed.
        probes: score of the probe by candidate's key; what is not in it could not be probed.
        suggested: changes of the default recipe that the data suggest, hyperparameters by name.
        known: what earlier runs say of the candidates.
    """
    probed = probed_candidates(base, task, fixed)
    found = sorted((c for c in probed if c.key in probes), key=lambda c: -probes[c.key])[:_BEST_PROBES]
    if _is_free(base, fixed) and has_objects(task):
        found = [Candidate(name) for name in automode_models(task) if name != base.model_name]
    free = [changes for changes in suggested if not changes.keys() & fixed.keys()]
    found = [Candidate(base.model_name, tuple(changes.items())) for changes in free] + found
    rates = [] if "learning_rate" in fixed else [Candidate(base.model_name, rate=rate) for rate in RATES]
    best = found[:1] if "learning_rate" not in fixed else []
    alternating = [candidate for pair in zip_longest(found, rates) for candidate in pair if candidate is not None]
    planned = alternating + [Candidate(c.model_name, c.changes, rate) for c in best for rate in RATES]
    by_role = {candidate.role: candidate for candidate in planned}
    return [by_role[role] for role in (known or Experience()).ordered(list(by_role))]


def _is_free(base: PlannedTrial, fixed: Mapping[str, Any]) -> bool:
    """Whether other algorithms may be tried: none is fixed, nor weights that fit only one."""
    return not ({"model_name", "weights"} & fixed.keys()) and not base.start_from


def with_input(base: PlannedTrial, task: str, fixed: Mapping[str, Any], side: int) -> PlannedTrial | None:
    """The default recipe with an input of another size; None where the user fixed it.

    Args:
        base: the default recipe.
        task: the product's name of the task.
        fixed: hyperparameters that the user fixed.
        side: in pixels, of a classifier's square input; the shorter one of a detector's, or the longer one where its
            hyperparameter is `image_size`.
    """
    values = base.hyperparameters.model_dump()
    sizes = [name for name in (*_SIZES, "min_size", "image_size") if name in values]
    if any(name in fixed for name in (*sizes, "crop_size", "resize_size", "tile_grid_size")):
        return None
    changes = dict.fromkeys(sizes, side)
    checked, _ = check_hyperparameters(task, {**_settings(fixed), **changes}, base.model_name)
    return None if checked is None else base.model_copy(update={"hyperparameters": checked, "sampled": changes})


def _settings(fixed: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fixed.items() if name != "model_name"}


def planned_candidate(
    candidate: Candidate, base: PlannedTrial, task: str, fixed: Mapping[str, Any], *, learning_rate: float = 1.0
) -> PlannedTrial | None:
    """The trial of a candidate, or None if it conflicts with the fixed hyperparameters.

    Args:
        candidate: to try.
        base: the default recipe.
        task: the product's name of the task.
        fixed: hyperparameters that the user fixed.
        learning_rate: that the default recipe used.
    """
    sampled = dict(candidate.changes)
    if candidate.rate != 1.0:
        sampled["learning_rate"] = float(f"{candidate.rate * learning_rate:.3g}")
    checked, _ = check_hyperparameters(task, {**_settings(fixed), **base.sampled, **sampled}, candidate.model_name)
    if checked is None:
        return None
    return PlannedTrial(
        model_name=candidate.model_name,
        hyperparameters=checked,
        start_from=base.start_from,
        head_only=candidate.head_only,
        role=candidate.role,
        sampled=sampled,
    )

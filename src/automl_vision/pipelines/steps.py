"""The steps of a pipeline in their order: what each depends on and does, and whether a kept result still holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automl_vision.core.errors import PipelineError
from automl_vision.core.text import did_you_mean
from automl_vision.pipelines import check_step, data_step, judging_steps, release_steps, training_step
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.results import (
    Candidate,
    Challenged,
    DataChecked,
    DataTaken,
    Deployed,
    Judged,
    Promoted,
    Results,
    StepResult,
    Trained,
)
from automl_vision.pipelines.store import digest


def _holds(context: PipelineContext, result: StepResult) -> bool:  # noqa: ARG001 - most results do not age
    return True


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        kind: of its result, which names it.
        title: what it does, for people.
        work: does it; the context has the digest of what the result depends on.
        key: what its result depends on, as JSON values; None if only its work can tell.
        holds: whether a kept result is still true.
    """

    kind: type[StepResult]
    title: str
    work: Callable[[PipelineContext, Results], StepResult]
    key: Callable[[PipelineContext, Results], Sequence[object]] | None = None
    holds: Callable[[PipelineContext, Any], bool] = _holds

    @property
    def name(self) -> str:
        """As commands and folders have it."""
        return self.kind.step

    def digest_of(self, context: PipelineContext, results: Results) -> str:
        """The digest under which the result is kept; empty if only the work can tell it."""
        return "" if self.key is None else digest([self.name, *self.key(context, results)])


STEPS = (
    Step(DataTaken, "Register the data as a version, and freeze the test images", data_step.take_data),
    Step(DataChecked, "Check the data by the doctor", check_step.check_data, check_step.check_key),
    Step(
        Trained,
        "Train, from the champion's weights and from the start weights",
        training_step.train,
        training_step.training_key,
        training_step.still_trained,
    ),
    Step(
        Judged,
        "Measure the model on the frozen test images",
        judging_steps.evaluate_model,
        judging_steps.evaluation_key,
    ),
    Step(
        Candidate,
        "Register the model as a candidate",
        judging_steps.register_candidate,
        judging_steps.registration_key,
        judging_steps.still_registered,
    ),
    Step(
        Challenged,
        "Compare the candidate with the champion",
        judging_steps.compare_with_champion,
        judging_steps.comparison_key,
        judging_steps.still_compared,
    ),
    Step(
        Promoted,
        "Make the candidate the champion",
        release_steps.promote_candidate,
        release_steps.promotion_key,
        release_steps.still_champion,
    ),
    Step(
        Deployed,
        "Serve the champion from the endpoint",
        release_steps.deploy_champion,
        release_steps.deployment_key,
    ),
)
"""Each takes the results of those before it."""


def find_step(name: str) -> Step:
    """A step by its name.

    Raises:
        PipelineError: there is none of this name.
    """
    names = [step.name for step in STEPS]
    if name not in names:
        raise PipelineError(f'no step is named "{name}".{did_you_mean(name, names)} Steps: {", ".join(names)}')
    return STEPS[names.index(name)]


def known_result(step: Step, context: PipelineContext, results: Results) -> StepResult | None:
    """The kept result of a step, if it was done with these inputs and still holds."""
    return _kept(step, context, step.digest_of(context, results))


def _kept(step: Step, context: PipelineContext, key: str) -> StepResult | None:
    kept = context.store.load(step.kind, key) if key else None
    return kept if kept is not None and step.holds(context, kept) else None


def perform(step: Step, context: PipelineContext, results: Results) -> tuple[StepResult, bool]:
    """Do a step, unless its result is known; the result is kept.

    Args:
        step: to do.
        context: of the pipeline.
        results: of the steps before; the new one is added.

    Returns:
        The result, and whether it is new.
    """
    key = step.digest_of(context, results)
    known = _kept(step, context, key)
    if known is not None:
        results.add(known)
        return known, False
    begun = time.time()
    found = step.work(replace(context, key=key), results)
    if not key:
        key = digest([step.name, found.model_dump(include={"fingerprint", "test_fingerprint", "version"})])
        known = context.store.load(step.kind, key)
        if known is not None:
            context.store.note_last(step.name, key)
            results.add(known)
            return known, False
    now = time.time()
    result = found.model_copy(update={"key": key, "made": now, "seconds": now - begun, "by": context.by})
    context.store.save(result)
    if step.key is None:
        context.store.note_last(step.name, key)
    results.add(result)
    return result, True

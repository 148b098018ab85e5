"""A pipeline from its first step to its last one, or a single step of it, in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from automl_vision.core.errors import PipelineError
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.results import DataTaken, Results, StepResult
from automl_vision.pipelines.steps import STEPS, Step, find_step, known_result, perform


@dataclass(frozen=True)
class Done:
    """A step that is done.

    Attributes:
        step: which one.
        result: what it found.
        is_new: whether it was done now, not before.
    """

    step: Step
    result: StepResult
    is_new: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a pipeline.

    Attributes:
        done: the steps that were done, in their order.
        refused: the step whose gate refused; None if all passed.
    """

    done: tuple[Done, ...]

    @property
    def refused(self) -> Done | None:
        """The step that stopped the pipeline; None if none did."""
        return next((each for each in self.done if not each.result.passed), None)

    @property
    def passed(self) -> bool:
        """Whether no gate refused."""
        return self.refused is None


def run_pipeline(
    context: PipelineContext, *, until: str | None = None, begin: Callable[[Step], None] | None = None,
    end: Callable[[Done], None] | None = None,
) -> Outcome:  # fmt: skip
    """Do every step of a pipeline that is not done yet, up to the first gate that refuses.

    A pipeline that was killed goes on where it was: results of finished steps are kept, and a run is resumed.

    Args:
        context: of the pipeline.
        until: name of the last step to do; None does all.
        begin: called with each step before it is done.
        end: called with each step that is done.

    Raises:
        PipelineError: another process works on the pipeline, or no step has this name.
    """
    last = STEPS[-1] if until is None else find_step(until)
    results, done = Results(), []
    with context.store.held(context.patience):
        for step in STEPS:
            if begin is not None:
                begin(step)
            done.append(Done(step, *perform(step, context, results)))
            if end is not None:
                end(done[-1])
            if step is last or not done[-1].result.passed:
                break
    return Outcome(tuple(done))


def run_step(context: PipelineContext, name: str) -> Done:
    """Do one step, with the kept results of those before it.

    Raises:
        PipelineError: a step before it is not done for the data as it is now, or its gate refused.
    """
    chosen = find_step(name)
    with context.store.held(context.patience):
        results = Results()
        for step in STEPS[: STEPS.index(chosen)]:
            _require(step, context, results)
        return Done(chosen, *perform(chosen, context, results))


def _require(step: Step, context: PipelineContext, results: Results) -> None:
    """Add the result of an earlier step.

    The first one is done again, for the data may have changed; of a version that is named what was found last holds.
    """
    if step.key is not None:
        found = known_result(step, context, results)
    else:
        found = _taken(context) or perform(step, context, results)[0]
    name = context.definition.name
    if found is None:
        raise PipelineError(
            f"the step {step.name} of {name} is not done for the data and settings as they are now; do it with: "
            f"automl-vision pipeline {step.name} FILE"
        )
    if not found.passed:
        raise PipelineError(f"the step {step.name} of {name} did not pass: {found.sentence}")
    results.add(found)


def _taken(context: PipelineContext) -> DataTaken | None:
    """What was found last of the data, if it is the version that the context names."""
    taken = context.store.last(DataTaken) if context.version is not None else None
    return taken if taken is not None and taken.version == context.version else None


def known_results(context: PipelineContext, taken: DataTaken | None = None) -> tuple[Results, Step | None]:
    """What is done for a version of the data, and the step that comes next; nothing is done here.

    It can be asked while another process works on the pipeline.

    Args:
        context: of the pipeline.
        taken: the version; None for what was taken last.
    """
    taken = context.store.last(DataTaken) if taken is None else taken
    results = Results()
    for step in STEPS:
        found = taken if step.key is None else known_result(step, context, results)
        if found is None:
            return results, step
        results.add(found)
        if not found.passed:
            break
    return results, None

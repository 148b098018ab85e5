"""What a run will do with its time, estimated before it starts; a pure function of its specification and a pace."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import Field

from automl_vision.core.records import Record
from automl_vision.core.text import rough_duration
from automl_vision.runs.automode import second_opinion_trials
from automl_vision.runs.budget import Budget
from automl_vision.runs.pace import Pace
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.timing import timing_seconds
from automl_vision.search.portfolio import portfolio, probed_candidates
from automl_vision.search.space import most_configurations

_START = 6.0  # seconds until the first trial begins: processes, decoding of the first images
_EARLY = 0.6  # of the epochs, after which early stopping may end a trial
# a trial of AutoMode's portfolio against the default recipe: EfficientNet-Lite1 and 2 take 1.5 and 2.2 times the
# operations, the larger resolution 1.7 times, and successive halving ends two thirds of them early
_LIGHTEST, _TYPICAL, _HEAVIEST = 0.5, 1.2, 2.5
_REFIT_PART = 0.5  # of a trial: a third of its epochs, each with a quarter more images, its start and its end
_LONG = 48 * 3600.0  # seconds; a longer time is not a plan but a limit


class Span(Record):
    """An estimate: the true value lies between `low` and `high` in most cases."""

    low: float
    likely: float
    high: float


class Plan(Record):
    """What a run will do with its time."""

    mode: Literal["one trial", "sweep", "AutoMode"]
    wanted: int = Field(description="maximum number of trials")
    epochs: int = Field(description="of a full trial")
    budget_seconds: float = Field(description="the run's whole time")
    trial_seconds: Span | None = Field(description="of a full trial; null if nothing is known of the algorithm's speed")
    trials: Span | None = Field(description="number of trials; below 1 the first one is cut short")
    first_epochs: int | None = Field(description="epochs of the first trial where no full one fits")
    seconds: Span | None = Field(description="from the start to the model")
    basis: str = Field(description="where the speed is known from")
    reasons: list[str] = Field(default_factory=list, description="what makes it uncertain, in sentences")

    @property
    def sentence(self) -> str:
        """The plan without times of day, such as "AutoMode: about 14 trials (9 to 22) of about 90 s"."""
        mode = self.mode[0].upper() + self.mode[1:]
        if self.trial_seconds is None or self.trials is None:
            return f"{mode}: how long a trial takes is not known before it has begun"
        each = rough_duration(self.trial_seconds.likely)
        if self.first_epochs is not None:
            if not self.first_epochs:
                return f"{mode}: the time ends within the first epoch"
            return f"{mode}: time for about {self.first_epochs} of at most {self.epochs} epochs"
        if self.mode == "one trial":
            return f"One trial of about {each}"
        low, likely, high = (round(value) for value in (self.trials.low, self.trials.likely, self.trials.high))
        about = f"about {likely} trials" if likely != 1 else "about 1 trial"
        return f"{mode}: {about} ({max(1, low)} to {high}) of about {each}" if low != high else f"{mode}: {about}"

    def ready(self, start: float) -> str:
        """When the model is ready, in words, for a run that starts at a time in seconds since 1970."""
        if self.seconds is None or self.seconds.high >= _LONG:
            limit = self.budget_seconds
            return f"ready by {_day(start + limit)} at the latest" if limit < _LONG else "it ends when its trials have"
        early, late = start + self.seconds.low, start + self.seconds.high
        if late - early < 90:
            return f"ready at about {_day(late)}"
        return f"ready at about {_day(start + self.seconds.likely)}, between {_day(early)} and {_day(late)}"


def plan_run(spec: RunSpec, pace: Pace | None, *, images: int, lanes: int = 1) -> Plan:
    """Estimate what a run will do with its time.

    Args:
        spec: of the run.
        pace: of its first algorithm; None if it is not known.
        images: of the dataset.
        lanes: trials that run at once without slowing one another, such as one for each GPU.
    """
    mode: Literal["one trial", "sweep", "AutoMode"] = (
        "AutoMode" if spec.automode else "sweep" if spec.is_sweep else "one trial"
    )
    wanted, epochs = wanted_trials(spec), spec.trials[0].hyperparameters.number_of_epochs
    if pace is None:
        return Plan(
            mode=mode, wanted=wanted, epochs=epochs, budget_seconds=spec.budget_seconds, trial_seconds=None,
            trials=None, first_epochs=None, seconds=None, basis="", reasons=[_UNKNOWN],
        )  # fmt: skip
    budget = Budget.of(spec)
    left = max(0.0, budget.seconds_for_all_trials - _START)
    left -= timing_seconds(left) if spec.is_sweep else 0.0
    each = _trial_span(spec, pace, images, epochs)
    fits = Span(low=lanes * left / each.high, likely=lanes * left / each.likely, high=lanes * left / each.low)
    whole = pace.trial(images, epochs)
    first = None if whole <= left else max(0, int((left - pace.trial(images, 0)) / max(1e-9, images * pace.epoch)))
    trials = Span(**{name: min(float(wanted), max(1.0, value)) for name, value in fits})
    return Plan(
        mode=mode,
        wanted=wanted,
        epochs=epochs,
        budget_seconds=spec.budget_seconds,
        trial_seconds=each,
        trials=trials,
        first_epochs=first,
        seconds=_total(budget, each, wanted / lanes),
        basis=pace.basis,
        reasons=_reasons(spec, pace),
    )


_UNKNOWN = "no trial of this algorithm with images of this size has run here yet"


def _trial_span(spec: RunSpec, pace: Pace, images: int, epochs: int) -> Span:
    """Seconds of one of the run's trials."""
    hyperparameters = spec.trials[0].hyperparameters
    shortest = max(1, round(_EARLY * epochs)) if hyperparameters.early_stopping else epochs
    light, typical, heavy = (_LIGHTEST, _TYPICAL, _HEAVIEST) if spec.automode and spec.iterations > 1 else (1, 1, 1)
    return Span(
        low=light * pace.trial(images, shortest) / pace.spread,
        likely=typical * pace.trial(images, epochs),
        high=heavy * pace.trial(images, epochs) * pace.spread,
    )


def _total(budget: Budget, each: Span, rounds: float) -> Span:
    """Seconds from the start to the model: all wanted trials and what follows them, or the whole time."""
    fixed = _START + budget.packaging + budget.measuring
    return Span(
        **{
            name: min(budget.total, fixed + max(1.0, rounds) * value + min(budget.refit, _REFIT_PART * value))
            for name, value in each
        }
    )


def _reasons(spec: RunSpec, pace: Pace) -> list[str]:
    found = [f"the speed is known within a factor of {pace.spread:.2g} ({pace.basis})"]
    if spec.trials[0].hyperparameters.early_stopping:
        found.append("early stopping may end a trial before its last epoch")
    if spec.automode:
        found.append("other algorithms take longer than the default one, and poor trials end early")
    elif spec.sampling is not None:
        found.append("trials with other algorithms, sizes or epochs take another time")
    return found


def wanted_trials(spec: RunSpec) -> int:
    """The maximum number of trials of a run."""
    base, search = spec.trials[0], spec.search
    if search is not None:
        return most_configurations(search.search_space, spec.iterations)
    if not spec.automode:
        return 1
    probes = {candidate.key: 0.0 for candidate in probed_candidates(base, spec.task, spec.arguments)}
    others = len(second_opinion_trials(spec)) + len(portfolio(base, spec.task, spec.arguments, probes))
    return min(spec.iterations, 1 + others)


def _day(moment: float) -> str:
    """A time of day, with the date if it is not today."""
    local, today = time.localtime(moment), time.localtime()
    clock = time.strftime("%H:%M", local)
    return clock if local[:3] == today[:3] else f"{clock} on {local.tm_mday} {time.strftime('%B', local)}"

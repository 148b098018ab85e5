"""What different times would buy on a dataset: epochs, trials, and the score to expect with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from automl_vision.core.records import Record
from automl_vision.core.tasks import TASKS, has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.scan import Progress
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.experiment.experiment import Experiment
from automl_vision.experiment.probed import Probed, probed
from automl_vision.runs.past_trials import data_facts
from automl_vision.runs.plan import Plan
from automl_vision.search.forecast import LEVEL, forecast, gain_per_doubling


class ScoreForecast(Record):
    """The score to expect on validation images."""

    metric: str
    value: float
    low: float = Field(description="end of an interval that holds the score in 80 % of cases")
    high: float


class BudgetForecast(Record):
    """What a time would buy."""

    minutes: float
    plan: Plan
    epochs: int | None = Field(description="of the first trial; null if the speed is not known")
    score: ScoreForecast | None = Field(description="null where only training can tell")

    @property
    def sentence(self) -> str:
        """In words, such as "5 min: about 12 epochs; accuracy 0.86 [0.83, 0.89]"."""
        what = "how far it gets is not known before it has begun" if self.epochs is None else _epochs(self.epochs)
        if self.plan.trials is not None and round(self.plan.trials.likely) > 1:
            what += f", about {round(self.plan.trials.likely)} trials"
        if self.score is None:
            return f"{self.minutes:g} min: {what}"
        score = f"{self.score.metric} {self.score.value:.2f} [{self.score.low:.2f}, {self.score.high:.2f}]"
        return f"{self.minutes:g} min: {what}; {score}"


class BudgetForecasts(Record):
    """What several times would buy, and how sure that is."""

    budgets: list[BudgetForecast]
    basis: list[str] = Field(description="what the forecasts rest on, in sentences")


def forecast_budgets(
    experiment: Experiment, dataset: Dataset, minutes: Sequence[float], *, progress: Progress | None = None
) -> BudgetForecasts:
    """Forecast what runs of AutoMode with different times would give on a dataset; nothing is trained.

    The speed comes from the workspace's history, or else from the benchmarks. For classes, a linear probe on frozen
    features is fitted, which takes seconds, and what fine-tuning adds to a probe comes from the history and from open
    sets. For objects there is no probe, so that only the speed is told.

    Args:
        experiment: in whose workspace the runs would be.
        dataset: to train on.
        minutes: the times.
        progress: is told how many images have features.

    Raises:
        DataError: the dataset has too few images.
    """
    images = None if has_objects(dataset.task) else probed(dataset, progress=progress)
    start = None if images is None else images.score(images.training)
    past, facts = experiment.workspace.history.usable(), data_facts(dataset)
    budgets, basis = [], []
    for each in minutes:
        config = AutoMLVisionConfig(task=dataset.task, training_data=dataset, experiment_timeout_hours=each / 60)
        plan = experiment.plan(config, images=len(dataset))
        epochs = None if plan.trials is None else plan.epochs if plan.first_epochs is None else plan.first_epochs
        score = None
        if images is not None and start is not None and epochs is not None:
            rate, sets = gain_per_doubling(past, facts, dataset.task, TASKS[dataset.task].default_model)
            found = forecast(start, len(images.judged), epochs, rate)
            score = ScoreForecast(metric=images.metric, value=found.value, low=found.low, high=found.high)
            basis = _basis(images, start, sets)
        budgets.append(BudgetForecast(minutes=each, plan=plan, epochs=epochs, score=score))
    if has_objects(dataset.task):
        basis = ["what an object detector will score is known only when it trains"]
    return BudgetForecasts(budgets=budgets, basis=[*basis, *budgets[-1].plan.reasons] if budgets else basis)


def _basis(images: Probed, start: float, sets: int) -> list[str]:
    known = "earlier runs on 1 set" if sets == 1 else f"earlier runs on {sets} sets"
    return [
        f"a linear probe on {len(images.training)} images has {images.metric} {start:.3f} "
        f"on {len(images.judged)} validation images",
        f"what training adds is known from nine other sets{f' and {known}' if sets else ''}; "
        f"the intervals should hold the score in {LEVEL:.0%} of cases",
    ]


def _epochs(count: int) -> str:
    if not count:
        return "the linear probe and no epoch"
    return "about 1 epoch" if count == 1 else f"up to {count} epochs"

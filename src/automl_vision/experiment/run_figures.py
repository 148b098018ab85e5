"""The figures of a run: its board, what trials cost, and the hyperparameters they tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from automl_vision.charts import search as charts
from automl_vision.charts.marks import CannotDrawError
from automl_vision.core.records import Ranking
from automl_vision.experiment.figures import Figures
from automl_vision.runs.leaderboard import Leaderboard
from automl_vision.runs.verdict import Verdict
from automl_vision.search.importance import MOST_TRIALS, Tried, importances

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


Weigh = Callable[[Sequence[Tried]], dict[str, float]]
"""Returns the importance of hyperparameters, as `importances` does."""


def run_figures(
    leaderboard: Leaderboard,
    ranking: Ranking,
    verdict: Callable[[], Verdict | None],
    *,
    weigh: Weigh = importances,
) -> Figures:
    """The figures of a run's trials.

    Args:
        leaderboard: best first.
        ranking: by which metric.
        verdict: returns what paired tests say of the trials.
        weigh: `importances`, or what remembers or computes it elsewhere.
    """
    settings = _settings(leaderboard)
    metric, lower = ranking.metric, ranking.lower_is_better
    return Figures(
        {
            "board": lambda: _board(leaderboard, metric, verdict()),
            "latency": lambda: charts.trade_off(
                _scores(leaderboard, verdict()), metric, "milliseconds", lower_is_better=lower
            ),
            "size": lambda: charts.trade_off(
                _scores(leaderboard, verdict()), metric, "megabytes", lower_is_better=lower
            ),
            "parallel_coordinates": lambda: charts.parallel_coordinates(settings, metric, lower_is_better=lower),
            "importance": lambda: _importance(settings, metric, weigh),
        }
    )


def _board(leaderboard: Leaderboard, metric: str, verdict: Verdict | None) -> Figure:
    is_tested = verdict is not None and bool(verdict.tests)
    recommended = verdict.recommended if verdict is not None and is_tested else None
    return charts.board(_scores(leaderboard, verdict), metric, recommended=recommended)


def _scores(leaderboard: Leaderboard, verdict: Verdict | None) -> list[charts.TrialScore]:
    standings: dict[int, charts.Standing] = {}
    if verdict is not None:
        standings = {test.trial: "worse" if test.is_different else "tied" for test in verdict.tests}
        standings[verdict.best] = "best"
    return [
        charts.TrialScore(
            trial=row.trial,
            name=row.model_name,
            value=row.score.value,
            low=row.score.low,
            high=row.score.high,
            standing=standings.get(row.trial, "unknown"),
            milliseconds=row.latency_ms,
            megabytes=row.size_mb,
        )
        for row in leaderboard
        if row.score is not None
    ]


def _settings(leaderboard: Leaderboard) -> list[charts.TrialSettings]:
    return [
        charts.TrialSettings(row.trial, {"model": row.model_name, **row.sampled}, row.score.value)
        for row in leaderboard
        if row.score is not None and row.status.has_result
    ]


def _importance(settings: list[charts.TrialSettings], metric: str, weigh: Weigh) -> Figure:
    try:
        shares = weigh([(trial.values, trial.score) for trial in settings])
    except ValueError as error:
        raise CannotDrawError(str(error)) from None
    return charts.importance(shares, metric, trials=min(len(settings), MOST_TRIALS), of=len(settings))

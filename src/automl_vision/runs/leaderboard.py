"""The leaderboard of a run: every trial with its score, interval, configuration and status, best first."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from automl_vision.core.numbers import finite
from automl_vision.core.records import MetricInterval, Ranking, Record, Report, TrialStatus
from automl_vision.workspace.trial_folder import TrialFolder

SPLITS = {"val": "validation", "test": "test"}
"""The splits that trials are scored on, with the words for them."""


class Row(Record):
    """One trial."""

    rank: int | None = Field(default=None, description="from 1; None without a score")
    trial: int = Field(description="its number in the run")
    model_name: str
    status: TrialStatus
    score: MetricInterval | None = Field(
        description="the primary metric on the validation images; None before the first validation"
    )
    test_score: MetricInterval | None = Field(description="on the test images, if there are any")
    best_epoch: int | None = Field(description="epoch whose weights were kept; 0 is the probe")
    epochs: int | None = Field(description="epochs trained")
    seconds: float | None = Field(description="of work")
    parameters: int | None = Field(description="number of weights")
    reason: str | None = Field(description="why the trial ended early or failed")
    sampled: dict[str, Any] = Field(
        default_factory=dict, serialization_alias="drawn", description="the sampler's choices"
    )
    role: str = Field(default="", description='such as "default recipe"')
    metrics: dict[str, dict[str, MetricInterval]] = Field(
        default_factory=dict, exclude=True, description="all metrics by split and name, of a trial that has a result"
    )

    def metric(self, name: str, split: str) -> MetricInterval | None:
        """A metric on a split; None before the trial has a result, and where it is undefined."""
        return self.metrics.get(split, {}).get(name)


class Leaderboard(Sequence[Row]):
    """The trials of a run, best first; shown as a table in a terminal and in a notebook.

    Args:
        metric: the primary metric.
        rows: best first.
        shown: further metrics that have columns.
    """

    def __init__(self, metric: str, rows: Sequence[Row], shown: Sequence[str] = ()) -> None:
        self.metric = metric
        self.shown = tuple(shown)
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def to_json(self) -> list[dict[str, Any]]:
        """The rows as JSON values; with `metrics`, by name and split, if some are shown."""
        return [row.model_dump(by_alias=True) | self._shown_values(row) for row in self._rows]

    def columns(self) -> list[str]:
        """The headings of `cells`."""
        scores = [f"{name} ({word})" for name, split in self._scores for word in (SPLITS[split],)]
        sampled = ["hyperparameters"] if self._shows_sampled else []
        return ["rank", "trial", "model", *sampled, *scores, "best epoch", "time", "status"]

    @property
    def _shows_sampled(self) -> bool:
        return any(row.sampled or row.role for row in self._rows)

    @property
    def _scores(self) -> list[tuple[str, str]]:
        """Metric and split of each column; those of the test images only if there are any."""
        has_test = any(row.test_score is not None for row in self._rows)
        return [(name, split) for name in (self.metric, *self.shown) for split in SPLITS if has_test or split == "val"]

    def _score(self, row: Row, name: str, split: str) -> MetricInterval | None:
        if name != self.metric:
            return row.metric(name, split)
        return row.score if split == "val" else row.test_score

    def _shown_values(self, row: Row) -> dict[str, Any]:
        def values(name: str) -> dict[str, Any]:
            found = {split: row.metric(name, split) for split in SPLITS}
            return {split: value.model_dump() for split, value in found.items() if value is not None}

        return {"metrics": {name: values(name) for name in self.shown}} if self.shown else {}

    def cells(self) -> list[list[str]]:
        """The rows as texts, for tables."""
        return [
            [
                str(row.rank or ""),
                str(row.trial),
                row.model_name,
                *([_sampled_text(row)] if self._shows_sampled else []),
                *(_score_text(self._score(row, name, split)) for name, split in self._scores),
                "" if row.best_epoch is None else f"{row.best_epoch} of {row.epochs}",
                "" if row.seconds is None else f"{row.seconds:.0f} s",
                row.status if not row.reason else f"{row.status}: {row.reason}",
            ]
            for row in self._rows
        ]

    def __repr__(self) -> str:
        table = [self.columns(), *self.cells()]
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        )

    def _repr_html_(self) -> str:
        def line(cells: list[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(line(cells, "td") for cells in self.cells())
        return f"<table><thead>{line(self.columns(), 'th')}</thead><tbody>{body}</tbody></table>"


def ranked(rows: Sequence[Row], ranking: Ranking) -> list[Row]:
    """Rows in their order, with their ranks."""
    ordered = sorted(
        rows, key=lambda row: (row.score is None, -ranking.score(row.score.value) if row.score else 0, row.trial)
    )
    return [row if row.score is None else row.model_copy(update={"rank": i}) for i, row in enumerate(ordered, start=1)]


def read_row(trial: TrialFolder, ranking: Ranking) -> Row:
    """Read what a trial's files say as they are now."""
    record, result, metrics, plan = trial.record(), trial.result(), trial.metrics(), trial.plan()
    found = {split: _finite(report) for split, report in (metrics.splits if metrics else {}).items()}
    name = ranking.metric
    return Row(
        trial=trial.number,
        model_name=plan.model_name,
        status=record.status,
        score=found.get("val", {}).get(name) or _best_so_far(trial, ranking),
        test_score=found.get("test", {}).get(name),
        best_epoch=result.best_epoch if result else None,
        epochs=result.epochs if result else None,
        seconds=result.seconds if result else None,
        parameters=result.parameters if result else None,
        reason=record.reason or (result.stopped if result else None),
        sampled={name: value for name, value in plan.sampled.items() if name != "model_name"},
        role=plan.role,
        metrics=found,
    )


def _finite(report: Report) -> dict[str, MetricInterval]:
    """A report's metrics that are finite numbers, with their intervals if those are finite too."""
    found = {}
    for name, value in report.metrics.items():
        interval = report.intervals.get(name)
        is_known = interval is not None and finite(interval.low) is not None and finite(interval.high) is not None
        if finite(value) is not None:
            found[name] = interval if interval is not None and is_known else MetricInterval(value=value)
    return found


def _best_so_far(trial: TrialFolder, ranking: Ranking) -> MetricInterval | None:
    best = ranking.best_of(evaluation.metrics.get(ranking.metric) for evaluation in trial.evaluations())
    return None if best is None else MetricInterval(value=best)


def _sampled_text(row: Row) -> str:
    values = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.sampled.items()
    )
    return ": ".join(part for part in (row.role, values) if part)


def _score_text(score: MetricInterval | None) -> str:
    if score is None:
        return ""
    if score.low is None:
        return f"{score.value:.4f}"
    return f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]"

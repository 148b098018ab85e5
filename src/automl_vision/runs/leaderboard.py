"""The leaderboard of a run: every trial with its score, interval, cost, configuration and status, best first."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from automl_vision.core.numbers import finite
from automl_vision.core.records import MetricInterval, Ranking, Record, Report, Speed, TrialStatus, cost_text
from automl_vision.runs.front import on_front
from automl_vision.workspace.trial_folder import TrialFolder

SPLITS = {"val": "validation", "test": "test"}
"""The splits that trials are scored on, with the words for them."""

_COSTS = ["ms per image", "in batches of 8", "MB", "front"]


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
    latency_ms: float | None = Field(
        default=None, description="median milliseconds per image of the exported network, one image per batch"
    )
    batch_latency_ms: float | None = Field(default=None, description="the same in batches of eight images")
    size_mb: float | None = Field(default=None, description="of the exported file, in units of 10^6 bytes")
    measured_on: str | None = Field(default=None, description="runtime, threads and processor of these figures")
    not_measurable: str | None = Field(default=None, description="why the network cannot be exported or measured")
    on_front: bool = Field(
        default=False, description="whether no other trial is as good in metric, latency and size and better in one"
    )
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

    @property
    def cost_text(self) -> str:
        """Latency and size, such as "7.1 ms per image, 4.3 MB"; empty where they are not measured."""
        return cost_text(self.latency_ms, self.size_mb)


class Leaderboard(Sequence[Row]):
    """The trials of a run, best first; shown as a table in a terminal and in a notebook.

    Args:
        metric: the primary metric.
        rows: best first.
        shown: further metrics that have columns.
        note: a sentence on what the rows are, where they are not all trials.
    """

    def __init__(self, metric: str, rows: Sequence[Row], shown: Sequence[str] = (), note: str = "") -> None:
        self.metric = metric
        self.shown = tuple(shown)
        self.note = note
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    @property
    def known_metrics(self) -> list[str]:
        """The metrics that any trial has, the primary one first."""
        names = {name for row in self._rows for report in row.metrics.values() for name in report}
        return sorted(names, key=lambda name: (name != self.metric, name))

    @property
    def differing(self) -> list[str]:
        """The sampled settings that are not the same in all trials."""
        names = dict.fromkeys(name for row in self._rows for name in row.sampled)
        return [name for name in names if len({repr(row.sampled.get(name)) for row in self._rows}) > 1]

    def to_json(self) -> list[dict[str, Any]]:
        """The rows as JSON values; with `metrics`, by name and split, if some are shown."""
        return [row.model_dump(by_alias=True) | self._shown_values(row) for row in self._rows]

    def columns(self) -> list[str]:
        """The headings of `cells`."""
        scores = [f"{name} ({word})" for name, split in self._scores for word in (SPLITS[split],)]
        sampled = ["hyperparameters"] if self._shows_sampled else []
        costs = _COSTS if self._shows_costs else []
        return ["rank", "trial", "model", *sampled, *scores, *costs, "best epoch", "time", "status"]

    @property
    def measured_on(self) -> str:
        """How latency was measured, in a sentence; empty if it was not."""
        found = sorted({row.measured_on for row in self._rows if row.measured_on is not None})
        if not found:
            return ""
        differ = "; figures of different machines do not compare" if len(found) > 1 else ""
        return f"latency of the network alone: {'; '.join(found)}{differ}"

    @property
    def _shows_costs(self) -> bool:
        return any(row.latency_ms is not None for row in self._rows)

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
                *(_cost_cells(row) if self._shows_costs else []),
                "" if row.best_epoch is None else f"{row.best_epoch} of {row.epochs}",
                "" if row.seconds is None else f"{row.seconds:.0f} s",
                _status_text(row),
            ]
            for row in self._rows
        ]

    def __repr__(self) -> str:
        table = [self.columns(), *self.cells()]
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]
        return "\n".join([*lines, *([self.note] if self.note else [])])

    def _repr_html_(self) -> str:
        def line(cells: list[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(line(cells, "td") for cells in self.cells())
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"<table><thead>{line(self.columns(), 'th')}</thead><tbody>{body}</tbody></table>{note}"


def ranked(rows: Sequence[Row], ranking: Ranking) -> list[Row]:
    """Rows in their order, with their ranks, and those marked that are on the front of metric, latency and size."""
    ordered = sorted(
        rows, key=lambda row: (row.score is None, -ranking.score(row.score.value) if row.score else 0, row.trial)
    )
    front = on_front([_costs(row, ranking) for row in ordered])
    return [
        row if row.score is None else row.model_copy(update={"rank": i, "on_front": is_on_front})
        for i, (row, is_on_front) in enumerate(zip(ordered, front, strict=True), start=1)
    ]


def _costs(row: Row, ranking: Ranking) -> tuple[float | None, ...]:
    """What a trial is weighed by; of each, lower is better."""
    return None if row.score is None else -ranking.score(row.score.value), row.latency_ms, row.size_mb


def read_row(trial: TrialFolder, ranking: Ranking) -> Row:
    """Read what a trial's files say as they are now."""
    record, result, metrics, plan = trial.record(), trial.result(), trial.metrics(), trial.plan()
    speed = trial.speed() or Speed()
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
        latency_ms=speed.image_ms(1),
        batch_latency_ms=speed.image_ms(8),
        size_mb=speed.megabytes,
        measured_on=speed.conditions,
        not_measurable=speed.problem,
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


def _status_text(row: Row) -> str:
    status = row.status if not row.reason else f"{row.status}: {row.reason}"
    return status if row.not_measurable is None else f"{status}; cannot be measured: {row.not_measurable}"


def _cost_cells(row: Row) -> list[str]:
    figures = (row.latency_ms, row.batch_latency_ms, row.size_mb)
    return [*("" if figure is None else f"{figure:.3g}" for figure in figures), "front" if row.on_front else ""]


def _score_text(score: MetricInterval | None) -> str:
    if score is None:
        return ""
    if score.low is None:
        return f"{score.value:.4f}"
    return f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]"

"""The leaderboard of a run: every trial with its score, interval, configuration and status, best first."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from automl_vision.core.numbers import finite
from automl_vision.core.records import MetricInterval, Record, Report, RunOutline, TrialStatus
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder


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
    reason: str | None = Field(description="why the trial ended early or failed")
    sampled: dict[str, Any] = Field(
        default_factory=dict, serialization_alias="drawn", description="the sampler's choices"
    )
    role: str = Field(default="", description='such as "default recipe"')


class Leaderboard(Sequence[Row]):
    """The trials of a run, best first; shown as a table in a terminal and in a notebook.

    Args:
        metric: the primary metric.
        rows: best first.
    """

    def __init__(self, metric: str, rows: list[Row]) -> None:
        self.metric = metric
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def to_json(self) -> list[dict[str, Any]]:
        """The rows as JSON values."""
        return [row.model_dump(by_alias=True) for row in self._rows]

    def columns(self) -> list[str]:
        """The headings of `cells`."""
        scores = [f"{self.metric} (validation)", f"{self.metric} (test)"]
        sampled = ["hyperparameters"] if self._shows_sampled else []
        return ["rank", "trial", "model", *sampled, *scores, "best epoch", "time", "status"]

    @property
    def _shows_sampled(self) -> bool:
        return any(row.sampled or row.role for row in self._rows)

    def cells(self) -> list[list[str]]:
        """The rows as texts, for tables."""
        return [
            [
                str(row.rank or ""),
                str(row.trial),
                row.model_name,
                *([_sampled_text(row)] if self._shows_sampled else []),
                _score_text(row.score),
                _score_text(row.test_score),
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


def read_leaderboard(folder: RunFolder) -> Leaderboard:
    """Read the leaderboard of a run as it is now."""
    outline = folder.outline()
    rows = [_row(trial, outline) for trial in folder.trials()]
    rows.sort(key=lambda row: (row.score is None, -outline.score(row.score.value) if row.score else 0, row.trial))
    ranked = [row if row.score is None else row.model_copy(update={"rank": i}) for i, row in enumerate(rows, start=1)]
    return Leaderboard(outline.primary_metric, ranked)


def _row(trial: TrialFolder, outline: RunOutline) -> Row:
    record, result, metrics, plan = trial.record(), trial.result(), trial.metrics(), trial.plan()
    splits, metric = metrics.splits if metrics else {}, outline.primary_metric
    return Row(
        trial=trial.number,
        model_name=plan.model_name,
        status=record.status,
        score=_score(splits.get("val"), metric) or _best_so_far(trial, outline),
        test_score=_score(splits.get("test"), metric),
        best_epoch=result.best_epoch if result else None,
        epochs=result.epochs if result else None,
        seconds=result.seconds if result else None,
        reason=record.reason or (result.stopped if result else None),
        sampled={name: value for name, value in plan.sampled.items() if name != "model_name"},
        role=plan.role,
    )


def _score(report: Report | None, metric: str) -> MetricInterval | None:
    """A report's value of a metric, with its interval if that is finite; None if the value is not a finite number."""
    if report is None:
        return None
    found = report.interval(metric)
    if finite(found.value) is None:
        return None
    is_known = finite(found.low) is not None and finite(found.high) is not None
    return found if is_known else MetricInterval(value=found.value)


def _best_so_far(trial: TrialFolder, outline: RunOutline) -> MetricInterval | None:
    best = outline.best_of(evaluation.metrics.get(outline.primary_metric) for evaluation in trial.evaluations())
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

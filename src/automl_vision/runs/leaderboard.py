"""Every trial of a run with its score, interval, configuration and fate; best first."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from automl_vision.core.numbers import finite
from automl_vision.workspace.run_folder import RunFolder, TrialFolder

Interval = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One trial.

    Attributes:
        rank: from 1; None without a score.
        trial: its number in the run.
        model_name: of the algorithm.
        status: as in the run folder.
        score: primary metric on validation images, {"value", "low", "high"}; None before the first validation.
        test_score: the same on test images, where there are any.
        best_epoch: whose weights were kept; 0 is the probe.
        epochs: trained.
        seconds: of work.
        reason: why it ended early or failed.
        drawn: the hyperparameters that the sweep chose for it.
        role: what it is for, where it has a part of its own.
    """

    rank: int | None
    trial: int
    model_name: str
    status: str
    score: Interval | None
    test_score: Interval | None
    best_epoch: int | None
    epochs: int | None
    seconds: float | None
    reason: str | None
    drawn: dict[str, Any] = field(default_factory=dict)
    role: str = ""


class Leaderboard(Sequence[Row]):
    """The trials of a run, best first; a table in a terminal, in a notebook and as pandas data.

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
        return [asdict(row) for row in self._rows]

    def columns(self) -> list[str]:
        """Headings of `cells`."""
        scores = [f"{self.metric} (validation)", f"{self.metric} (test)"]
        drawn = ["hyperparameters"] if self._shows_drawn else []
        return ["rank", "trial", "model", *drawn, *scores, "best epoch", "time", "status"]

    @property
    def _shows_drawn(self) -> bool:
        return any(row.drawn or row.role for row in self._rows)

    def cells(self) -> list[list[str]]:
        """The rows as texts, for tables."""
        return [
            [
                str(row.rank or ""),
                str(row.trial),
                row.model_name,
                *([_drawn_text(row)] if self._shows_drawn else []),
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
    """The leaderboard of a run as it stands now."""
    spec = folder.spec()
    metric = spec["primary_metric"]
    rows = [_row(trial, metric) for trial in folder.trials()]
    rows.sort(key=lambda row: (row.score is None, -row.score["value"] if row.score else 0, row.trial))
    ranked = [_with_rank(row, number) for number, row in enumerate(rows, start=1)]
    return Leaderboard(metric, ranked)


def _with_rank(row: Row, number: int) -> Row:
    return row if row.score is None else Row(**{**asdict(row), "rank": number})


def _row(trial: TrialFolder, metric: str) -> Row:
    status, result, metrics, plan = trial.status(), trial.result() or {}, trial.metrics(), trial.plan()
    splits = metrics["splits"] if metrics else {}
    score = _interval(splits.get("val"), metric)
    evaluations = trial.evaluations()
    if score is None and evaluations:
        values = [finite(e["metrics"].get(metric)) for e in evaluations]
        best = max((value for value in values if value is not None), default=None)
        score = None if best is None else {"value": best}
    return Row(
        rank=None,
        trial=trial.number,
        model_name=trial.spec()["model_name"],
        status=status["status"],
        score=score,
        test_score=_interval(splits.get("test"), metric),
        best_epoch=result.get("best_epoch"),
        epochs=result.get("epochs"),
        seconds=result.get("seconds"),
        reason=status.get("reason") or result.get("stopped"),
        drawn={name: value for name, value in plan.get("drawn", {}).items() if name != "model_name"},
        role=plan.get("role", ""),
    )


def _interval(report: dict[str, Any] | None, metric: str) -> Interval | None:
    """A report's value of a metric, with its interval where it has one; None where the value is no finite number."""
    if report is None:
        return None
    interval: Interval = report["intervals"].get(metric) or {"value": report["metrics"][metric]}
    known = {end: value for end, value in interval.items() if finite(value) is not None}
    if "value" not in known:
        return None
    return known if len(known) == len(interval) else {"value": known["value"]}


def _drawn_text(row: Row) -> str:
    values = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.drawn.items()
    )
    return ": ".join(part for part in (row.role, values) if part)


def _score_text(score: Interval | None) -> str:
    if score is None:
        return ""
    if "low" not in score:
        return f"{score['value']:.4f}"
    return f"{score['value']:.4f} [{score['low']:.4f}, {score['high']:.4f}]"

"""A run's live progress: one line per trial in a terminal, plain lines in a pipe, JSON lines for machines."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automl_vision.core.numbers import finite, json_text
from automl_vision.core.records import Evaluation, EvaluationEvent, Message
from automl_vision.experiment.live import LiveRun, NewEvent, TrialLine, duration, line_to_json, sparkline
from automl_vision.workspace.run_folder import RunFolder

_POLL = 0.1  # seconds
_REDRAWS = 4  # per second
_MAX_LINES = 12  # trials shown at once: the running ones, then the best
_WIDE = 80  # columns, from which curve and reason are shown
_LONG_BUDGET = 48 * 3600.0  # seconds; a longer budget is not worth a countdown


def show_progress(folder: RunFolder, console: Console | None = None, *, as_json: bool = False) -> None:
    """Show a run until it ends.

    On a terminal each trial is one live line; elsewhere validations and messages are printed.

    Args:
        folder: of the run.
        console: where to print.
        as_json: print JSON lines: the run, its trials and messages, whenever they change.
    """
    console = console or Console()
    run = LiveRun(folder)
    if as_json:
        _follow(run, _JsonLines(run, console).show)
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=_REDRAWS, transient=True) as live:
            _follow(run, _Terminal(run, console, live).show)
    else:
        _follow(run, lambda events: _print_events(run, console, events))


def _follow(run: LiveRun, show: Callable[[list[NewEvent]], None]) -> None:
    while True:
        show(run.update())
        if run.has_ended:
            show(run.update())  # what was written between the last reading and the end
            return
        time.sleep(_POLL)


class _JsonLines:
    """Prints changes as JSON lines."""

    def __init__(self, run: LiveRun, console: Console) -> None:
        self._run, self._console = run, console
        self._shown: dict[int, tuple[Any, ...]] = {}
        self._shown_run: tuple[Any, ...] = ()

    def show(self, events: list[NewEvent]) -> None:
        """Print messages, changed trials and the changed run."""
        for event, trial in events:
            if isinstance(event, Message):
                self._print(event.model_dump() | ({} if trial is None else {"trial": trial}))
        for line in self._run.lines.values():
            key = (line.status, line.phase, len(line.curve), line.reason)
            if self._shown.get(line.trial) != key:
                self._shown[line.trial] = key
                self._print(line_to_json(line))
        state = self._run.to_json()
        run_key = (state["status"], state["trials"], json_text(state["best"]), json_text(state.get("in_line")))
        if run_key != self._shown_run:
            self._shown_run = run_key
            self._print(state)

    def _print(self, value: dict[str, Any]) -> None:
        self._console.file.write(json_text(value) + "\n")
        self._console.file.flush()


class _Terminal:
    """Redraws one line per trial; messages scroll above them."""

    def __init__(self, run: LiveRun, console: Console, live: Live) -> None:
        self._run, self._console, self._live = run, console, live

    def show(self, events: list[NewEvent]) -> None:
        """Print messages, and validations of a run with one trial, and redraw the rest."""
        alone = len(self._run.lines) <= 1
        _print_events(self._run, self._console, [new for new in events if alone or isinstance(new.event, Message)])
        self._live.update(Group(self._trials(), self._footer()))

    def _trials(self) -> Table:
        wide = self._console.width >= _WIDE
        columns = [column for column in _COLUMNS if wide or not column.only_wide]
        table = Table.grid(padding=(0, 2))
        for column in columns:
            table.add_column(no_wrap=not column.shrinks)  # rich takes space from columns that may wrap first
        lines = self._run.lines.values()
        values = [value for line in lines for value in line.curve]
        low, high = (min(values), max(values)) if values else (0.0, 0.0)
        for line in _shown_lines(list(lines)):
            table.add_row(
                *(Text(column.text(line, low, high), overflow="ellipsis", no_wrap=True) for column in columns)
            )
        return table

    def _footer(self) -> Table:
        run, table = self._run, Table.grid(padding=(0, 2))
        parts: list[Any] = [Text(run.status)]
        parts += [Text(run.in_line.sentence)] if run.in_line is not None else []
        working = any(not line.status.is_final for line in run.lines.values())
        if run.phase and not working:
            phase = run.phase
            parts += [Text(phase.phase), ProgressBar(phase.total, phase.done, width=24)]
            parts.append(Text(f"{phase.done}/{phase.total}"))
        if run.best is not None and len(run.lines) > 1:
            parts.append(Text(f"best {run.best.value:.4f} (trial {run.best.trial})"))
        hidden = len(run.lines) - _MAX_LINES
        parts += [Text(f"{hidden} more trials")] if hidden > 0 else []
        parts += [Text(f"budget {duration(run.budget_left)} left")] if run.budget_left < _LONG_BUDGET else []
        table.add_row(*parts)
        return table


def _shown_lines(lines: list[TrialLine]) -> list[TrialLine]:
    """The running trials, then the best ones, as many as are shown, in the order of their numbers."""
    ranked = sorted(lines, key=lambda line: (line.status.is_final, -(line.value or 0.0)))
    return sorted(ranked[:_MAX_LINES], key=lambda line: line.trial)


@dataclass(frozen=True)
class _Column:
    """One column of the live view.

    Attributes:
        text: of a trial, given the lowest and the highest value of all trials.
        shrinks: whether it is cut on a narrow terminal.
        only_wide: whether it is left out there.
    """

    text: Callable[[TrialLine, float, float], str]
    shrinks: bool = False
    only_wide: bool = False


def _doing(line: TrialLine) -> str:
    return line.reason or ("" if line.status.is_final or line.phase.startswith("epoch ") else line.phase)


_COLUMNS = (
    _Column(lambda line, *_: f"trial {line.trial}"),
    _Column(lambda line, *_: line.model_name, shrinks=True),
    _Column(lambda line, *_: line.status),
    _Column(lambda line, *_: "" if line.epoch is None else f"{line.epoch}/{line.epochs or '?'}"),
    _Column(lambda line, *_: "" if line.value is None else f"{line.value:.4f}"),
    _Column(lambda line, low, high: sparkline(line.curve, low, high), only_wide=True),
    _Column(lambda line, *_: "" if line.seconds_left is None else f"{duration(line.seconds_left)} left"),
    _Column(lambda line, *_: _doing(line), shrinks=True, only_wide=True),
)


def _print_events(run: LiveRun, console: Console, events: list[NewEvent]) -> None:
    """Messages and validations as plain lines."""
    several = len(run.lines) > 1
    for event, trial in events:
        prefix = "" if trial is None or not several else f"trial {trial}  "
        if isinstance(event, Message):
            console.print(prefix + event.text, highlight=False, markup=False, soft_wrap=True)
        elif isinstance(event, EvaluationEvent):
            console.print(prefix + _evaluation_line(run.metric, event), highlight=False, markup=False, soft_wrap=True)


def _figure(value: float | None) -> str:
    return "not a number" if finite(value) is None else f"{value:.4f}"


def _evaluation_line(metric: str, evaluation: Evaluation) -> str:
    losses = {"validation loss": evaluation.validation_loss, "training loss": evaluation.train_loss}
    figures = {metric: evaluation.metrics.get(metric)} | {n: loss for n, loss in losses.items() if loss is not None}
    parts = ["probe  " if evaluation.epoch == 0 else f"epoch {evaluation.epoch:>2}"]
    parts += [f"{label} {_figure(value)}" for label, value in figures.items()]
    if evaluation.images_per_second:
        parts.append(f"{evaluation.images_per_second:.0f} images/s")
    return "  ".join([*parts, f"{evaluation.seconds:.0f} s"])

"""A run's live progress in the terminal: what it does now, how fast, how long still, and every validation."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from automl_vision.workspace.run_folder import FINAL, RunFolder

_POLL = 0.1  # seconds


def show_progress(folder: RunFolder, console: Console | None = None) -> None:
    """Show a run until it ends.

    On a terminal the current phase is one live line; elsewhere only validations and messages are printed.
    """
    console = console or Console()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        view = _View(folder, console, bar)
        while True:
            status = folder.status()["status"]
            view.update()
            if status in FINAL or status == "Interrupted":
                return
            time.sleep(_POLL)


class _View:
    """What has been shown so far."""

    def __init__(self, folder: RunFolder, console: Console, bar: Progress) -> None:
        self._folder, self._console, self._bar = folder, console, bar
        self._offset = 0
        self._trial_offsets: dict[int, int] = {}
        self._metric = folder.spec()["primary_metric"]
        self._task = bar.add_task("starting", total=None, figures="")

    def update(self) -> None:
        """Show what is new."""
        events, self._offset = self._folder.events(self._offset)
        for trial in self._folder.trials():
            news, self._trial_offsets[trial.number] = trial.events(self._trial_offsets.get(trial.number, 0))
            events += news
        for event in sorted(events, key=lambda event: float(event["time"])):
            self._show(event)

    def _show(self, event: dict[str, Any]) -> None:
        if event["event"] == "message":
            self._console.print(event["text"], highlight=False, markup=False)
        elif event["event"] == "evaluation":
            self._console.print(self._evaluation_line(event), highlight=False, markup=False)
        else:
            figures = _figures(event)
            self._bar.update(
                self._task,
                description=event["phase"],
                completed=event["done"],
                total=event["total"],
                figures=figures,
            )

    def _evaluation_line(self, event: dict[str, Any]) -> str:
        name = "probe  " if event["epoch"] == 0 else f"epoch {event['epoch']:>2}"
        parts = [f"{name}  {self._metric} {event['metrics'][self._metric]:.4f}"]
        if event.get("validation_loss") is not None:
            parts.append(f"validation loss {event['validation_loss']:.4f}")
        if event.get("train_loss") is not None:
            parts.append(f"training loss {event['train_loss']:.4f}")
        if event.get("images_per_second"):
            parts.append(f"{event['images_per_second']:.0f} images/s")
        return "  ".join([*parts, f"{event['seconds']:.0f} s"])


def _figures(event: dict[str, Any]) -> str:
    parts = []
    if "loss" in event:
        parts.append(f"loss {event['loss']:.3f}")
    if "images_per_second" in event:
        parts.append(f"{event['images_per_second']:.0f} images/s")
    if "seconds_left" in event:
        minutes, seconds = divmod(int(event["seconds_left"]), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return "  ".join(parts)

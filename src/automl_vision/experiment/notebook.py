"""A run as a card in a notebook: its status, the best trial with interval and curve, and the time that is left."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from automl_vision.charts.look import look
from automl_vision.core.late import load
from automl_vision.core.records import RunStatus
from automl_vision.experiment.live import LiveRun, duration
from automl_vision.runs.board_reader import BoardReader
from automl_vision.runs.leaderboard import Row
from automl_vision.workspace.run_folder import RunFolder

_POLL = 1.0  # seconds between two looks at the run
_LONG_BUDGET = 48 * 3600.0  # seconds; a longer budget is not worth a countdown
_WIDTH, _HEIGHT = 160, 36  # of the curve, in pixels
_ROLES = {
    RunStatus.COMPLETED: "good",
    RunStatus.FAILED: "error",
    RunStatus.INTERRUPTED: "warning",
    RunStatus.CANCELED: "reference",
    RunStatus.QUEUED: "reference",
}


class Shown(Protocol):
    """Something that is displayed and can be replaced, such as IPython's `DisplayHandle`."""

    def update(self, content: Card) -> None:
        """Show other content in its place."""


Display = Callable[..., Shown | None]
"""IPython's `display`, called with a card and `display_id=True`."""


class Card:
    """What a notebook shows of a run at one moment.

    Args:
        markup: safe HTML.
        text: the same in a line, where no HTML can be shown.
    """

    def __init__(self, markup: str, text: str) -> None:
        self._markup, self._text = markup, text

    def _repr_html_(self) -> str:
        return self._markup

    def __repr__(self) -> str:
        return self._text


class CardReader:
    """Reads a run again and again, and makes a card of it each time.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._live = LiveRun(folder)
        self._board = BoardReader(folder)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens unless the run is resumed, as of the last card."""
        return self._live.has_ended

    def read(self) -> Card:
        """The run as it is now."""
        live = self._live
        live.update()
        best = next((row for row in self._board.read() if row.score is not None), None)
        facts = _facts(live, best, self._folder)
        line = f"run {self._folder.id}: " + "; ".join(f"{name} {value}" for name, value in facts)
        return Card(_markup(self._folder.id, live, facts, best), line)


def _facts(live: LiveRun, best: Row | None, folder: RunFolder) -> list[tuple[str, str]]:
    """What the card says, as pairs of a name and a text."""
    found = [("status", _status(live))]
    if best is not None:
        found.append((live.metric.replace("_", " "), f"{_interval(best)}, trial {best.trial} ({best.model_name})"))
    if live.lines:
        done = sum(line.status.is_final for line in live.lines.values())
        found.append(("trials", f"{done} of {len(live.lines)} ended"))
    if not live.has_ended and live.budget_left < _LONG_BUDGET:
        found.append(("time left", duration(live.budget_left)))
    reason = folder.record().reason
    if reason and live.in_line is None:
        found.append(("reason", reason))
    if folder.model.exists():
        found.append(("model", str(folder.model)))
    return found


def _status(live: LiveRun) -> str:
    if live.in_line is not None:
        return f"{live.status}, {live.in_line.sentence}"
    if live.phase is not None and live.status in (RunStatus.PREPARING, RunStatus.FINALIZING):
        return f"{live.status}, {live.phase.phase} {live.phase.done}/{live.phase.total}"
    return str(live.status)


def _interval(row: Row) -> str:
    score = row.score
    if score is None:
        return ""
    ends = "" if score.low is None or score.high is None else f" [{score.low:.4f}, {score.high:.4f}]"
    return f"{score.value:.4f}{ends}"


def _markup(run_id: str, live: LiveRun, facts: Sequence[tuple[str, str]], best: Row | None) -> str:
    """The card as HTML: the notebook's own colours, and no text that is not escaped."""
    colours = look()["colours"]["light"]
    dot = colours[_ROLES.get(live.status, "accent")]
    line = None if best is None else live.lines.get(best.trial)
    rows = "".join(
        f'<div style="opacity:.7">{html.escape(name)}</div><div>{html.escape(value)}</div>' for name, value in facts
    )
    curve = "" if line is None else _curve(line.curve, colours["series-1"], f"{live.metric} over the validations")
    return (
        '<div style="border:1px solid rgba(128,128,128,.4);border-radius:8px;padding:12px 16px;max-width:640px;'
        'display:flex;gap:16px;justify-content:space-between;align-items:center;font-variant-numeric:tabular-nums">'
        '<div style="min-width:0"><div style="font-weight:600;margin-bottom:6px">'
        f'<span style="display:inline-block;width:9px;height:9px;border-radius:50%;background:{dot}"></span> '
        f"{html.escape(run_id)}</div>"
        f'<div style="display:grid;grid-template-columns:auto 1fr;gap:2px 14px">{rows}</div></div>{curve}</div>'
    )


def _curve(values: Sequence[float], colour: str, label: str) -> str:
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = _WIDTH / (len(values) - 1)
    points = " ".join(f"{i * step:.1f},{2 + (_HEIGHT - 4) * (1 - (v - low) / span):.1f}" for i, v in enumerate(values))
    text = html.escape(f"{label}, from {values[0]:.4f} to {values[-1]:.4f}")
    return (
        f'<svg role="img" aria-label="{text}" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'style="flex:none"><title>{text}</title><polyline fill="none" stroke="{colour}" stroke-width="2" '
        f'points="{points}"/></svg>'
    )


def notebook_display() -> Display | None:
    """IPython's `display` if this process is the kernel of a notebook, else None; imports nothing."""
    package = sys.modules.get("IPython")
    shell = package.get_ipython() if package is not None else None
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    found: Display = load("IPython.display:display")
    return found


def show_card(folder: RunFolder, display: Display, *, poll: float = _POLL) -> None:
    """Show a run's card and keep it up to date until the run ends; interrupting this leaves the run as it is.

    Args:
        folder: of the run.
        display: shows the card and returns a handle that replaces it.
        poll: seconds between two looks at the run.
    """
    reader = CardReader(folder)
    card = reader.read()
    shown, text = display(card, display_id=True), card._repr_html_()
    while not reader.has_ended:
        time.sleep(poll)
        card = reader.read()
        if shown is not None and card._repr_html_() != text:
            text = card._repr_html_()
            shown.update(card)

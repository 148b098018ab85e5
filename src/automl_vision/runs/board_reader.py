"""Reads the leaderboard of a run again and again, and only the trials whose files have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import NamedTuple

from automl_vision.core.records import SPEC_FILE, Ranking
from automl_vision.core.text import did_you_mean
from automl_vision.runs.leaderboard import Leaderboard, Row, ranked, read_row
from automl_vision.workspace.run_folder import RunFolder

_SETTLED = 1_000_000_000  # nanoseconds; a file may change twice within one tick of its file system's clock


class _State(NamedTuple):
    """When the files of a trial last changed.

    Attributes:
        folder: time of the last file that was replaced, in nanoseconds; all files but the events are written whole.
        events: time of the last event.
        size: of the events in bytes.
    """

    folder: int
    events: int
    size: int


class BoardReader:
    """Reads leaderboards of one run; a trial whose files have not changed is not read again.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._spec: tuple[int, int] | None = None
        self._ranking = Ranking("")
        self._read: dict[int, tuple[_State, Row | None]] = {}
        self._states: dict[int, _State] = {}
        self._ranked: list[Row] = []

    def read(self, shown: Sequence[str] = ()) -> Leaderboard:
        """The leaderboard as it is now.

        Args:
            shown: further metrics that have columns.

        Raises:
            ValueError: no trial knows such a metric, though some have results.
        """
        spec = _changed(f"{self._folder.path}/{SPEC_FILE}")
        if spec is None or spec != self._spec:
            self._ranking, self._spec = self._folder.outline().ranking, spec
            self._read, self._states = {}, {}
        states = self._current_states()
        if states != self._states:
            recent = time.time_ns() - _SETTLED
            rows = {number: self._row(number, state) for number, state in states.items()}
            self._read = {number: (state, rows[number]) for number, state in states.items()}
            self._ranked = ranked([row for row in rows.values() if row is not None], self._ranking)
            self._states = {n: state for n, state in states.items() if max(state.folder, state.events) < recent}
        if shown:
            _require_known(shown, self._ranked)
        return Leaderboard(self._ranking.metric, self._ranked, shown)

    def _row(self, number: int, state: _State) -> Row | None:
        """A trial's row; None for one that was not started."""
        if number in self._states and self._read[number][0] == state:
            return self._read[number][1]
        trial = self._folder.trial(number)
        return read_row(trial, self._ranking) if (trial.path / SPEC_FILE).exists() else None

    def _current_states(self) -> dict[int, _State]:
        """The state of every trial by number."""
        root = f"{self._folder.path}/trials"
        try:
            numbers = sorted(int(name) for name in os.listdir(root) if name.isdigit())  # noqa: PTH208 - for speed
        except FileNotFoundError:
            return {}
        states = {}
        for number in numbers:
            folder, events = _changed(f"{root}/{number}"), _changed(f"{root}/{number}/events.jsonl")
            states[number] = _State(folder[0] if folder else 0, *(events or (0, 0)))
        return states


def _require_known(metrics: Sequence[str], rows: Sequence[Row]) -> None:
    known = {name for row in rows for report in row.metrics.values() for name in report}
    for name in metrics if known else ():
        if name not in known:
            raise ValueError(f'no trial has the metric "{name}".{did_you_mean(name, sorted(known))}')


def _changed(path: str) -> tuple[int, int] | None:
    """Time of the last change in nanoseconds and size; None if there is no such file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - for speed
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def read_leaderboard(folder: RunFolder) -> Leaderboard:
    """Read the leaderboard of a run once."""
    return BoardReader(folder).read()

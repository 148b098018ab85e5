"""Work that takes longer than a request: it runs in threads of the server, and every page can watch it."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, Request

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.text import did_you_mean
from automl_vision.web.problems import NotFoundError

WorkState = Literal["waiting", "running", "done", "failed", "canceled"]

_MOST_KEPT = 500
_LIGHT_AT_ONCE = 4
_log = logging.getLogger(__name__)


class CanceledError(AutoMLVisionError):
    """Work was canceled while it ran."""


@dataclass(frozen=True)
class Work:
    """A piece of work as it is now.

    Attributes:
        id: in addresses.
        kind: what is done, such as "doctor".
        title: in words, such as "Check helmets:2".
        state: "waiting" for its turn, "running", or how it ended.
        created, started, ended: seconds since 1970.
        done, total: steps, such as images; the total is None while it is not known.
        phase: what it is doing, in a few words.
        result: a JSON value, or the path of a file; None unless it is done.
        reason: why it failed, in a sentence.
        workspace: the one that it is about.
        page: path of the studio's page that shows the result.
    """

    id: str
    kind: str
    title: str
    state: WorkState = "waiting"
    created: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    done: int = 0
    total: int | None = None
    phase: str = ""
    result: Any = None
    reason: str | None = None
    workspace: str | None = None
    page: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed", "canceled")

    @property
    def seconds_left(self) -> float | None:
        """Time that is left if it goes on at this pace; None while that is not known."""
        if self.state != "running" or self.started is None or not self.total or not self.done:
            return None
        return max(0.0, (time.time() - self.started) * (self.total - self.done) / self.done)


class Progress:
    """Tells how far work is; the function that does the work calls it often."""

    def __init__(self, update: Callable[..., None], canceled: threading.Event) -> None:
        self._update = update
        self._canceled = canceled

    def __call__(self, done: int, total: int | None = None, phase: str | None = None) -> None:
        """Say how far it is.

        Args:
            done: steps done.
            total: of how many, if that is known.
            phase: what it is doing, if that has changed.

        Raises:
            CanceledError: the work was canceled; let it pass after tidying up.
        """
        if self._canceled.is_set():
            raise CanceledError("canceled")
        changes: dict[str, Any] = {"done": done}
        if total is not None:
            changes["total"] = total
        if phase is not None:
            changes["phase"] = phase
        self._update(**changes)

    @property
    def canceled(self) -> bool:
        """Whether the work was canceled, for functions that wait for a child process."""
        return self._canceled.is_set()


Doing = Callable[[Progress], Any]


@dataclass
class _Entry:
    work: Work
    key: Hashable | None
    canceled: threading.Event = field(default_factory=threading.Event)


class BackgroundWork:
    """The work of a server: heavy pieces one after the other, light ones up to four at once.

    `start` returns at once; `get` and `all` say how things stand; `cancel` ends a piece at its next report of progress.
    What has ended is kept as long as the server lives, up to 500 pieces.

    Args:
        at_once: heavy pieces that run at the same time.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._heavy = ThreadPoolExecutor(at_once, thread_name_prefix="work")
        self._light = ThreadPoolExecutor(_LIGHT_AT_ONCE, thread_name_prefix="light-work")
        self._entries: dict[str, _Entry] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def start(
        self,
        kind: str,
        title: str,
        do: Doing,
        *,
        key: Hashable | None = None,
        light: bool = False,
        workspace: str | None = None,
        page: str | None = None,
    ) -> Work:
        """Begin a piece of work, or return the one of the same key that waits, runs or is done.

        Args:
            kind: what is done, such as "doctor".
            title: in words.
            do: called with a `Progress`; returns a JSON value, a pydantic model or the path of a file. An
                `AutoMLVisionError` that it raises becomes the reason of the failure.
            key: what the result depends on; without one, each call begins a new piece.
            light: it waits more than it computes, such as unpacking an upload.
            workspace: name of the one that it is about.
            page: path of the page that shows the result.
        """
        with self._lock:
            same = None if key is None else self._same(kind, key)
            if same is not None:
                return same.work
            work = Work(str(next(self._numbers)), kind, title, workspace=workspace, page=page)
            entry = self._entries[work.id] = _Entry(work, None if key is None else (kind, key))
            self._forget_oldest()
        (self._light if light else self._heavy).submit(self._run, entry, do)
        return work

    def get(self, work_id: str) -> Work:
        """A piece of work as it is now.

        Raises:
            NotFoundError: there is none of this id.
        """
        return self._entry(work_id).work

    def all(self) -> list[Work]:
        """All pieces, the newest first."""
        with self._lock:
            return [entry.work for entry in reversed(self._entries.values())]

    def cancel(self, work_id: str) -> Work:
        """End a piece: at once if it waits, at its next report of progress if it runs; an ended one stays as it is.

        Raises:
            NotFoundError: there is none of this id.
        """
        entry = self._entry(work_id)
        entry.canceled.set()
        with self._lock:
            if entry.work.state == "waiting":
                entry.work = replace(entry.work, state="canceled", ended=time.time())
            return entry.work

    def close(self) -> None:
        """Cancel everything; called when the server ends."""
        for work in self.all():
            self.cancel(work.id)
        for pool in (self._heavy, self._light):
            pool.shutdown(wait=False, cancel_futures=True)

    def _entry(self, work_id: str) -> _Entry:
        with self._lock:
            if work_id not in self._entries:
                raise NotFoundError(f'no work "{work_id}" is known.{did_you_mean(work_id, self._entries)}')
            return self._entries[work_id]

    def _same(self, kind: str, key: Hashable) -> _Entry | None:
        for entry in reversed(self._entries.values()):
            if entry.key == (kind, key) and entry.work.state not in ("failed", "canceled"):
                gone = isinstance(entry.work.result, Path) and not entry.work.result.exists()
                if not gone and not entry.canceled.is_set():
                    return entry
        return None

    def _forget_oldest(self) -> None:
        ended = [work_id for work_id, entry in self._entries.items() if entry.work.has_ended]
        for work_id in ended[: max(0, len(self._entries) - _MOST_KEPT)]:
            del self._entries[work_id]

    def _run(self, entry: _Entry, do: Doing) -> None:
        def update(**changes: Any) -> None:
            with self._lock:
                entry.work = replace(entry.work, **changes)

        if entry.canceled.is_set():
            return update(state="canceled", ended=entry.work.ended or time.time())
        update(state="running", started=time.time())
        try:
            result = do(Progress(update, entry.canceled))
        except CanceledError:
            update(state="canceled", ended=time.time())
        except AutoMLVisionError as error:
            canceled = entry.canceled.is_set()
            update(state="canceled" if canceled else "failed", reason=str(error), ended=time.time())
        except Exception as error:  # a thread of the pool has nobody else to tell
            _log.exception("%s failed", entry.work.title)
            update(state="failed", reason=f"a fault of the studio: {type(error).__name__}: {error}", ended=time.time())
        else:
            total = entry.work.total
            update(state="done", result=result, ended=time.time(), done=entry.work.done if total is None else total)


def _background(request: Request) -> BackgroundWork:
    found: BackgroundWork = request.app.state.work
    return found


Background = Annotated[BackgroundWork, Depends(_background)]
"""The work of the server that answers a request."""

"""Calls functions in another process: what needs torch, MLflow or much time does not belong into the server."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any, ParamSpec, TypeVar

from automl_vision.core.errors import AutoMLVisionError

_PROGRAM = "from automl_vision.studio.child import main; main()"
_LINES = 5  # of what a process said before it failed
_AT_ONCE = 8  # calls of one process

P = ParamSpec("P")
T = TypeVar("T")


class ChildError(AutoMLVisionError):
    """A process of the studio has a fault."""


class Child:
    """A process that the first call starts, and that ends when it was not called for a while.

    Any number of threads may call. Functions, arguments and results are pickled; what a function raises is raised here.

    Args:
        linger: seconds without a call after which the process ends.
    """

    def __init__(self, linger: float = 0.0) -> None:
        self._linger = linger
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._calls = 0  # that run now
        self._is_closed = False
        self._timer: threading.Timer | None = None

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of a module in the process.

        A keyword `progress` is called here; what it raises ends the call, in the process too at its next progress.

        Raises:
            ChildError: the process failed, or was closed.
        """
        with self._lock:
            if self._is_closed:
                raise ChildError("the studio has ended")
            self._stop_timer()
            if self._process is None or not self._process.is_alive:
                self._process = _Process()
            process = self._process
            self._calls += 1
        try:
            result: T = process.call(function, args, kwargs)
            return result
        finally:
            with self._lock:
                self._calls -= 1
                if not self._calls and not self._is_closed:
                    self._timer = threading.Timer(self._linger, self._end_if_idle)
                    self._timer.daemon = True
                    self._timer.start()

    def close(self) -> None:
        """End the process for good, and with it the calls that run."""
        with self._lock:
            self._is_closed = True
            self._stop_timer()
            self._end()

    def _end_if_idle(self) -> None:
        with self._lock:
            if not self._calls:
                self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def call_in_child(function: str, arguments: dict[str, Any]) -> Any:
    """Call a function of a room that the server must not import, in a process that then ends.

    Args:
        function: as "module:name"; it takes the arguments as keywords.
        arguments: by name.

    Raises:
        ChildError: the process failed.
    """
    child = Child()
    try:
        return child.call(_call_named, function, arguments)
    finally:
        child.close()


def _call_named(function: str, arguments: dict[str, Any]) -> Any:
    from automl_vision.core.late import load
    from automl_vision.core.plugins import load_plugins

    load_plugins()
    return load(function)(**arguments)


def _name(function: Callable[..., Any], args: Any) -> str:
    return str(args[0]) if function is _call_named else function.__qualname__


class _Process:
    """A process with the calls that it has not answered yet."""

    def __init__(self) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
        )
        self._numbers = itertools.count()
        self._answers: dict[int, SimpleQueue[tuple[str, Any]]] = {}
        self._lock = threading.Lock()
        self._last_words = ""
        self.is_alive = True
        self._reader = threading.Thread(target=self._read, name="child", daemon=True)
        self._reader.start()

    def call(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Send a call, and wait for its answer."""
        progress = kwargs.pop("progress", None)
        number, answers = next(self._numbers), SimpleQueue[tuple[str, Any]]()
        self._answers[number] = answers
        if not self.is_alive:
            answers.put(("lost", None))
        try:
            self._send((number, function, args, kwargs, progress is not None))
            while True:
                kind, value = answers.get()
                if kind == "value":
                    return value
                if kind == "error":
                    raise value
                if kind == "lost":
                    raise ChildError(f"the studio's process for {_name(function, args)} ended {self._last_words}")
                try:
                    progress(*value)
                except BaseException:
                    self._send((number, None, (), {}, False))
                    raise
        finally:
            del self._answers[number]

    def end(self) -> None:
        """End the process."""
        self.is_alive = False
        self._popen.kill()
        self._reader.join()

    def _send(self, request: Any) -> None:
        data = pickle.dumps(request)
        assert self._popen.stdin is not None
        with self._lock, suppress(OSError, ValueError):  # it has ended, which the reader tells
            self._popen.stdin.write(data)
            self._popen.stdin.flush()

    def _read(self) -> None:
        """Hand each answer to the call that waits for it, until the process ends."""
        assert self._popen.stdout is not None
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                number, kind, value = pickle.load(self._popen.stdout)
                if number in self._answers:
                    self._answers[number].put((kind, value))
        self.is_alive = False
        self._tidy()
        for answers in list(self._answers.values()):
            answers.put(("lost", None))

    def _tidy(self) -> None:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        code = self._popen.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        self._last_words = f"with {code}: " + "\n".join(lines[-_LINES:])
        with self._lock:
            for stream in (self._popen.stdin, self._popen.stdout, self._said):
                with suppress(OSError):  # what was written last did not arrive
                    stream.close()


class _CallEndedError(Exception):
    """Nobody waits for the answer any more."""


class _Answers:
    """The answers of this process to the one that started it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self.unwanted: set[int] = set()

    def give(self, number: int, kind: str, value: Any) -> None:
        """Send an answer."""
        data = pickle.dumps((number, kind, value))
        with self._lock:
            self._stream.write(data)
            self._stream.flush()

    def call(self, number: int, function: Callable[..., Any], args: Any, kwargs: dict[str, Any], far: bool) -> None:
        """Call a function, and send what it returns or raises."""

        def progress(*values: Any) -> None:
            if number in self.unwanted:
                raise _CallEndedError
            self.give(number, "progress", values)

        try:
            self.give(number, "value", function(*args, **kwargs, **({"progress": progress} if far else {})))
        except _CallEndedError:
            self.unwanted.discard(number)
        except Exception as error:
            self._raise(number, error)

    def _raise(self, number: int, error: Exception) -> None:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # it holds what only this process has
            error = ChildError(f"{type(error).__name__}: {error}")
        self.give(number, "error", error)


def main() -> None:
    """Answer the calls that come on the standard input, until it ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = _Answers(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what libraries print is not an answer
    pool = ThreadPoolExecutor(_AT_ONCE)
    while True:
        try:
            number, function, args, kwargs, far = pickle.load(requests)
        except EOFError:
            os._exit(0)  # who called is gone
        if function is None:
            answers.unwanted.add(number)
        else:
            pool.submit(answers.call, number, function, args, kwargs, far)

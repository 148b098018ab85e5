"""Files that a crash never leaves half written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from automl_vision.core.errors import StorageError

_Value = TypeVar("_Value")

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no quotas of this name
# what torch and safetensors say instead of an errno
_FULL_MESSAGES = ("no space left", "file too large", "quota exceeded", "failed writing file", "inline_container")
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # seconds between tries
_READING = 5.0  # seconds that another process may take to read a small file


def patience() -> float:
    """Seconds for which a full disk or a silent MLflow server is tried again: `AUTOML_VISION_PATIENCE`, or 60."""
    return float(os.environ.get("AUTOML_VISION_PATIENCE", "60"))


def persistently(write: Callable[[], _Value]) -> _Value:
    """Write something; while the disk is full, try again within the patience.

    Raises:
        StorageError: the disk stayed full.
    """
    end, wait = time.monotonic() + patience(), _FIRST_WAIT
    while True:
        try:
            return write()
        except StorageError:
            if time.monotonic() + wait > end:
                raise
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)


@contextmanager
def _storage(path: Path) -> Iterator[None]:
    """Name a full disk as such, whatever the writing library calls it.

    Raises:
        StorageError: nothing more can be written.
    """
    try:
        yield
    except Exception as error:
        told = isinstance(error, OSError) and error.errno in _FULL
        if told or any(words in str(error).lower() for words in _FULL_MESSAGES):
            raise StorageError(
                f"{path} cannot be written: no space is left there, or a limit is reached ({error}); "
                "free some space, then go on with: automl-vision resume RUN"
            ) from error
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is flushed to disk and renamed onto `path`.

    Raises:
        StorageError: the disk is full; `path` is as it was.
    """
    with _storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as temporary:
            yield temporary


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield temporary
        with temporary.open("r+b") as file:  # to write, which Windows asks of what is to be flushed
            os.fsync(file.fileno())
        _rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _rename(temporary: Path, path: Path) -> None:
    """Rename a file onto another one, which Windows refuses for as long as a process reads that."""
    end = time.monotonic() + _READING
    while True:
        try:
            temporary.replace(path)
            return
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > end:
                raise
        time.sleep(0.01)


def link_or_copy(source: Path, target: Path) -> None:
    """Make a symbolic link, or a copy where the system or the user's rights allow none, as on most Windows machines.

    Args:
        source: a file or a folder.
        target: must not exist.
    """
    try:
        target.symlink_to(source, target_is_directory=source.is_dir())
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)


def write_text(path: Path, text: str) -> None:
    """Write a text so that a reader sees either the old file or the whole new one; waits while the disk is full."""

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    persistently(write)


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees either the old file or the whole new one; waits while the disk is full."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def append_json_line(path: Path, value: Any) -> None:
    """Append one JSON object as one line, whole or not at all; waits while the disk is full."""
    append_json_lines(path, [value])


def append_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Append JSON objects as lines, all or none of them; waits while the disk is full."""
    lines = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()

    def write() -> None:
        with _storage(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                size = os.fstat(descriptor).st_size
                if os.write(descriptor, lines) < len(lines):
                    os.ftruncate(descriptor, size)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(descriptor)

    persistently(write)


def read_lines(path: Path, offset: int = 0, end: int | None = None) -> tuple[list[bytes], int]:
    """Read the complete, non-empty lines from byte `offset` on; returns them and the offset for the next call.

    A last line that is still being written is left for the next call. With `end`, no byte from there on is read.
    """
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read() if end is None else file.read(max(0, end - offset))
    complete = data.rfind(b"\n") + 1
    return [line for line in data[:complete].splitlines() if line.strip()], offset + complete

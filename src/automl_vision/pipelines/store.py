"""The results of a pipeline's steps as files: each lies under the digest of everything that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automl_vision.core.errors import PipelineError, WorkspaceError
from automl_vision.core.files import write_text
from automl_vision.core.locks import lock_within
from automl_vision.core.records.record import Record, SomeRecord, read_record
from automl_vision.pipelines.results import Found, StepResult

_FOLDER = "pipelines"
_LAST = "last"


class _Last(Record):
    """Key of the result that was found last."""

    key: str


class PipelineStore:
    """What is known of a pipeline in a workspace: `pipelines/NAME/STEP/KEY.json`.

    Args:
        workspace: folder of the workspace.
        name: of the pipeline.
    """

    def __init__(self, workspace: Path, name: str) -> None:
        self.name = name
        self.folder = workspace / _FOLDER / name

    def load(self, kind: type[Found], key: str) -> Found | None:
        """A result by its key; None if there is none."""
        return read_record(self._file(kind.step, key), kind)

    def save(self, result: StepResult) -> None:
        """Keep a result; it appears whole or not at all."""
        write_text(self._file(result.step, result.key), result.model_dump_json(indent=2) + "\n")

    def all(self, kind: type[Found]) -> list[Found]:
        """Every kept result of a kind, oldest first."""
        found = [read_record(file, kind) for file in (self.folder / kind.step).glob("*.json")]
        return sorted((each for each in found if each is not None), key=lambda each: each.made)

    def last(self, kind: type[Found]) -> Found | None:
        """The result of a kind that was found last, which others may have been kept after; None if there is none."""
        noted = self.state(kind.step, _LAST, _Last)
        found = None if noted is None else self.load(kind, noted.key)
        return found if found is not None else next(reversed(self.all(kind)), None)

    def note_last(self, step: str, key: str) -> None:
        """Note which result of a step was found last."""
        self.save_state(step, _LAST, _Last(key=key))

    def state(self, step: str, key: str, kind: type[SomeRecord]) -> SomeRecord | None:
        """How far a step came that was not finished; None if it was not begun."""
        return read_record(self._state_file(step, key), kind)

    def save_state(self, step: str, key: str, state: Record) -> None:
        """Keep how far a step came, so that it goes on from there after its process was killed."""
        write_text(self._state_file(step, key), state.model_dump_json(indent=2) + "\n")

    def place(self, step: str, key: str, suffix: str = "") -> Path:
        """Where a step may keep a file or folder of its own."""
        folder = self.folder / step
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{key}{suffix}"

    @contextmanager
    def held(self, wait: float = 0.0) -> Iterator[None]:
        """Keep other processes from working on the pipeline; the lock goes with this process, however it ends.

        Args:
            wait: seconds to wait for another process.

        Raises:
            PipelineError: another process works on it.
            WorkspaceError: the workspace cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / ".lock").open("w")
        except OSError as error:
            raise WorkspaceError(f"{self.folder} cannot be written ({error.strerror})") from None
        with file as lock:
            if not lock_within(lock.fileno(), wait):
                raise PipelineError(
                    f"another process works on the pipeline {self.name}; wait until it has ended, or end it first"
                )
            yield

    def _file(self, step: str, key: str) -> Path:
        return self.folder / step / f"{key}.json"

    def _state_file(self, step: str, key: str) -> Path:
        return self.folder / "begun" / f"{step}-{key}.json"


def digest(values: Any) -> str:
    """A key: digest of JSON values, in which the order of names does not matter."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

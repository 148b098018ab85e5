"""Whose turn it is on this machine: runs that use its cores or GPUs wait for one another, in the order of submission.

Each run draws a ticket, a numbered file that its process keeps locked until it ends. A run's turn has come when no
ticket with a smaller number is locked. The kernel releases a lock when its process dies, however that happens, so a run
that was killed never keeps the others waiting, and no process has to hand on the turn.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_vision.core.errors import ComputeError
from automl_vision.core.files import read_json, write_json
from automl_vision.core.locks import is_locked, lock, locked
from automl_vision.core.system import user_number

FOLDER_VARIABLE = "AUTOML_VISION_QUEUE"
"""Names another folder for the tickets; only runs with the same folder wait for one another."""

_LOCK = "line.lock"


@dataclass(frozen=True)
class TicketHolder:
    """A run that works, or waits for its turn.

    Attributes:
        number: of its ticket; smaller ones were drawn before.
        run: its id.
        workspace: folder of the workspace that it belongs to.
    """

    number: int
    run: str
    workspace: str


class Ticket:
    """A run's place in the line.

    Args:
        line: that it was drawn from.
        number: of the ticket.
        descriptor: of its locked file; a process that inherits it holds the place too.
    """

    def __init__(self, line: WaitingLine, number: int, descriptor: int) -> None:
        self.line, self.number, self.descriptor = line, number, descriptor

    def ahead(self) -> list[TicketHolder]:
        """The runs before this one that still live, the first one in front; empty when its turn has come."""
        return [holder for holder in self.line.holders() if holder.number < self.number]

    def close(self) -> None:
        """Close this process's descriptor; the place is lost once every process that inherited it has done so."""
        os.close(self.descriptor)


class WaitingLine:
    """The tickets of this machine's runs.

    Args:
        folder: of the tickets; by default `AUTOML_VISION_QUEUE`, or one for the user in the folder for temporary files.

    Raises:
        ComputeError: the folder cannot be made, or belongs to another user.
    """

    def __init__(self, folder: Path | None = None) -> None:
        chosen = os.environ.get(FOLDER_VARIABLE)
        self.folder = folder or (Path(chosen) if chosen else default_folder())
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self.folder.stat().st_uid
        except OSError as error:
            raise ComputeError(f"{self.folder} cannot be made ({error.strerror}); {_WAY_OUT}") from error
        if user_number() not in (None, owner):
            raise ComputeError(f"{self.folder} belongs to another user; {_WAY_OUT}")

    def draw(self, run: str, workspace: Path) -> Ticket:
        """Draw the next ticket for a run."""
        with self._locked():
            numbers = [int(file.stem) for file in self._files()]
            number = max(numbers, default=0) + 1
            file = self._file(number)
            write_json(file, {"run": run, "workspace": str(workspace)})
            descriptor = os.open(file, os.O_RDWR)
            lock(descriptor)  # of a new file, which nobody else looks at while the line is locked
        return Ticket(self, number, descriptor)

    def holders(self) -> list[TicketHolder]:
        """The runs that work or wait, in the order of their tickets; tickets of ended processes are removed."""
        found = []
        with self._locked():
            for file in self._files():
                if is_locked(file):
                    values: dict[str, Any] = read_json(file)
                    found.append(TicketHolder(int(file.stem), values["run"], values["workspace"]))
                else:
                    file.unlink()
        return found

    def _files(self) -> list[Path]:
        return sorted((file for file in self.folder.glob("*.json") if file.stem.isdecimal()), key=lambda f: int(f.stem))

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.json"

    def _locked(self) -> AbstractContextManager[None]:
        """Keep other processes from drawing and removing tickets for an instant."""
        return locked(self.folder / _LOCK)


_WAY_OUT = f"name another folder in {FOLDER_VARIABLE}, or start the run without waiting (queue=False, --now)"


def default_folder() -> Path:
    """The user's own folder for tickets on this machine, which does not outlive a restart of it."""
    number = user_number()  # none where each user has a folder for temporary files
    return Path(tempfile.gettempdir()) / "-".join(["automl-vision-queue", *([] if number is None else [str(number)])])

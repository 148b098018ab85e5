"""What a workspace remembers of its finished trials: one line each, to look at, to export and to delete.

AutoMode's order and the forecasts of a run's time come from these lines, also when the runs themselves were deleted. No
line holds the name or the contents of an image, a class, a dataset or an experiment, and none leaves the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from automl_vision.core.errors import DataError
from automl_vision.core.files import append_json_lines, read_lines, write_text
from automl_vision.core.records import PastTrial

_LINES, _OFF = "trials.jsonl", "off"


class TrialHistory:
    """The finished trials of a workspace.

    Args:
        folder: of the history; it is made with the first line.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_on(self) -> bool:
        """Whether runs add to it and read from it."""
        return not (self.folder / _OFF).exists()

    def switch(self, *, on: bool) -> None:
        """Let runs add lines and read them, or not; the lines that are there stay."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if on:
            (self.folder / _OFF).unlink(missing_ok=True)
        else:
            (self.folder / _OFF).touch()

    def trials(self) -> list[PastTrial]:
        """All trials, oldest first; a trial that was added twice counts once, as it was added last.

        Lines that this version cannot read are passed over.
        """
        found = {}
        for line in read_lines(self.folder / _LINES)[0]:
            with suppress(ValidationError):
                trial = PastTrial.model_validate_json(line)
                found[trial.run, trial.trial] = trial
        return sorted(found.values(), key=lambda trial: trial.ended)

    def usable(self) -> list[PastTrial]:
        """The trials that runs may learn from: all of them, none where the history is off."""
        return self.trials() if self.is_on else []

    def add(self, trials: Iterable[PastTrial]) -> None:
        """Remember trials, unless the history is off."""
        if not self.is_on:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        append_json_lines(self.folder / _LINES, (trial.model_dump(mode="json") for trial in trials))

    def export(self, file: Path) -> int:
        """Write all trials to a file that `take` reads, and return their number."""
        trials = self.trials()
        write_text(file, "".join(f"{trial.model_dump_json()}\n" for trial in trials))
        return len(trials)

    def take(self, file: Path) -> int:
        """Add the trials of an exported file that are not known yet, and return their number.

        Raises:
            DataError: the file is not one.
        """
        if not file.is_file():
            raise DataError(f"there is no file {file}")
        known, new = {(trial.run, trial.trial) for trial in self.trials()}, []
        for number, line in enumerate(read_lines(file)[0], 1):
            try:
                trial = PastTrial.model_validate_json(line)
            except ValidationError:
                raise DataError(f"line {number} of {file} is not a trial of a history; nothing was added") from None
            if (trial.run, trial.trial) not in known:
                new.append(trial)
        self.folder.mkdir(parents=True, exist_ok=True)
        append_json_lines(self.folder / _LINES, (trial.model_dump(mode="json") for trial in new))
        return len(new)

    def clear(self) -> int:
        """Delete all lines, and return how many there were."""
        count = len(self.trials())
        (self.folder / _LINES).unlink(missing_ok=True)
        return count

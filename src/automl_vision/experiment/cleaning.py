"""What of a workspace may be deleted without losing a result: caches, and weights that no ended run needs any more."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from automl_vision.core.records import Record
from automl_vision.core.records.status import RunStatus
from automl_vision.storage.cache_folder import cache_folder
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.storage_use import folder_size
from automl_vision.workspace.trial_folder import TrialFolder
from automl_vision.workspace.workspace import Workspace

CACHE, CHECKPOINT, WEIGHTS = "cache", "checkpoint", "weights"
_CHECKPOINT_FILE = "checkpoint.pt"
_WEIGHTS = "weights*.safetensors"
_DAY = 86_400


class Removable(Record):
    """A file or folder that may be deleted.

    Attributes:
        kind: `cache`, which is made again when it is needed; `checkpoint`, from which a completed run would be resumed;
            or `weights` of a trial that did not become its run's model.
    """

    kind: str
    path: str
    bytes: int = Field(description="that are freed")
    run: str | None = Field(default=None, description="id of the run, of what belongs to one")


def removable(workspace: Workspace, *, older_than_days: float | None = None) -> list[Removable]:
    """What may be deleted; nothing is.

    Caches are left out while a run is active. Of runs that completed, checkpoints are not needed any more; weights of
    trials that did not become the model are offered only of old runs, for such a trial cannot be packaged or explained
    any more. Metrics, predictions and messages always stay.

    Args:
        workspace: to look at.
        older_than_days: of runs that ended before, weights are offered too; None offers none.
    """
    runs = [RunFolder(workspace.runs_path / run_id) for run_id in workspace.run_ids()]
    found = [] if any(run.is_active() for run in runs) else list(_caches(workspace))
    for run in runs:
        found += _of_run(run, older_than_days)
    return found


def remove(chosen: Sequence[Removable]) -> int:
    """Delete what `removable` offered, and return how many bytes that freed; what is gone already counts as nothing."""
    freed = 0
    for each in chosen:
        path = Path(each.path)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.exists():
            path.unlink()
        else:
            continue
        freed += each.bytes
    return freed


def _caches(workspace: Workspace) -> Iterator[Removable]:
    places = [*_inside(workspace.cache_path), *_inside(cache_folder())]
    for place in places:
        yield Removable(kind=CACHE, path=str(place), bytes=folder_size(place))


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _of_run(run: RunFolder, older_than_days: float | None) -> Iterator[Removable]:
    record = run.record()
    if record.status is not RunStatus.COMPLETED or run.is_active():
        return
    is_old = older_than_days is not None and time.time() - (record.ended or 0) > older_than_days * _DAY
    for trial in run.trials():
        yield from _file(trial, _CHECKPOINT_FILE, CHECKPOINT, run.id)
        if is_old and record.best_trial is not None and trial.number != record.best_trial:
            for file in sorted(trial.path.glob(_WEIGHTS)):
                yield from _file(trial, file.name, WEIGHTS, run.id)


def _file(trial: TrialFolder, name: str, kind: str, run: str) -> Iterator[Removable]:
    file = trial.path / name
    if file.exists():
        yield Removable(kind=kind, path=str(file), bytes=file.stat().st_size, run=run)

"""What the studio has opened: workspaces by name, and their runs as far as they were read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

from fastapi import Depends, Query, Request

from automl_vision.core.errors import DataError
from automl_vision.core.text import did_you_mean
from automl_vision.evaluation.weighted import forget_resamples
from automl_vision.experiment.run import Run
from automl_vision.experiment.run_list import RunList, RunSummary, summary
from automl_vision.experiment.trial import Trial
from automl_vision.serving.model_folder import DESCRIPTION_FILE
from automl_vision.studio.child import Child
from automl_vision.studio.evaluations import OpenedComparison, OpenedEvaluation
from automl_vision.studio.importance import kept_importances
from automl_vision.studio.registry import StudioRegistry
from automl_vision.web.problems import NotFoundError

if TYPE_CHECKING:
    from automl_vision.data.dataset import Dataset
    from automl_vision.experiment.evaluated import Evaluated
    from automl_vision.experiment.figures import Figures
    from automl_vision.runs.leaderboard import Leaderboard
    from automl_vision.runs.verdict import Verdict
    from automl_vision.serving.model_folder import ModelDescription
    from automl_vision.workspace.model_version import ModelVersion
    from automl_vision.workspace.workspace import Workspace

_MOST_EVALUATED = 4  # of 5,000 images about 40 MB each
_MOST_DATASETS = 4
_MOST_COMPARED = 4
_LINGER = 120.0  # seconds; MLflow takes 200 MB

UNREGISTERED = "~"
"""Begins the name of a dataset that is not registered; its fingerprint follows."""
_MOST_VERDICTS = 32  # of one run, by limits
_MOST_PASSPORTS = 1000  # of three classes 8 kB each

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Values by key, of which the ones used last are kept; each is made once, however many threads ask for it.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._making: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key, which `make` makes if it is not known."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = make()
            with self._lock:
                self._values[key] = value
                self._making.pop(key, None)
                while len(self._values) > self._most:
                    self._values.popitem(last=False)
            return value


class OpenedRun:
    """A run whose board and verdict are read again only when they have changed; any number of threads may ask.

    Args:
        run: that is opened.
        child: a process for what is not to stay in the server's memory.
    """

    def __init__(self, run: Run, child: Child) -> None:
        self.run = run
        self._child = child
        self._lock = threading.RLock()
        self._judged_state: Hashable = None
        self._judged: dict[tuple[float | None, float | None], Verdict | None] = {}

    def board(
        self, metrics: Sequence[str] = (), *, max_latency_ms: float | None = None, max_size_mb: float | None = None
    ) -> Leaderboard:
        """The leaderboard as it is now, as `Run.leaderboard` returns it."""
        with self._lock:
            return self.run.leaderboard(metrics, max_latency_ms=max_latency_ms, max_size_mb=max_size_mb)

    def verdict(self, *, max_latency_ms: float | None = None, max_size_mb: float | None = None) -> Verdict | None:
        """What paired tests say of the trials as they are now, as `Run.verdict` returns it."""
        limits = (max_latency_ms, max_size_mb)
        with self._lock:
            state = self.state()
            if self._judged_state != state:
                self._judged_state = state
                self._judged.clear()
            if limits not in self._judged:
                if len(self._judged) >= _MOST_VERDICTS:
                    self._judged.clear()
                self._judged[limits] = self.run.verdict(max_latency_ms=max_latency_ms, max_size_mb=max_size_mb)
                forget_resamples()
            return self._judged[limits]

    def summary(self) -> RunSummary:
        """The run in short, as it is now."""
        with self._lock:
            return summary(self.run)

    def figures(self) -> Figures:
        """Figures of the trials as they are now."""
        from automl_vision.experiment.run_figures import run_figures

        weigh = partial(kept_importances, child=self._child, cache=self.run.workspace.cache_path)
        return run_figures(self.board(), self.run.folder.outline().ranking, self.verdict, weigh=weigh)

    def state(self) -> Hashable:
        """A value that changes with what verdict and figures depend on."""
        return tuple(
            (row.trial, row.status, row.score, row.latency_ms, row.size_mb, row.not_measurable) for row in self.board()
        )


@dataclass
class OpenedWorkspace:
    """A workspace that the studio shows.

    Attributes:
        name: in addresses, such as "helmets".
        workspace: its files.
        child: a process for what is not to stay in the server's memory.
        run_list: its runs in short.
    """

    name: str
    workspace: Workspace
    run_list: RunList = field(init=False)
    _runs: dict[str, OpenedRun] = field(default_factory=dict)
    _evaluated: Recent[tuple[str, int, str | None], OpenedEvaluation] = field(
        default_factory=lambda: Recent(_MOST_EVALUATED)
    )
    _compared: Recent[tuple[tuple[str, int], tuple[str, int], str | None], OpenedComparison] = field(
        default_factory=lambda: Recent(_MOST_COMPARED)
    )
    _data_of_run: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    _datasets: Recent[str, Dataset] = field(default_factory=lambda: Recent(_MOST_DATASETS))
    _passports: Recent[tuple[str, float, int], ModelDescription] = field(
        default_factory=lambda: Recent(_MOST_PASSPORTS)
    )
    child: Child = field(default_factory=lambda: Child(linger=_LINGER))
    _registry: StudioRegistry | None = None

    def registry(self) -> StudioRegistry:
        """The registered models; the first question starts a process that loads MLflow, which takes seconds."""
        if self._registry is None:
            self._registry = StudioRegistry(self.workspace, self.child)
        return self._registry

    def passport(self, version: ModelVersion) -> ModelDescription:
        """The `model.json` of a version; it is read again when it has changed.

        Raises:
            ModelFolderError: what was registered is not a model folder.
            WorkspaceError: the file cannot be read.
        """
        registry = self.registry()
        file = registry.place(version) / DESCRIPTION_FILE
        changed = file.stat().st_mtime_ns if file.exists() else 0
        return self._passports.get((version.id, version.created, changed), lambda: registry.passport(version))

    def __post_init__(self) -> None:
        self.run_list = RunList(self.workspace)

    def run(self, run_id: str) -> OpenedRun:
        """A run by its id.

        Raises:
            RunNotFoundError: the workspace has no run of this id.
        """
        opened = self._runs.get(run_id)
        if opened is None or not opened.run.folder.path.exists():
            opened = self._runs[run_id] = OpenedRun(Run(self.workspace, run_id), self.child)
        return opened

    def runs(self) -> list[OpenedRun]:
        """All runs, the newest first."""
        return [self.run(run_id) for run_id in reversed(self.workspace.run_ids())]

    def trial(self, run_id: str, number: int) -> Trial:
        """A trial of a run.

        Raises:
            RunNotFoundError: the workspace has no run of this id.
            NotFoundError: the run has no such trial.
        """
        run = self.run(run_id).run
        folder = run.folder.trial(number)
        if not folder.path.exists():
            raise NotFoundError(f'run "{run_id}" has no trial {number}')
        return Trial(folder)

    def evaluated(self, run_id: str, number: int, split: str | None) -> Evaluated:
        """A finished trial's predictions on a split beside their truth; the ones used last are kept.

        Raises:
            AutoMLVisionError: the trial has no predictions, or none of the split; the message says why.
        """
        return self.evaluation(run_id, number, split).evaluated

    def evaluation(self, run_id: str, number: int, split: str | None) -> OpenedEvaluation:
        """The same with everything that was computed from it.

        Raises:
            AutoMLVisionError: as `evaluated` does.
        """
        trial = self.trial(run_id, number)
        return self._evaluated.get((run_id, number, split), lambda: OpenedEvaluation.of(trial, split))

    def comparison(self, first: tuple[str, int], second: tuple[str, int], split: str | None) -> OpenedComparison:
        """Two trials, each as run and number, on the same images; the ones used last are kept.

        Raises:
            AutoMLVisionError: as `evaluated` does, or the trials were not evaluated on the same images.
        """
        one, two = (self.evaluation(*trial, split) for trial in (first, second))
        return self._compared.get((first, second, split), lambda: OpenedComparison.of(one, two))

    def run_dataset(self, run_id: str) -> Dataset:
        """The dataset of a run as it was prepared for it."""
        from automl_vision.data.dataset import Dataset

        manifest = self.run(run_id).run.folder.manifest
        if not manifest.exists():
            raise NotFoundError(f'run "{run_id}" has not prepared its images yet')
        return self._datasets.get(str(manifest), lambda: Dataset.load(manifest))

    def dataset_at(self, manifest: Path) -> Dataset:
        """The dataset of a manifest; the ones used last are kept."""
        from automl_vision.data.dataset import Dataset

        return self._datasets.get(str(manifest), lambda: Dataset.load(manifest))

    def version_dataset(self, name: str, number: int) -> Dataset:
        """A version of a registered dataset, or a dataset that is not registered: "~" and its fingerprint.

        Raises:
            NotFoundError: there is no such version or dataset.
        """
        from automl_vision.data.dataset import Dataset

        manifest = self.manifest_of(name, number)
        # a manifest may be written again with the same images elsewhere
        key = f"{manifest} {manifest.stat().st_mtime_ns}"
        return self._datasets.get(key, lambda: Dataset.load(manifest))

    def manifest_of(self, name: str, number: int) -> Path:
        """The manifest of a version, or of a dataset that is not registered.

        Raises:
            NotFoundError: there is no such version or dataset.
        """
        if name.startswith(UNREGISTERED):
            known = {manifest.stem: manifest for manifest in self.workspace.kept_manifests()}
            if name[1:] not in known:
                raise NotFoundError(f'no dataset "{name}" is in the workspace')
            return known[name[1:]]
        registry = self.workspace.datasets
        if name not in registry.names():
            raise NotFoundError(f'no dataset is registered as "{name}".{did_you_mean(name, registry.names())}')
        try:
            return Path(registry.get(name, number).manifest)
        except DataError as error:
            raise NotFoundError(str(error)) from None

    def data_of_run(self, run_id: str) -> tuple[str | None, str]:
        """What a run was given: the id of the registered version, if it was one, and the dataset's fingerprint."""
        if run_id not in self._data_of_run:
            spec = self.run(run_id).run.folder.spec()
            self._data_of_run[run_id] = (spec.get("data_version"), Path(spec.get("manifest", "")).stem)
        return self._data_of_run[run_id]

    def runs_of_data(self, fingerprint: str) -> list[str]:
        """Ids of the runs that were given a dataset, the newest first."""
        return [run_id for run_id in reversed(self.workspace.run_ids()) if self.data_of_run(run_id)[1] == fingerprint]


def opened_workspaces(workspaces: Sequence[Workspace]) -> dict[str, OpenedWorkspace]:
    """Workspaces by name: that of their folder, or of the folder around a hidden one, with a number if it is taken."""
    found: dict[str, OpenedWorkspace] = {}
    for workspace in workspaces:
        path = workspace.path
        base = (path.parent.name if path.name.startswith(".") else path.name) or "workspace"
        name, number = base, 2
        while name in found:
            name, number = f"{base}-{number}", number + 1
        found[name] = OpenedWorkspace(name, workspace)
    return found


def _opened(
    request: Request,
    workspace: Annotated[
        str | None, Query(description="its name, as `/workspaces` lists it; by default the first one")
    ] = None,
) -> OpenedWorkspace:
    found: dict[str, OpenedWorkspace] = request.app.state.workspaces
    if workspace is None:
        return next(iter(found.values()))
    if workspace not in found:
        raise NotFoundError(f'no workspace "{workspace}" is open.{did_you_mean(workspace, found)}')
    return found[workspace]


Opened = Annotated[OpenedWorkspace, Depends(_opened)]
"""The workspace that a request is about."""

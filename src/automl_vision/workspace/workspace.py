"""The workspace: a folder with runs, caches and an MLflow store on SQLite; or any MLflow server beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from automl_vision.core.errors import RunNotFoundError, WorkspaceError
from automl_vision.core.files import patience
from automl_vision.core.records import SPEC_FILE
from automl_vision.core.text import did_you_mean
from automl_vision.workspace.datasets import DatasetRegistry
from automl_vision.workspace.label_queue import LabelQueue
from automl_vision.workspace.model_registry import ModelRegistry
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.tracking import Tracking, sqlite_uri
from automl_vision.workspace.trial_history import TrialHistory

if TYPE_CHECKING:
    from automl_vision.data.dataset import Dataset
    from automl_vision.workspace.data_reports import DataReports

DEFAULT_FOLDER = ".automl-vision"
STORE_FILE = "mlflow.db"
"""In the folder, unless `MLFLOW_TRACKING_URI` names another store."""


class Workspace:
    """Where experiments, runs and models are kept.

    Args:
        path: the folder; by default `AUTOML_VISION_WORKSPACE`, or `.automl-vision` in the current folder.

    Raises:
        WorkspaceError: the folder cannot be made or written, or cannot hold an MLflow store.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        chosen = path or os.environ.get("AUTOML_VISION_WORKSPACE") or DEFAULT_FOLDER
        self.path = Path(chosen).expanduser().resolve()
        if re.search("%[0-9a-fA-F]{2}", str(self.path)) and not os.environ.get("MLFLOW_TRACKING_URI"):
            raise WorkspaceError(
                f"the workspace {self.path} cannot hold an MLflow store: MLflow takes % with two digits for "
                "another character; choose another folder, or name a store in MLFLOW_TRACKING_URI"
            )
        try:
            for folder in (self.runs_path, self.cache_path):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(f"the workspace {self.path} cannot be made ({error.strerror})") from error
        if not os.access(self.path, os.W_OK):
            raise WorkspaceError(f"the workspace {self.path} cannot be written")

    @property
    def runs_path(self) -> Path:
        """Folder of all runs."""
        return self.path / "runs"

    @property
    def cache_path(self) -> Path:
        """Folder of pixel caches and device measurements; it may be deleted at any time."""
        return self.path / "cache"

    @property
    def datasets(self) -> DatasetRegistry:
        """The registered datasets and their versions."""
        return DatasetRegistry(self.path / "datasets")

    @property
    def data_reports(self) -> DataReports:
        """What the doctor found in datasets, as far as it is kept."""
        from automl_vision.workspace.data_reports import DataReports

        return DataReports(self.cache_path / "data_reports")

    def kept_manifests(self) -> list[Path]:
        """The datasets that runs were given, registered or not, as manifests named by their fingerprints."""
        return sorted((self.path / "datasets").glob("*.parquet"))

    def keep_manifest(self, dataset: Dataset) -> Path:
        """Write a dataset's manifest among those that runs were given, and return the file."""
        manifest = self.path / "datasets" / f"{dataset.fingerprint}.parquet"
        dataset.save(manifest)  # also for a known fingerprint: the same images may be elsewhere by now
        return manifest

    @property
    def models(self) -> ModelRegistry:
        """The registered models and their versions, in the MLflow store."""
        return ModelRegistry(self.tracking_uri, artifacts=self._artifacts, cache=self.cache_path, runs=self.runs_path)

    @property
    def label_queue(self) -> LabelQueue:
        """Photos that wait for a person's label."""
        return LabelQueue(self.path / "queue")

    @property
    def history(self) -> TrialHistory:
        """What is remembered of finished trials."""
        return TrialHistory(self.path / "history")

    @property
    def tracking_uri(self) -> str:
        """The MLflow store: `MLFLOW_TRACKING_URI`, or SQLite in the folder."""
        return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(self.path / STORE_FILE)

    def run_folder(self, run_id: str) -> RunFolder:
        """A run's files by its id.

        Raises:
            RunNotFoundError: no run has this id.
        """
        status = f"{self.runs_path}/{run_id}/status.json"
        if run_id == Path(run_id).name and os.path.exists(status):  # noqa: PTH110 - it bears what is no file name
            return RunFolder(self.runs_path / run_id)
        hint = did_you_mean(run_id, self.run_ids())
        raise RunNotFoundError(f'no run "{run_id}" is in {self.path}.{hint} List them with: automl-vision runs')

    def run_ids(self) -> list[str]:
        """Ids of all runs, oldest first."""
        made = []
        for file in self.runs_path.glob("*/status.json"):
            with suppress(FileNotFoundError):  # it is being deleted
                made.append(((file.parent / SPEC_FILE).stat().st_mtime, file.parent.name))
        return [name for _, name in sorted(made)]

    def tracking(
        self,
        experiment: str,
        *,
        known: dict[str, str],
        on_ids: Callable[[dict[str, str]], None],
    ) -> Tracking:
        """A publisher to this workspace's MLflow store."""
        return Tracking(
            self.tracking_uri,
            experiment,
            artifacts=self._artifacts,
            known=known,
            on_ids=on_ids,
            patience=patience(),
        )

    @property
    def _artifacts(self) -> Path | None:
        """The folder for artifacts of the workspace's own store; an MLflow server has its own place for them."""
        return None if os.environ.get("MLFLOW_TRACKING_URI") else self.path / "artifacts"

    def __repr__(self) -> str:
        return f"Workspace({str(self.path)!r})"


def as_workspace(workspace: Workspace | str | PathLike[str] | None) -> Workspace:
    """A workspace, from itself or from its folder; None for the default one."""
    return workspace if isinstance(workspace, Workspace) else Workspace(None if workspace is None else str(workspace))

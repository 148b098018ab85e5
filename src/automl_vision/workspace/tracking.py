"""Publishes runs to MLflow from a thread of its own, so that a slow or absent server never delays a trial."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_RETRIES = 6
_FIRST_WAIT = 1.0  # seconds; doubles with each try, a minute in all
_MAX_PARAM = 500  # characters of a parameter's value that MLflow keeps


class Tracking:
    """One run and its trials in MLflow.

    Calls are queued and done in order by a thread; what fails after retries for a minute is reported once and the
    rest is dropped, for the run's own folder holds everything.

    Args:
        uri: of the MLflow store.
        experiment: name of the experiment.
        artifacts: folder for artifacts of a local store; None leaves them to the server.
        known: MLflow's run ids by our keys, from before an interruption.
        on_ids: told the ids whenever one is added.
        on_failure: told once, with the reason, when publishing is given up.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        *,
        artifacts: Path | None,
        known: dict[str, str],
        on_ids: Callable[[dict[str, str]], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._uri, self._experiment_name, self._artifacts = uri, experiment, artifacts
        self._ids = dict(known)
        self._on_ids, self._on_failure = on_ids, on_failure
        self._client: Any = None
        self._experiment_id = ""
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def start(self, key: str, *, name: str, parent: str | None = None, tags: dict[str, str] | None = None) -> None:
        """Open the run of a key, or go on with the one from before an interruption."""
        self._queue.put(lambda: self._start(key, name, parent, tags or {}))

    def params(self, key: str, values: dict[str, Any]) -> None:
        """Record parameters."""
        self._queue.put(lambda: self._log(key, params=values))

    def metrics(self, key: str, values: dict[str, float], *, step: int, when: float) -> None:
        """Record metrics of one step; values that are not finite are left out."""
        self._queue.put(lambda: self._log(key, metrics=values, step=step, when=when))

    def artifacts(self, key: str, path: Path, *, under: str | None = None) -> None:
        """Record a file or a folder with all its files."""
        self._queue.put(lambda: self._log_artifacts(key, path, under))

    def end(self, key: str, status: str) -> None:
        """Close the run of a key with `FINISHED`, `FAILED` or `KILLED`."""
        self._queue.put(lambda: self._client.set_terminated(self._ids[key], status))

    def close(self, timeout: float = 120.0) -> None:
        """Wait until all is published, or the time is over."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _work(self) -> None:
        try:
            self._retry(self._connect)
            while (call := self._queue.get()) is not None:
                self._retry(call)
        except Exception as error:  # the thread's last resort: whatever it was, the run goes on without MLflow
            self._on_failure(f"MLflow at {_without_secrets(self._uri)} cannot be written ({error})")
            while self._queue.get() is not None:
                pass

    def _retry(self, call: Callable[[], None]) -> None:
        for attempt in range(_RETRIES):
            try:
                return call()
            except Exception:
                if attempt == _RETRIES - 1:
                    raise
                time.sleep(_FIRST_WAIT * 2**attempt)
        return None

    def _connect(self) -> None:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self._uri)
        found = client.get_experiment_by_name(self._experiment_name)
        if found is None:
            location = str(self._artifacts / self._experiment_name) if self._artifacts is not None else None
            try:
                self._experiment_id = client.create_experiment(self._experiment_name, artifact_location=location)
            except MlflowException:  # another run of the same experiment was faster
                found = client.get_experiment_by_name(self._experiment_name)
        if found is not None:
            self._experiment_id = found.experiment_id
        self._client = client

    def _start(self, key: str, name: str, parent: str | None, tags: dict[str, str]) -> None:
        if key in self._ids:
            self._client.update_run(self._ids[key], status="RUNNING")
            return
        if parent is not None:
            tags = {**tags, "mlflow.parentRunId": self._ids[parent]}
        run = self._client.create_run(self._experiment_id, run_name=name, tags=tags)
        self._ids[key] = run.info.run_id
        self._on_ids(dict(self._ids))

    def _log(
        self,
        key: str,
        *,
        params: dict[str, Any] | None = None,
        metrics: dict[str, float] | None = None,
        step: int = 0,
        when: float = 0.0,
    ) -> None:
        from mlflow.entities import Metric, Param

        finite = {name: value for name, value in (metrics or {}).items() if abs(value) < float("inf")}
        self._client.log_batch(
            self._ids[key],
            metrics=[Metric(name, value, int(1000 * when), step) for name, value in finite.items()],
            params=[Param(name, str(value)[:_MAX_PARAM]) for name, value in (params or {}).items()],
        )

    def _log_artifacts(self, key: str, path: Path, under: str | None) -> None:
        if path.is_dir():
            self._client.log_artifacts(self._ids[key], str(path), under)
        elif path.exists():
            self._client.log_artifact(self._ids[key], str(path), under)


def _without_secrets(uri: str) -> str:
    """A URI without user name and password."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else uri

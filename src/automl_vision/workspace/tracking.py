"""Publishes runs to MLflow in a separate thread, so that a slow or missing server never delays a trial."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from automl_vision.core.errors import StorageError
from automl_vision.core.files import atomic_path
from automl_vision.core.locks import locked
from automl_vision.core.numbers import finite
from automl_vision.core.telemetry import switch_off_telemetry
from automl_vision.storage.cache_folder import cache_folder
from automl_vision.storage.urls import without_secrets

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 10.0  # seconds between tries
# by default MLflow retries HTTP requests for minutes; one request must end long before our `patience` does
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_SQLITE = "sqlite:///"
_MAX_PARAM = 500  # characters of a parameter's value that MLflow keeps


class Tracking:
    """One run and its trials in MLflow.

    Calls are queued, and a thread executes them in order. A call that fails is tried again for `patience` seconds.
    After that, `problem` gives the reason and nothing more is published; what was not confirmed can be published later.

    Attributes:
        problem: why publishing was given up, or None.

    Args:
        uri: of the MLflow store.
        experiment: name of the experiment.
        artifacts: folder for artifacts of a local store; None: the server decides.
        known: MLflow's run ids by our keys, as they were before an interruption.
        on_ids: called with all ids whenever one is added.
        patience: seconds for which failed calls are tried again.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        *,
        artifacts: Path | None,
        known: dict[str, str],
        on_ids: Callable[[dict[str, str]], None],
        patience: float,
    ) -> None:
        self._uri, self._experiment_name, self._artifacts = uri, experiment, artifacts
        self._ids = dict(known)
        self._resumed = bool(known)
        self._on_ids, self._patience = on_ids, patience
        self.problem: str | None = None
        self._client: Any = None
        self._experiment_id = ""
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def confirm(self, call: Callable[[], None]) -> None:
        """Call a function once everything before it has been published."""
        self._queue.put(call)

    def flush(self) -> None:
        """Wait until everything so far has been published, or publishing has been given up."""
        done = threading.Event()
        self._queue.put(done.set)
        while self._thread.is_alive() and not done.wait(0.1):
            if self.problem is not None:
                return

    def start(self, key: str, *, name: str, parent: str | None = None, tags: dict[str, str] | None = None) -> None:
        """Create the MLflow run of a key, or continue the one from before an interruption."""
        self._queue.put(lambda: self._start(key, name, parent, tags or {}))

    def params(self, key: str, values: dict[str, Any]) -> None:
        """Record parameters."""

        def log() -> None:
            from mlflow.entities import Param

            params = [Param(name, str(value)[:_MAX_PARAM]) for name, value in values.items()]
            self._client.log_batch(self._ids[key], params=params)

        self._queue.put(log)

    def metrics(self, key: str, values: dict[str, float], *, step: int, when: float) -> None:
        """Record metrics of one step; values that are not finite are left out."""

        def log() -> None:
            from mlflow.entities import Metric

            known = {name: value for name, value in values.items() if finite(value) is not None}
            metrics = [Metric(name, value, int(1000 * when), step) for name, value in known.items()]
            self._client.log_batch(self._ids[key], metrics=metrics)

        self._queue.put(log)

    def artifacts(self, key: str, path: Path, *, under: str | None = None) -> None:
        """Record a file, or a folder with all its files; nothing if the path does not exist."""

        def log() -> None:
            if path.is_dir():
                self._client.log_artifacts(self._ids[key], str(path), under)
            elif path.exists():
                self._client.log_artifact(self._ids[key], str(path), under)

        self._queue.put(log)

    def status(self, key: str, status: str) -> None:
        """Set the status of a run that has not ended: `RUNNING` or `SCHEDULED`."""
        self._queue.put(lambda: self._client.update_run(self._ids[key], status=status))

    def end(self, key: str, status: str) -> None:
        """End the run of a key with status `FINISHED`, `FAILED` or `KILLED`."""
        self._queue.put(lambda: self._client.set_terminated(self._ids[key], status))

    def close(self, timeout: float = 120.0) -> None:
        """Wait until everything has been published, for at most `timeout` seconds."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _work(self) -> None:
        try:
            self._retry(self._connect)
            while (call := self._queue.get()) is not None:
                self._retry(call)
        except Exception as error:  # whatever it was, the thread must report it
            self.problem = without_secrets(
                f"MLflow at {self._uri} could not be written for {self._patience:.0f} s ({error})"
            )

    def _retry(self, call: Callable[[], None]) -> None:
        end, wait = time.monotonic() + self._patience, _FIRST_WAIT
        while True:
            try:
                return call()
            except Exception:  # every kind of store raises its own exceptions
                if time.monotonic() + wait > end:
                    raise
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _connect(self) -> None:
        client = open_client(self._uri)
        self._experiment_id = experiment_id(client, self._experiment_name, self._artifacts)
        self._client = client

    def _start(self, key: str, name: str, parent: str | None, tags: dict[str, str]) -> None:
        if key in self._ids:  # from before an interruption
            self._client.update_run(self._ids[key], status="RUNNING")
            return
        if parent is not None:
            tags = {**tags, "mlflow.parentRunId": self._ids[parent]}
        self._ids[key] = (
            self._found(name) or self._client.create_run(self._experiment_id, run_name=name, tags=tags).info.run_id
        )
        self._on_ids(dict(self._ids))

    def _found(self, name: str) -> str | None:
        """The MLflow run that a process created just before it was killed, by name."""
        if not self._resumed:
            return None
        found = self._client.search_runs([self._experiment_id], f"tags.`mlflow.runName` = '{name}'", max_results=1)
        return str(found[0].info.run_id) if found else None


def open_client(uri: str) -> Any:
    """An `MlflowClient` for a store, which is created if it is a new SQLite file; imports MLflow."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    switch_off_telemetry()
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):  # MLflow sets its own level when it is imported
        logging.getLogger(name).setLevel(logging.ERROR)
    if uri.startswith(_SQLITE):
        create_sqlite_store(Path(unquote(uri.removeprefix(_SQLITE).partition("?")[0])))
    return MlflowClient(uri)


def experiment_id(client: Any, name: str, artifacts: Path | None) -> str:
    """The id of an experiment, which is created if there is none of this name.

    Args:
        client: of the store.
        name: of the experiment.
        artifacts: folder for the artifacts of all experiments of a local store; None: the server decides.
    """
    from mlflow.exceptions import MlflowException

    if client.get_experiment_by_name(name) is None:
        with suppress(MlflowException):  # another process was faster
            client.create_experiment(name, artifact_location=None if artifacts is None else str(artifacts / name))
    return str(client.get_experiment_by_name(name).experiment_id)


def sqlite_uri(file: Path) -> str:
    """The URI of a store in a SQLite file; characters with a meaning in URIs are escaped."""
    return _SQLITE + str(file).replace("%", "%25").replace("?", "%3F")


def create_sqlite_store(file: Path) -> None:
    """Create MLflow's tables in a new file, completely or not at all; does nothing if the file exists.

    MLflow creates them in dozens of steps. Two processes doing so at once, or one that is killed in between, were seen
    to leave a file that no later process can use. The steps took 0.9 s of the processor, so each user keeps an empty
    store to be copied.
    """
    switch_off_telemetry()
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.with_suffix(".lock")):
        if file.exists():
            return
        for unfinished in file.parent.glob(f".{file.name}.*.part"):
            unfinished.unlink()
        with atomic_path(file) as temporary, flushed_once(temporary):
            temporary.unlink(missing_ok=True)
            if (empty := _empty_store()) is not None:
                shutil.copyfile(empty, temporary)
            _open_once(temporary, file.parent / "artifacts")


def _open_once(file: Path, artifacts: Path) -> None:
    """Let MLflow check or create the tables of a file, and its default experiment."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(sqlite_uri(file), str(artifacts))
    store.engine.dispose()


def _empty_store() -> Path | None:
    """A store of this version of MLflow without any experiment, made when it is first needed; None where it cannot."""
    from mlflow.version import VERSION

    file = cache_folder() / "mlflow" / f"empty-{VERSION}.db"
    try:
        if file.exists() and _is_whole(file):
            return file
        with atomic_path(file) as temporary, flushed_once(temporary):
            temporary.unlink(missing_ok=True)
            _open_once(temporary, file.parent)
            with closing(sqlite3.connect(temporary)) as connection, connection:
                connection.execute("DELETE FROM experiments")  # the default one, whose artifacts lie elsewhere
    except (OSError, StorageError, sqlite3.Error):  # a folder that is read only, or another MLflow
        return None
    return file


def _is_whole(file: Path) -> bool:
    """Whether a file is a store; MLflow would try for minutes to open another one."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            checked = connection.execute("PRAGMA quick_check").fetchall()
            return checked == [("ok",)] and bool(
                connection.execute("SELECT version_num FROM alembic_version").fetchall()
            )
    except sqlite3.Error:
        return False


@contextmanager
def flushed_once(file: Path) -> Iterator[None]:
    """Let SQLite leave it to the kernel when a new file is written to the disk; whoever renames it flushes it.

    MLflow creates its tables in hundreds of small transactions, each of which waited for the disk several times.
    """
    from sqlalchemy import Engine, event

    def relax(connection: Any, _: Any) -> None:
        opened = [Path(row[2]).resolve() for row in connection.execute("PRAGMA database_list") if row[2]]
        if file.resolve() in opened:
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)

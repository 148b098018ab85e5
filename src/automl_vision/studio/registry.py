"""The registered models, asked for in a child process, so that MLflow does not stay in the server's memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from automl_vision.studio.child import Child
from automl_vision.workspace.model_registry import ModelRegistry
from automl_vision.workspace.tracking import sqlite_uri
from automl_vision.workspace.workspace import STORE_FILE

if TYPE_CHECKING:
    from automl_vision.serving.model_folder import ModelDescription
    from automl_vision.workspace.model_version import AliasChange, ModelVersion
    from automl_vision.workspace.workspace import Workspace

_SETTLED = 1_000_000_000  # nanoseconds; a file may change twice within one tick of its file system's clock

P = ParamSpec("P")
T = TypeVar("T")


class StudioRegistry:
    """A workspace's registry; its methods are those of `ModelRegistry`, and run in a child process.

    What was read of a store in the workspace's folder is kept until the store changes.

    Args:
        workspace: whose registry it is.
        child: where MLflow is imported.
    """

    def __init__(self, workspace: Workspace, child: Child) -> None:
        self._registry, self._child = workspace.models, child
        file = workspace.path / STORE_FILE
        self._store = file if self._registry.uri == sqlite_uri(file) else None
        self._lock = threading.Lock()
        self._state: Hashable = None
        self._known: dict[Hashable, Any] = {}

    def listing(self) -> dict[str, list[ModelVersion]]:
        """Every name with its versions, oldest first."""
        return self._read(ModelRegistry.listing)

    def versions(self, name: str) -> list[ModelVersion]:
        """The versions of a name, oldest first."""
        return self._read(ModelRegistry.versions, name)

    def get(self, address: str) -> ModelVersion:
        """A version by its number or by an alias."""
        return self._read(ModelRegistry.get, address)

    def aliased(self, name: str) -> ModelVersion | None:
        """The version in use; None if there is none."""
        return self._read(ModelRegistry.aliased, name)

    def log(self, name: str) -> list[AliasChange]:
        """Every change of an alias of a model, oldest first."""
        return self._read(ModelRegistry.log, name)

    def register(self, folder: Path, name: str, *, tags: dict[str, str]) -> ModelVersion:
        """Register a model folder as the next version of a name."""
        return self._ask(ModelRegistry.register, folder, name, tags=tags)

    def rollback(self, name: str, alias: str, *, why: str) -> AliasChange:
        """Point an alias to the version that it pointed to before."""
        return self._ask(ModelRegistry.rollback, name, alias, why=why)

    def manifest(self, version: ModelVersion) -> Path | None:
        """The dataset that a version was trained on; None if it is gone."""
        return self._ask(ModelRegistry.manifest, version)

    def place(self, version: ModelVersion) -> Path:
        """Where the model folder of a version lies, or will lie once it is downloaded."""
        return self._registry.place(version)

    def passport(self, version: ModelVersion) -> ModelDescription:
        """A version's `model.json`."""
        if self.place(version).exists():
            return self._registry.passport(version)
        return self._ask(ModelRegistry.passport, version)

    def download(self, version: ModelVersion) -> Path:
        """A folder of this machine with a version's model."""
        if self.place(version).exists():
            return self._registry.download(version)
        return self._ask(ModelRegistry.download, version)

    def _ask(self, method: Callable[Concatenate[ModelRegistry, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return cast("T", self._child.call(_ask, self._registry, method, args, kwargs))

    def _read(self, method: Callable[Concatenate[ModelRegistry, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a method returns; asked again only when the store has changed."""
        state, key = self._store_state(), (method.__name__, args)
        with self._lock:
            if state is None or state != self._state:
                self._state = state
                self._known.clear()
            elif key in self._known:
                return cast("T", self._known[key])
        found = self._ask(method, *args, **kwargs)
        with self._lock:
            if state is not None and state == self._state:
                self._known[key] = found
        return found

    def _store_state(self) -> Hashable:
        """A value that changes with the store; None where that is not known."""
        if self._store is None:
            return None
        try:
            found = self._store.stat()
        except FileNotFoundError:
            return None
        has_settled = time.time_ns() - found.st_mtime_ns > _SETTLED
        return (found.st_mtime_ns, found.st_size) if has_settled else None


_asked: dict[str, ModelRegistry] = {}  # in the child process, with their connections


def _ask(registry: ModelRegistry, method: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    return method(_asked.setdefault(registry.uri, registry), *args, **kwargs)

"""Endpoints as folders: definition, models, keys and the log of changes; a copy of the folder serves elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_vision.core.account import account_name
from automl_vision.core.files import append_json_line, read_lines
from automl_vision.core.system import user_number
from automl_vision.core.text import did_you_mean
from automl_vision.deployment.monitoring.store import SampleStore
from automl_vision.deployment.online.definition import (
    DEFINITION_FILE,
    DeploymentDefinition,
    EndpointDefinition,
    EndpointError,
    MonitoringSettings,
    check_name,
)
from automl_vision.deployment.online.keys import KEY_NAMES, KEYS_FILE, KeyName, Keys
from automl_vision.serving.model_folder import ModelDescription, model_fingerprint

AUDIT_FILE = "audit.jsonl"
_MONITORING = "monitoring"


@dataclass(frozen=True)
class Deployed:
    """What a deployment did.

    Attributes:
        name: of the deployment.
        share: of the traffic that it takes, in percent.
        keys: new keys by name, if the endpoint is new; they can't be shown again.
    """

    name: str
    share: int
    keys: dict[KeyName, str]


class EndpointFolder:
    """The files of one endpoint.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """Of the endpoint."""
        return self.path.name

    @property
    def definition_file(self) -> Path:
        """What it serves, to be read and changed by people too."""
        return self.path / DEFINITION_FILE

    @property
    def keys_file(self) -> Path:
        """Digests of its keys."""
        return self.path / KEYS_FILE

    @property
    def audit_file(self) -> Path:
        """Every change of definition and keys, a JSON object per line."""
        return self.path / AUDIT_FILE

    @property
    def exists(self) -> bool:
        """Whether there is such an endpoint."""
        return self.definition_file.exists()

    def definition(self) -> EndpointDefinition:
        """What it serves.

        Raises:
            EndpointError: the definition cannot be read.
        """
        return EndpointDefinition.load(self.definition_file)

    def keys(self) -> Keys:
        """Its keys.

        Raises:
            EndpointError: they cannot be read.
        """
        return Keys.load(self.keys_file)

    def model_folder(self, deployment: DeploymentDefinition) -> Path:
        """The model folder of a deployment.

        Raises:
            EndpointError: it would be outside of the endpoint's folder.
        """
        found = (self.path / deployment.folder).resolve()
        if not found.is_relative_to(self.path.resolve()):
            raise EndpointError(f'the model folder "{deployment.folder}" is outside of {self.path}; copy it into it')
        return found

    def samples(self, name: str, settings: MonitoringSettings) -> SampleStore:
        """What a deployment saw lately.

        Args:
            name: of the deployment.
            settings: say how much is kept.
        """
        file = self.path / _MONITORING / f"{name}.sqlite"
        return SampleStore(file, keep=settings.keep, keep_images=settings.keep_images)

    def deploy(
        self,
        model_folder: Path,
        model: str,
        *,
        name: str | None = None,
        share: int | None = None,
        mirror: int | None = None,
        runtime: str | None = None,
        backend: str | None = None,
    ) -> Deployed:
        """Serve a model; a running server takes it up by itself, without failing a request.

        Args:
            model_folder: its files; they are linked or copied into the endpoint's folder.
            model: what it is, such as "clothing:3".
            name: of the deployment; by default made from `model`. One of the same name is replaced.
            share: of the traffic in percent; None keeps the share that it has, or is all of a new endpoint's.
            mirror: percent of requests that it answers for the record only.
            runtime: as of a predictor.
            backend: `triton://host:port/MODEL` of a server that runs the network.

        Raises:
            EndpointError: a name or share cannot be.
            ModelFolderError: the folder is not a usable model folder.
        """
        ModelDescription.load(model_folder)
        check_name(self.name, "endpoint")
        name = name or _deployment_name(model)
        check_name(name, "deployment")
        is_new = not self.exists
        before = EndpointDefinition() if is_new else self.definition()
        folder = self._keep(model_folder, name)
        deployment = DeploymentDefinition(model=model, folder=folder, runtime=runtime, backend=backend)
        after = before.with_deployment(name, deployment, share=share, mirror=mirror)
        keys = {} if not is_new else {each: self.renew_key(each) for each in KEY_NAMES}
        self.change(after, f"deployed {model} as {name}")
        return Deployed(name, after.traffic.get(name, 0), keys)

    def change(self, definition: EndpointDefinition, what: str) -> None:
        """Write another definition, and log the change before it."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._log(what, traffic=definition.traffic, mirror_traffic=definition.mirror_traffic)
        definition.save(self.definition_file)

    def remove_deployment(self, name: str) -> None:
        """End a deployment that takes no traffic; its files stay until the next clean-up.

        Raises:
            EndpointError: it takes traffic, or does not exist.
        """
        self.change(self.definition().without(name), f"removed {name}")

    def renew_key(self, name: KeyName) -> str:
        """Replace a key, and return the new one; a running server accepts it within a second, and the old one no more.

        Raises:
            EndpointError: the keys cannot be read.
        """
        keys, text = self.keys().renewed(name)
        self.path.mkdir(parents=True, exist_ok=True)
        self._log(f"renewed the {name} key")
        keys.save(self.keys_file)
        return text

    def limit_key(self, name: KeyName, *, per_second: float | None, per_day: int | None) -> None:
        """Set how much a key allows; None allows any number.

        Raises:
            EndpointError: a limit is not above 0, or there is no such key.
        """
        keys = self.keys().limited(name, per_second=per_second, per_day=per_day)
        self._log(f"limited the {name} key", per_second=per_second, per_day=per_day)
        keys.save(self.keys_file)

    def _keep(self, model_folder: Path, name: str) -> str:
        """Link or copy a model's files into the endpoint's folder; equal files are kept once."""
        place = f"models/{name}-{model_fingerprint(model_folder)[:12]}"
        target = self.path / place
        if not target.exists():
            part = target.with_name(f".{target.name}.{os.getpid()}")
            shutil.copytree(model_folder, part, copy_function=_link_or_copy, dirs_exist_ok=True)
            part.rename(target)
        return place

    def changes(self, last: int | None = None) -> list[dict[str, Any]]:
        """The changes of definition and keys, in their order: `time`, `user`, `what` and details.

        Args:
            last: how many of the last ones; None returns all.
        """
        lines, _ = read_lines(self.audit_file)
        return [json.loads(line) for line in (lines if last is None else lines[-last:])]

    def _log(self, what: str, **details: Any) -> None:
        user = account_name() or str(user_number() or "")
        append_json_line(self.audit_file, {"time": time.time(), "user": user, "what": what, **details})


class Endpoints:
    """The endpoints of a workspace.

    Args:
        workspace: folder of the workspace.
    """

    def __init__(self, workspace: Path) -> None:
        self.path = workspace / "endpoints"

    def names(self) -> list[str]:
        """Names of all endpoints."""
        return sorted(file.parent.name for file in self.path.glob(f"*/{DEFINITION_FILE}"))

    def folder(self, name: str) -> EndpointFolder:
        """The folder of an endpoint, whether it exists or not.

        Raises:
            EndpointError: it cannot be a name.
        """
        check_name(name, "endpoint")
        return EndpointFolder(self.path / name)

    def get(self, name: str) -> EndpointFolder:
        """An endpoint by its name.

        Raises:
            EndpointError: there is none of this name.
        """
        known = self.names()
        if name not in known:
            listed = ", ".join(known) or "none"
            hint = did_you_mean(name, known)
            raise EndpointError(
                f'no endpoint is named "{name}".{hint} Endpoints: {listed}. '
                "Make one with: automl-vision deploy MODEL --endpoint NAME"
            )
        return EndpointFolder(self.path / name)


def _deployment_name(model: str) -> str:
    """A name for the deployment of a model, such as "clothing-3" for "clothing:3"."""
    letters = "".join(character if character.isascii() and character.isalnum() else "-" for character in model)
    name = "-".join(part for part in letters.split("-") if part)
    return (name if name[:1].isalpha() else f"model-{name}")[:60]


def _link_or_copy(source: str, target: str) -> None:
    """A second name for a file where the file system allows that; model files are replaced, never rewritten."""
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copy2(source, target)

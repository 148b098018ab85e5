"""Registered models: each name has versions in MLflow's registry, with aliases, lineage and a log of alias changes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from automl_vision.core.account import account_name
from automl_vision.core.errors import ModelFolderError, ModelNotFoundError, WorkspaceError
from automl_vision.core.names import NAME_RULE, is_usable_name
from automl_vision.core.text import did_you_mean
from automl_vision.serving.model_folder import CARD_FILE, DESCRIPTION_FILE, ModelDescription
from automl_vision.storage.urls import without_secrets
from automl_vision.workspace.model_version import (
    CANDIDATE,
    CHAMPION,
    AliasAction,
    AliasChange,
    Lineage,
    ModelAddress,
    ModelVersion,
    is_model_address,
    own_tags,
    positions,
)
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.tracking import experiment_id, open_client

_MODEL = "model"  # the artifact folder of a run that has the model folder
_MANIFEST = "manifest.parquet"
_EXPERIMENT = "registered models"  # of folders that no MLflow run has
_MAX_DESCRIPTION = 5000  # characters that MLflow keeps in PostgreSQL, as of a tag's value
_MAX_REASON = 1000  # characters; a change of an alias is one tag
_MAX_NAME = 60
_NO_ANSWER = "failed with exception"  # what MLflow's client says of requests without an answer
_MAX_TOLD = 300  # characters of what MLflow says


class ModelRegistry:
    """The registered models of a workspace, or of the MLflow server that it uses.

    Args:
        uri: of the MLflow store.
        artifacts: folder for artifacts of a local store; None: the server decides.
        cache: folder for models that were downloaded.
        runs: folder of the workspace's runs.
    """

    def __init__(self, uri: str, *, artifacts: Path | None, cache: Path, runs: Path) -> None:
        self.uri = uri
        self._artifacts, self._cache, self._runs = artifacts, cache, runs

    def register(
        self, folder: str | os.PathLike[str], name: str, *, tags: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """Register a model folder as the next version of a name; the alias `candidate` moves to it.

        The files are stored once: where the folder's run has published them to MLflow, the version refers to them.

        Args:
            folder: the model folder.
            name: letters, digits, `-`, `_` and `.`, at most 60.
            tags: kept with the version.

        Raises:
            ModelFolderError: the folder is not a usable model folder.
            WorkspaceError: the name has other characters, or too many, or the registry cannot be written.
        """
        _check_name(name)
        folder = Path(folder)
        passport = ModelDescription.load(folder)
        with self._answering() as client:
            if not self._is_registered(name):
                client.create_registered_model(name)
            lineage = self._origin(passport, name)
            run = lineage.mlflow_run
            stored_in = run if run and self._has_published(run, folder) else self._upload(folder, name, lineage.run)
            version = client.create_model_version(
                name,
                f"{client.get_run(stored_in).info.artifact_uri}/{_MODEL}",
                stored_in,
                tags={**(tags or {}), **lineage.to_tags()},
                description=_card(folder),
            )
        self.alias(name, CANDIDATE, int(version.version), action="registered")
        return self.get(f"{name}:{version.version}")

    def listing(self) -> dict[str, list[ModelVersion]]:
        """Every name with its versions, oldest first, in two queries however many there are."""
        with self._answering() as client:
            aliases = {
                model.name: {alias: int(number) for alias, number in model.aliases.items()}
                for model in _pages(client.search_registered_models)
            }
            found: dict[str, list[ModelVersion]] = {name: [] for name in sorted(aliases)}
            for one in _pages(client.search_model_versions):
                if one.name in found:  # not of a name that was registered between the two queries
                    found[one.name].append(_version(one, aliases[one.name]))
        return {name: sorted(versions, key=lambda version: version.number) for name, versions in found.items()}

    def passport(self, version: ModelVersion) -> ModelDescription:
        """A version's `model.json`; of files that do not lie on this machine it is the only one that is fetched.

        Raises:
            ModelFolderError: what was registered is not a model folder.
            WorkspaceError: the file cannot be read.
        """
        here = self.place(version)
        if _local_path(version.source) is None and not here.exists():
            here = self._cache / "passports" / version.name / f"{version.number}-{1000 * version.created:.0f}"
            if not here.exists():
                self._download(f"{version.source}/{DESCRIPTION_FILE}", here / DESCRIPTION_FILE)
        return ModelDescription.load(here)

    def names(self) -> list[str]:
        """All names."""
        with self._answering() as client:
            return sorted(model.name for model in _pages(client.search_registered_models))

    def versions(self, name: str) -> list[ModelVersion]:
        """The versions of a name, oldest first.

        Raises:
            ModelNotFoundError: no model has this name.
        """
        with self._answering() as client:
            aliases = self._aliases(name)
            found = list(_pages(client.search_model_versions, f"name='{name}'"))
        return sorted((_version(one, aliases) for one in found), key=lambda version: version.number)

    def get(self, address: str) -> ModelVersion:
        """Return a version by its number or by an alias, as in `clothing:2` or `clothing@champion`.

        Raises:
            ModelNotFoundError: there is no such name, version or alias.
        """
        wanted = ModelAddress.parse(address)
        known = self.versions(wanted.name)
        for version in known:
            if version.number == wanted.number or wanted.alias in version.aliases:
                return version
        if wanted.alias is not None:
            aliases = sorted({alias for version in known for alias in version.aliases})
            hint = did_you_mean(wanted.alias, aliases)
            set_ones = ", ".join(aliases) or "none"
            raise ModelNotFoundError(f'"{wanted.name}" has no alias "{wanted.alias}".{hint} Set: {set_ones}')
        numbers = ", ".join(str(version.number) for version in known) or "none"
        raise ModelNotFoundError(f'"{wanted.name}" has no version {wanted.number}; it has: {numbers}')

    def aliased(self, name: str, alias: str = CHAMPION) -> ModelVersion | None:
        """The version that an alias points to; None if it is not set.

        Raises:
            ModelNotFoundError: no model has this name.
        """
        return next((version for version in self.versions(name) if alias in version.aliases), None)

    def alias(
        self, name: str, alias: str, version: int, *, why: str = "", action: AliasAction = "set"
    ) -> AliasChange | None:
        """Point an alias to a version, and log it with time, user and reason.

        The change is logged first, so that a crash cannot leave one that is not in the log.

        Args:
            name: of the model.
            alias: letters, digits, `-` and `_`; not `latest`, nor like `v2`.
            version: its number.
            why: the reason, at most 1,000 characters.
            action: what moves the alias.

        Returns:
            The change; None if the alias pointed to this version already.

        Raises:
            ModelNotFoundError: there is no such name or version.
            WorkspaceError: the registry cannot be written, or refuses the alias or the reason.
        """
        if len(why) > _MAX_REASON:
            raise WorkspaceError(f"a reason has at most {_MAX_REASON} characters, not {len(why)}")
        self.get(f"{name}:{version}")
        with self._answering() as client:
            current = self._aliases(name).get(alias)
            if current == version:
                return None
            change = AliasChange(alias, version, current, time.time(), _user(), action, why)
            key, value = change.to_tag()
            client.set_registered_model_tag(name, key, value)
            try:
                client.set_registered_model_alias(name, alias, str(version))
            except Exception:
                client.delete_registered_model_tag(name, key)
                raise
        return change

    def log(self, name: str) -> list[AliasChange]:
        """Every change of an alias of a model, oldest first, from any machine that uses the registry.

        Changes that are made in MLflow's own interface are not in it.

        Raises:
            ModelNotFoundError: no model has this name.
        """
        return AliasChange.from_tags(self._registered(name).tags)

    def rollback(self, name: str, alias: str = CHAMPION, *, why: str = "") -> AliasChange:
        """Point an alias to the version that it pointed to before; a second rollback goes one step further back.

        Args:
            name: of the model.
            alias: to move.
            why: the reason.

        Raises:
            ModelNotFoundError: there is no such name, the alias is not set, or it never pointed to another version.
            WorkspaceError: the registry cannot be written.
        """
        current = self.get(f"{name}@{alias}").number
        stack = positions([change for change in self.log(name) if change.alias == alias], current)
        if len(stack) < 2:
            raise ModelNotFoundError(f'{alias} of "{name}" never pointed to another version than {current}')
        change = self.alias(name, alias, stack[-2], why=why, action="rolled back")
        assert change is not None, "neighbouring positions differ"
        return change

    def download(self, version: ModelVersion) -> Path:
        """Return a folder of this machine with a version's model; files that lie here are not copied.

        Raises:
            ModelFolderError: what was registered is not a model folder.
            WorkspaceError: the files cannot be read.
        """
        here = self.place(version)
        if _local_path(version.source) is None and not here.exists():
            self._download(version.source, here)
        if not (here / DESCRIPTION_FILE).exists():
            raise ModelFolderError(f"{version} is not a model folder: {version.source} has no {DESCRIPTION_FILE}")
        return here

    def resolve(self, model: str | os.PathLike[str]) -> Path:
        """Return the folder of a model named as in `clothing:2` or `clothing@champion`, or else the path itself.

        A folder that exists takes precedence over a registered name.

        Raises:
            ModelNotFoundError: the path does not exist and has the form of an address, which does not exist either.
        """
        version = self.named(model)
        return Path(model) if version is None else self.download(version)

    def named(self, model: str | os.PathLike[str]) -> ModelVersion | None:
        """The version that a text such as `clothing:2` or `clothing@champion` names; None for the path of a folder.

        A folder that exists takes precedence over a registered name.

        Raises:
            ModelNotFoundError: the path does not exist and has the form of an address, which does not exist either.
        """
        path = os.fspath(model)
        return self.get(path) if is_model_address(path) and not Path(path).exists() else None

    def manifest(self, version: ModelVersion) -> Path | None:
        """The dataset that a version was trained on, as its run prepared it; None if it is gone.

        Raises:
            WorkspaceError: the registry does not answer.
        """
        here = self._runs / version.lineage.run / _MANIFEST
        if version.lineage.run and here.exists():
            return here
        runs = dict.fromkeys((version.lineage.mlflow_run, version.stored_in))
        return next((found for run in runs if run and (found := self._stored_manifest(run)) is not None), None)

    def place(self, version: ModelVersion) -> Path:
        """Where the model folder of a version lies, or will lie once it is downloaded."""
        cached = self._cache / "models" / version.name / f"{version.number}-{1000 * version.created:.0f}"
        here = _local_path(version.source)
        return cached if here is None else here

    @cached_property
    def _client(self) -> Any:
        return open_client(self.uri)

    @contextmanager
    def _answering(self) -> Iterator[Any]:
        """The client; what MLflow raises becomes one sentence."""
        client = self._client
        from mlflow.exceptions import MlflowException

        try:
            yield client
        except (MlflowException, OSError) as error:
            where, told = without_secrets(self.uri), without_secrets(str(error)).partition("\n")[0]
            if _NO_ANSWER in told:
                problem = "does not answer; check that its server runs and that MLFLOW_TRACKING_URI names it"
            else:
                problem = f"cannot be used ({told[:_MAX_TOLD]})"
            raise WorkspaceError(f"the model registry at {where} {problem}") from error

    def _registered(self, name: str) -> Any:
        """MLflow's record of a name."""
        with self._answering() as client:
            if self._is_registered(name):
                return client.get_registered_model(name)
        names = self.names()
        hint, listed = did_you_mean(name, names), ", ".join(names) or "none"
        raise ModelNotFoundError(f'no model is registered as "{name}".{hint} Registered: {listed}')

    def _is_registered(self, name: str) -> bool:
        return bool(self._client.search_registered_models(f"name='{name}'", max_results=1))

    def _aliases(self, name: str) -> dict[str, int]:
        return {alias: int(number) for alias, number in self._registered(name).aliases.items()}

    def _origin(self, passport: ModelDescription, name: str) -> Lineage:
        """Where a model comes from, by its passport, the run in MLflow, and the run's folder if it is here."""
        made = {key: str(value) for key, value in passport.provenance.items() if isinstance(value, str | int)}
        found, client = None, self._client
        experiment = client.get_experiment_by_name(made["experiment"]) if made.get("experiment") else None
        if experiment is not None and made.get("run"):
            runs = client.search_runs([experiment.experiment_id], f"tags.`automl_vision.run` = '{made['run']}'")
            found = runs[0] if runs else None
        champion = self._aliases(name).get(CHAMPION)
        versions = passport.provenance.get("versions")
        data_version = self._local_data_version(made.get("run", ""))
        return Lineage(
            run=made.get("run", ""),
            trial=made.get("trial", ""),
            experiment=made.get("experiment", ""),
            mlflow_run="" if found is None else found.info.run_id,
            data_version=data_version if found is None else found.data.params.get("data_version", data_version),
            data_fingerprint=str(passport.data.get("fingerprint", "")),
            code_version=str(versions.get("automl-vision", "")) if isinstance(versions, dict) else "",
            parent="" if champion is None else str(champion),
            user=_user(),
        )

    def _has_published(self, run: str, folder: Path) -> bool:
        """Whether an MLflow run has exactly the files of a model folder; its passport is unique to a packaging."""
        files = {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}
        stored = self._client.list_artifacts(run, _MODEL)
        if {Path(file.path).name: file.file_size for file in stored} != files:
            return False
        with tempfile.TemporaryDirectory() as temporary:
            passport = Path(self._client.download_artifacts(run, f"{_MODEL}/{DESCRIPTION_FILE}", temporary))
            return passport.read_bytes() == (folder / DESCRIPTION_FILE).read_bytes()

    def _local_data_version(self, run: str) -> str:
        """The registered dataset that a run of this workspace used; empty if it is not known."""
        try:
            return str(RunFolder(self._runs / run).spec().get("data_version") or "")
        except FileNotFoundError:
            return ""

    def _upload(self, folder: Path, name: str, trained_by: str) -> str:
        """Store a model folder in an MLflow run of its own, with the manifest of the run that trained it if it is here.

        Returns:
            MLflow's id of the run.
        """
        client = self._client
        experiment = experiment_id(client, _EXPERIMENT, self._artifacts)
        run = str(client.create_run(experiment, run_name=name).info.run_id)
        client.log_artifacts(run, str(folder), _MODEL)
        manifest = self._runs / trained_by / _MANIFEST
        if trained_by and manifest.exists():
            client.log_artifact(run, str(manifest))
        client.set_terminated(run)
        return run

    def _stored_manifest(self, run: str) -> Path | None:
        """The manifest among the artifacts of an MLflow run; None if it has none."""
        here = self._cache / "manifests" / f"{run}.parquet"
        if not here.exists():
            with self._answering() as client:
                if not any(file.path == _MANIFEST for file in client.list_artifacts(run)):
                    return None
                uri = f"{client.get_run(run).info.artifact_uri}/{_MANIFEST}"
            self._download(uri, here)
        return here

    def _download(self, uri: str, destination: Path) -> None:
        """Fetch a file or a folder of the artifact store; it appears whole or not at all."""
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".") as temporary, self._answering():
            from mlflow.artifacts import download_artifacts

            found = download_artifacts(artifact_uri=uri, dst_path=temporary, tracking_uri=self.uri)
            with suppress(OSError):  # another process was faster
                Path(found).rename(destination)


def _check_name(name: str) -> None:
    if not is_usable_name(name):
        raise WorkspaceError(f"a model's name is made of {NAME_RULE}, not {name!r}")
    if len(name) > _MAX_NAME:
        raise WorkspaceError(f"a model's name is made of at most {_MAX_NAME} characters, not {len(name)}")


def _card(folder: Path) -> str:
    """The model card for MLflow's interface, cut where MLflow would refuse it."""
    try:
        text = (folder / CARD_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    note = f"\n\nCut here; the whole card is {CARD_FILE} among the files."
    return text if len(text) <= _MAX_DESCRIPTION else text[: _MAX_DESCRIPTION - len(note)] + note


def _user() -> str:
    """Who changes the registry: the name for MLflow's server, or of the account."""
    return os.environ.get("MLFLOW_TRACKING_USERNAME") or account_name() or "unknown"


def _pages(search: Any, *arguments: Any) -> Iterator[Any]:
    """What a search of MLflow finds, page after page."""
    token = None
    while True:
        page = search(*arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _version(found: Any, aliases: Mapping[str, int]) -> ModelVersion:
    number = int(found.version)
    return ModelVersion(
        found.name,
        number,
        found.creation_timestamp / 1000,
        tuple(sorted(alias for alias, target in aliases.items() if target == number)),
        found.source,
        found.run_id or "",
        Lineage.from_tags(found.tags),
        own_tags(found.tags),
    )


def _local_path(uri: str) -> Path | None:
    """The path of an artifact that lies on this machine; None for any other store."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if "://" not in uri and not uri.startswith("mlflow-artifacts:") else None

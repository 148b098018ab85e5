"""Registered datasets: each name has versions, each version a manifest; equal contents are one version."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_vision.core.errors import DataError, WorkspaceError
from automl_vision.core.files import read_json, write_json
from automl_vision.core.locks import lock
from automl_vision.core.names import NAME_RULE, is_usable_name
from automl_vision.core.text import did_you_mean
from automl_vision.data.defaults import SPLIT_RATIO

if TYPE_CHECKING:
    from automl_vision.data.dataset import Dataset

_MANIFEST, _FACTS = "manifest.parquet", "version.json"
_MAX_NAME = 60  # letters of up to 4 bytes; the name of a folder holds 255


@dataclass(frozen=True)
class DatasetVersion:
    """One version of a registered dataset; it can be passed wherever a path to a dataset is expected.

    Attributes:
        name: of the dataset.
        number: counted from 1.
        fingerprint: digest of the contents.
        manifest: Parquet file.
        created: seconds since 1970.
        summary: counts of images and classes.
        description: free text of the person who registered it.
        parent: id of the version that it was made from; empty if it was not made from one.
    """

    name: str
    number: int
    fingerprint: str
    manifest: str
    created: float
    summary: dict[str, Any]
    description: str = ""
    parent: str = ""

    @property
    def id(self) -> str:
        """Name and number, such as `clothing:2`."""
        return f"{self.name}:{self.number}"

    def __fspath__(self) -> str:
        return self.manifest

    def __str__(self) -> str:
        return self.id


class DatasetRegistry:
    """The registered datasets of a workspace.

    Args:
        folder: has one folder per name, and in each one folder per version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def register(
        self,
        dataset: Dataset,
        name: str,
        *,
        description: str = "",
        parent: str = "",
        split_ratio: float | None = SPLIT_RATIO,
        seed: int = 0,
    ) -> DatasetVersion:
        """Register a dataset as the next version of a name; if a version has equal contents, return that version.

        An image that was in the previous version keeps its split, so that no validation or test image becomes a
        training image later.

        Args:
            dataset: to register.
            name: letters, digits, `-`, `_` and `.`, at most 60.
            description: free text.
            parent: id of the version that it was made from.
            split_ratio: fraction of the images without a split to hold out for validation; None assigns no splits.
            seed: of the choice of these images.

        Raises:
            DataError: the name has other characters, or too many.
            WorkspaceError: the workspace cannot be written.
        """
        if not is_usable_name(name):
            raise DataError(f"a dataset's name is made of {NAME_RULE}, not {name!r}")
        if len(name) > _MAX_NAME:
            raise DataError(f"a dataset's name is made of at most {_MAX_NAME} characters, not {len(name)}")
        with self._locked(name):
            known = self.versions(name)
            if known and split_ratio is not None:
                dataset = dataset.following(dataset.load(known[-1]), split_ratio, seed=seed)
            if split_ratio is not None:
                dataset = dataset.with_validation(split_ratio, seed=seed)
            for version in known:
                if version.fingerprint == dataset.fingerprint:
                    dataset.save(version.manifest)  # the same images may be elsewhere by now
                    return version
            number = known[-1].number + 1 if known else 1
            folder = self.folder / name / str(number)
            dataset.save(folder / _MANIFEST)
            facts: dict[str, Any] = {
                "created": time.time(),
                "summary": dataset.summary(),
                "description": description,
                "parent": parent,
            }
            version = DatasetVersion(name, number, dataset.fingerprint, str(folder / _MANIFEST), **facts)
            # written last: the version exists as soon as this file does
            write_json(folder / _FACTS, {**asdict(version), "manifest": _MANIFEST})
        return version

    def names(self) -> list[str]:
        """All names."""
        return sorted({file.parent.parent.name for file in self.folder.glob(f"*/*/{_FACTS}")})

    def versions(self, name: str) -> list[DatasetVersion]:
        """The versions of a name, oldest first; empty for a name that is not registered."""
        files = [file for file in (self.folder / name).glob(f"*/{_FACTS}") if file.parent.name.isdecimal()]
        files.sort(key=lambda file: int(file.parent.name))
        return [DatasetVersion(**{**read_json(file), "manifest": str(file.with_name(_MANIFEST))}) for file in files]

    def get(self, name: str, version: int | None = None) -> DatasetVersion:
        """Return a version, by default the newest; `name` may include the number, as in `clothing:2`.

        Raises:
            DataError: there is no such version.
        """
        name, _, number = name.partition(":")
        if number and version is None:
            if not number.isdecimal():
                raise DataError(f'a version is a number, not "{number}"')
            version = int(number)
        known = self.versions(name)
        if not known:
            hint = did_you_mean(name, self.names())
            names = ", ".join(self.names()) or "none"
            raise DataError(f'no dataset is registered as "{name}".{hint} Registered: {names}')
        for found in reversed(known):
            if version is None or found.number == version:
                return found
        raise DataError(f'"{name}" has no version {version}; it has: {", ".join(str(v.number) for v in known)}')

    def resolve(self, path: str) -> str:
        """Return the manifest of a version named as in `clothing` or `clothing:2`, or else the path itself.

        A file that exists takes precedence over a registered name.

        Raises:
            DataError: the path does not exist and looks like the name of a version.
        """
        name, _, number = path.partition(":")
        if "/" in path or os.path.exists(path):  # noqa: PTH110 - pathlib raises for a path that is too long
            return path
        names = self.names()
        hint = did_you_mean(name, names)
        if name not in names and (hint or number.isdecimal()):
            raise DataError(f'{path} does not exist, and no dataset is registered as "{name}".{hint}')
        return self.get(path).manifest if name in names else path

    def find(self, fingerprint: str) -> DatasetVersion | None:
        """The version with a fingerprint, or None."""
        versions = (version for name in self.names() for version in self.versions(name))
        return next((version for version in versions if version.fingerprint == fingerprint), None)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        try:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            file = (self.folder / name / ".lock").open("w")
        except OSError as error:
            raise WorkspaceError(f"{self.folder / name} cannot be written ({error.strerror})") from None
        with file:
            lock(file.fileno())
            yield

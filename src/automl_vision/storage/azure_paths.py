"""Addresses of data in Azure Machine Learning, followed as far as a copy of it lies on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from automl_vision.core.errors import DataError

DATASTORES_VARIABLE = "AUTOML_VISION_DATASTORES"
"""Folders at which data stores are mounted, such as `workspaceblobstore=/mnt/blob`, separated like those of `PATH`."""

_PREFIX = "azureml:"
_STORE = re.compile(r"azureml://(?:.*/)?datastores/([^/]+)/paths/(.+)", re.IGNORECASE)
_ASSET = re.compile(r"azureml:(?://.*/data/)?([^:@/]+)(?:(?::|@|/versions/)([^/]+))?/?")


def is_azure_address(path: str) -> bool:
    """Whether a path is an address of Azure Machine Learning's."""
    return path.startswith(_PREFIX)


def asset_name(path: str) -> str | None:
    """The name of a registered data asset, with its version if the address has one, as in `fridge:1`; else None."""
    found = _ASSET.fullmatch(path)
    return None if found is None else found[1] + (f":{found[2]}" if found[2] else "")


def local_copy(path: str, folder: Path | None = None) -> str:
    """The copy on this machine of what an address names; a path that is no such address is returned as it is.

    Of a data store that is mounted it is the file there; else the longest end of the path that exists below a folder.

    Args:
        path: any path, or an address such as `azureml://datastores/NAME/paths/fridge/train`.
        folder: that copies lie below; None for the current one.

    Raises:
        DataError: there is none; the message says what would be one.
    """
    if not is_azure_address(path):
        return path
    found = _STORE.fullmatch(path)
    if found is None:
        name = asset_name(path) or path
        raise DataError(
            f"{path} is a data asset of Azure's, and only copies are read here; download it, such as with "
            f"`az ml data show` and `azcopy copy`, and open the folder, or register it as {name.partition(':')[0]}"
        )
    store, parts = found[1], [part for part in PurePosixPath(unquote(found[2])).parts if part != "/"]
    if ".." in parts:
        raise DataError(f"{path} leads out of its data store")
    near = folder or Path.cwd()
    mounted = _mounted().get(store)
    candidates = [] if mounted is None else [mounted.joinpath(*parts)]
    candidates += [near.joinpath(*parts[start:]) for start in range(len(parts))]
    for candidate in candidates:
        if candidate.exists():
            return str(candidate)
    raise DataError(
        f"{path} is in the data store {store} of Azure, and no copy of it was found: neither {candidates[0]} nor a "
        f"shorter end of its path below {near}; copy it there, or mount the store and say "
        f"{DATASTORES_VARIABLE}={store}=FOLDER"
    )


def _mounted() -> dict[str, Path]:
    """Folders of the data stores that are mounted, by name."""
    found = {}
    for entry in os.environ.get(DATASTORES_VARIABLE, "").split(os.pathsep):
        name, _, folder = entry.partition("=")
        if name and folder:
            found[name] = Path(folder)
    return found

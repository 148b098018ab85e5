"""Where things lie, how large they are, and what is installed."""

from __future__ import annotations

import platform

from pydantic import BaseModel, Field

from automl_vision.compute.local import visible_gpus
from automl_vision.core.system import core_count
from automl_vision.core.version import installed_versions
from automl_vision.studio.opened import Opened
from automl_vision.studio.operations import operations
from automl_vision.workspace.storage_use import FolderUse, storage_use

router = operations("settings", "/settings")


class Machine(BaseModel):
    """The machine that the studio runs on, and what is installed."""

    system: str = Field(examples=["Linux 6.1"])
    cores: int = Field(description="that the studio may use")
    gpus: list[str] = Field(description="that are visible")
    versions: dict[str, str] = Field(description="by package")
    workspace: str = Field(description="folder of the workspace")
    tracking: str = Field(description="the MLflow store, without secrets")


class Storage(BaseModel):
    """What lies on this machine for a workspace."""

    folders: list[FolderUse]
    bytes: int = Field(description="of all of them")


@router.get("/machine")
def get_machine(opened: Opened) -> Machine:
    """Return the machine, what is installed, and where the workspace lies."""
    from automl_vision.storage.urls import without_secrets

    return Machine(
        system=f"{platform.system()} {platform.release()}",
        cores=core_count(),
        gpus=visible_gpus(),
        versions=installed_versions(),
        workspace=str(opened.workspace.path),
        tracking=without_secrets(opened.workspace.tracking_uri),
    )


@router.get("/storage")
def get_storage(opened: Opened) -> Storage:
    """Return the folders of the workspace and its caches with their sizes, which takes a moment for many files."""
    folders = storage_use(opened.workspace)
    return Storage(folders=folders, bytes=sum(folder.bytes for folder in folders))

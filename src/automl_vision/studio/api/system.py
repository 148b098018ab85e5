"""What is open, and which version serves it."""

from __future__ import annotations

from fastapi import Request
from pydantic import BaseModel, Field

from automl_vision.core.version import VERSION
from automl_vision.studio.operations import operations

router = operations("system")


class WorkspaceSummary(BaseModel):
    """A workspace that the studio shows."""

    name: str = Field(description="in addresses: `?workspace=NAME`", examples=["helmets"])
    path: str = Field(description="its folder")
    runs: int = Field(description="how many there are")


class System(BaseModel):
    """What is open, and which version serves it."""

    version: str = Field(examples=[VERSION])
    workspaces: list[WorkspaceSummary] = Field(description="the first one is the default")


@router.get("/system")
def get_system(request: Request) -> System:
    """Return the version and the workspaces that are open."""
    spaces = [
        WorkspaceSummary(name=name, path=str(opened.workspace.path), runs=len(opened.workspace.run_ids()))
        for name, opened in request.app.state.workspaces.items()
    ]
    return System(version=VERSION, workspaces=spaces)

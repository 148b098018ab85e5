"""From a registered model, or a model folder, to a deployment of an endpoint."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from automl_vision.deployment.online.endpoint_folder import Deployed, Endpoints
from automl_vision.workspace.workspace import Workspace, as_workspace


def deploy(
    model: str | PathLike[str],
    endpoint: str,
    *,
    name: str | None = None,
    traffic: int | None = None,
    mirror: int | None = None,
    runtime: str | None = None,
    backend: str | None = None,
    workspace: Workspace | str | PathLike[str] | None = None,
) -> Deployed:
    """Serve a model from an endpoint, which is made if there is none; a server that runs takes it up by itself.

    An alias is resolved now: the deployment keeps the version when the alias moves on.

    Args:
        model: `NAME:VERSION`, `NAME@ALIAS`, or a model folder.
        endpoint: its name: letters, digits and -, at most 60.
        name: of the deployment; by default made from the model's. One of the same name is replaced.
        traffic: percent of requests that it answers; the others keep their proportions. None keeps its share, which is
            0 for a new deployment and 100 for the first one.
        mirror: percent of requests that it answers for the record only.
        runtime: as of a predictor.
        backend: `triton://host:port/MODEL` of a Triton server that runs the network, from a repository that
            `export --format triton` wrote; keys, limits and formats stay those of the endpoint.
        workspace: that has the endpoint; None for the default one.

    Returns:
        The deployment, with the endpoint's keys if it is new.

    Raises:
        EndpointError: a name or a share cannot be.
        ModelNotFoundError: no such version is registered.
        ModelFolderError: the folder is not a usable model folder.
    """
    space = as_workspace(workspace)
    registry = space.models
    version = registry.named(model)
    folder = Path(model) if version is None else registry.download(version)
    shown = folder.resolve().name if version is None else version.id
    place = Endpoints(space.path).folder(endpoint)
    return place.deploy(folder, shown, name=name, share=traffic, mirror=mirror, runtime=runtime, backend=backend)

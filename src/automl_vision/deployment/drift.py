"""Whether what an endpoint sees has changed since its model was validated, and which of its images to label."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from automl_vision.deployment.monitoring.comparison import (
    LEAST_IMAGES,
    LEVEL,
    Comparison,
    compare_observations,
)
from automl_vision.deployment.monitoring.store import MonitoringError, Sample
from automl_vision.deployment.online.definition import DeploymentDefinition, EndpointDefinition
from automl_vision.deployment.online.endpoint_folder import EndpointFolder, Endpoints
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.observations import Observations, Reference
from automl_vision.workspace.workspace import Workspace, as_workspace

NEWEST = 200


@dataclass(frozen=True)
class DriftReport:
    """What a check of one deployment found.

    Attributes:
        endpoint, deployment, model: what was checked.
        samples: how many images were compared.
        since, until: when the first and the last of them came, in ISO 8601; None without any.
        comparison: None where there are too few images.
        sentence: the result.
    """

    endpoint: str
    deployment: str
    model: str
    samples: int
    since: str | None
    until: str | None
    comparison: Comparison | None
    sentence: str

    @property
    def is_alarm(self) -> bool:
        """Whether anything has changed, at the level."""
        return self.comparison is not None and self.comparison.is_alarm

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        comparison = None if self.comparison is None else self.comparison.to_json()
        return {**vars(self), "comparison": comparison, "is_alarm": self.is_alarm}


def drift(
    endpoint: str,
    deployment: str | None = None,
    *,
    newest: int = NEWEST,
    level: float = LEVEL,
    workspace: Workspace | str | PathLike[str] | None = None,
) -> DriftReport:
    """Compare what an endpoint saw lately with the validation images of its model, without labels.

    Args:
        endpoint: its name.
        deployment: its name; None takes the one with most traffic.
        newest: how many of the newest samples are compared, at most.
        level: share of checks that may raise an alarm though nothing changed, above 0 and below 1.
        workspace: that has the endpoint; None for the default one.

    Returns:
        What has changed, and how many answers are probably right.

    Raises:
        EndpointError: there is no such endpoint or deployment.
        MonitoringError: the level or the number cannot be, or the samples cannot be read.
        ModelFolderError: the model was packaged without what is needed.
    """
    folder = Endpoints(as_workspace(workspace).path).get(endpoint)
    return check_drift(folder, deployment, newest=newest, level=level)


def check_drift(
    endpoint: EndpointFolder, deployment: str | None = None, *, newest: int = NEWEST, level: float = LEVEL
) -> DriftReport:
    """Like `drift`, for the folder of an endpoint, which may lie anywhere."""
    if not 0 < level < 1:
        raise MonitoringError(f"level is the share of false alarms, above 0 and below 1, not {level:g}")
    if newest < LEAST_IMAGES:
        raise MonitoringError(f"at least {LEAST_IMAGES} images are compared, not {newest}")
    definition = endpoint.definition()
    name, found = _deployment(definition, deployment)
    folder = endpoint.model_folder(found)
    reference, classes = Reference.load(folder), ModelDescription.load(folder).classes
    samples = endpoint.samples(name, definition.monitoring).newest(newest, model=found.folder)
    comparison = compare_observations(reference, _joined(samples), classes, level=level) if samples else None
    times = [datetime.fromtimestamp(each.time, UTC).isoformat(timespec="seconds") for each in samples]
    sentence = _too_few(endpoint, definition, samples, reference) if comparison is None else comparison.sentence
    return DriftReport(
        endpoint.name, name, found.model, len(samples),
        times[0] if times else None, times[-1] if times else None,
        comparison, sentence,
    )  # fmt: skip


def labelling_batch(
    endpoint: EndpointFolder, destination: Path, deployment: str | None = None, *, count: int = 50, newest: int = NEWEST
) -> int:
    """Write the images that are most worth labelling, of those that were kept, into a folder.

    Half of them are those of which the model is least certain, half those that least resemble the validation's. Beside
    the images stand `labels.jsonl` with the predictions, which `Dataset.open` reads, and `queue.parquet` with the
    reason for each.

    Args:
        endpoint: its folder.
        destination: a folder that does not exist yet, or is empty.
        deployment: its name; None takes the one with most traffic.
        count: how many images, at most.
        newest: of how many of the newest samples.

    Returns:
        The number of images.

    Raises:
        EndpointError: there is no such deployment.
        MonitoringError: the folder is not empty, no image was kept, or the samples cannot be read.
        ModelFolderError: the model was packaged without what is needed.
    """
    from automl_vision.deployment.monitoring.labelling import write_batch  # Parquet is not needed for a check

    definition = endpoint.definition()
    name, found = _deployment(definition, deployment)
    folder = endpoint.model_folder(found)
    store = endpoint.samples(name, definition.monitoring)
    samples = [each for each in store.newest(newest, model=found.folder) if each.image is not None]
    if not samples:
        raise MonitoringError(
            f"no image of {name} was kept; let its endpoint keep them: in {endpoint.definition_file} set image_side "
            "under monitoring, such as 512"
        )
    return write_batch(samples, Reference.load(folder), ModelDescription.load(folder), destination, count=count)


def _deployment(definition: EndpointDefinition, name: str | None) -> tuple[str, DeploymentDefinition]:
    name = definition.busiest if name is None else name
    return name, definition.deployment(name)


def _joined(samples: list[Sample]) -> Observations:
    return Observations.join([each.observations for each in samples])


def _too_few(
    endpoint: EndpointFolder, definition: EndpointDefinition, samples: list[Sample], reference: Reference
) -> str:
    """Why nothing was compared, and the way out."""
    if len(reference.observations) < LEAST_IMAGES:
        return (
            f"the model was validated on {len(reference.observations)} images, and at least {LEAST_IMAGES} are needed "
            "to compare with"
        )
    if not samples and not definition.monitoring.samples_per_minute:
        return f"nothing is sampled; set samples_per_minute in {endpoint.definition_file}"
    return f"{len(samples)} images were sampled, and at least {LEAST_IMAGES} are needed; look again later"

"""What an endpoint serves, as its file says it: deployments, shares of traffic, and the limits of requests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.files import write_text
from automl_vision.core.text import did_you_mean
from automl_vision.core.validation import problems_of

DEFINITION_FILE = "endpoint.yaml"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}")
_HEADER = """\
# The endpoint "{name}". Its server follows this file while it runs; so do `automl-vision deploy` and
# `automl-vision endpoints`, which change it. A file that cannot be used changes nothing, and the server says why.
"""


class EndpointError(AutoMLVisionError):
    """An endpoint does not exist, or cannot be changed as was asked."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeploymentDefinition(_Part):
    """One model that an endpoint serves."""

    model: str = Field(description="what was deployed, such as clothing:3; the answers say it")
    folder: str = Field(description="the model folder, below the folder of the endpoint")
    runtime: str | None = Field(
        default=None, description="as of a predictor, such as onnx-int8; by default the fastest that is proven"
    )
    backend: str | None = Field(
        default=None, description="triton://host:port/MODEL of a server that runs the network; by default this one does"
    )


class RequestLimits(_Part):
    """What a request may ask for, and how long it may take."""

    max_request_mb: float = Field(default=32, gt=0, description="of the whole body")
    max_image_megapixels: float = Field(default=64, gt=0, description="of one image; checked before it is decoded")
    max_images: int = Field(default=64, ge=1, description="per request")
    body_timeout_s: float = Field(default=10, gt=0, description="until the whole body is there")
    request_timeout_s: float = Field(default=30, gt=0, description="until the answer is there, without the body's time")
    max_queue: int = Field(default=128, ge=1, description="images of a deployment that wait, per worker process")


class MonitoringSettings(_Part):
    """What is kept of the images of requests, in files beside the definition; `automl-vision drift` compares it."""

    samples_per_minute: float = Field(default=20, ge=0, description="of a deployment, per worker process; 0 keeps none")
    keep: int = Field(default=5000, ge=1, description="samples of a deployment; the oldest ones go")
    image_side: int = Field(
        default=0, ge=0, description="longest side in pixels of images that are kept for labelling; 0 keeps none"
    )
    keep_images: int = Field(default=1000, ge=1, description="images of a deployment; those of the oldest samples go")


class LabelingSettings(_Part):
    """Where the images of Label Studio's tasks are fetched, when it asks for predictions while people label."""

    server: str | None = Field(
        default=None,
        pattern="https?://.+",
        description="address of Label Studio; its token is in LABEL_STUDIO_API_KEY of the endpoint's server",
    )
    image_hosts: tuple[str, ...] = Field(default=(), description="other hosts that images are fetched from, by name")


Share = Annotated[int, Field(ge=0, le=100)]


class EndpointDefinition(_Part):
    """The contents of `endpoint.yaml`.

    Names are those of Azure's managed online endpoints: `traffic` are shares in percent by deployment, and a request
    that `mirror_traffic` picks is also answered by the mirrored deployment, whose answer is only recorded.
    """

    auth_mode: Literal["key", "none"] = Field(default="key", description="whether requests need a key")
    deployments: dict[str, DeploymentDefinition] = Field(default_factory=dict)
    traffic: dict[str, Share] = Field(default_factory=dict, description="percent by deployment; they sum to 100 or 0")
    mirror_traffic: dict[str, Share] = Field(default_factory=dict, description="percent of requests by deployment")
    limits: RequestLimits = Field(default_factory=RequestLimits)
    monitoring: MonitoringSettings = Field(default_factory=MonitoringSettings)
    labeling: LabelingSettings = Field(default_factory=LabelingSettings)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        try:
            for name in self.deployments:
                check_name(name, "deployment")
        except EndpointError as error:
            raise ValueError(str(error)) from None  # so that it is told with the other mistakes
        for field, shares in (("traffic", self.traffic), ("mirror_traffic", self.mirror_traffic)):
            for name in shares:
                if name not in self.deployments:
                    raise ValueError(f'{field}: no deployment is named "{name}".{did_you_mean(name, self.deployments)}')
        total = sum(self.traffic.values())
        if total not in (0, 100):
            listed = ", ".join(f"{name} {share}" for name, share in self.traffic.items())
            raise ValueError(f"traffic: the shares sum to 100, not to {total} ({listed})")
        return self

    @property
    def busiest(self) -> str:
        """Name of the deployment that takes most of the traffic; empty without any deployment."""
        return max(self.deployments, key=lambda name: self.traffic.get(name, 0), default="")

    def without(self, name: str) -> EndpointDefinition:
        """The definition without a deployment.

        Raises:
            EndpointError: it takes traffic, or does not exist.
        """
        self.deployment(name)
        if self.traffic.get(name):
            raise EndpointError(f'"{name}" takes {self.traffic[name]} % of the traffic; give that to another one first')
        keep = {key: one for key, one in self.deployments.items() if key != name}
        shares = {
            field: {key: share for key, share in getattr(self, field).items() if key != name}
            for field in ("traffic", "mirror_traffic")
        }
        return self.model_copy(update={"deployments": keep, **shares})

    def with_deployment(
        self, name: str, deployment: DeploymentDefinition, *, share: int | None = None, mirror: int | None = None
    ) -> EndpointDefinition:
        """The definition with a deployment, which replaces one of the same name.

        Args:
            name: of the deployment.
            deployment: what it serves.
            share: of the traffic in percent; the others keep their proportions. None keeps the share that it has; the
                first deployment of an endpoint takes all.
            mirror: of requests that it answers for the record only; None keeps what it has.

        Raises:
            EndpointError: the shares cannot be.
        """
        if share is None and not any(self.traffic.values()):
            share = 100
        traffic = dict(self.traffic) if share is None else _shared(self.traffic, name, share)
        mirrored = dict(self.mirror_traffic) | ({} if mirror is None else {name: mirror})
        return self.changed(
            deployments={**self.deployments, name: deployment}, traffic=traffic, mirror_traffic=mirrored
        )

    def changed(self, **fields: Any) -> EndpointDefinition:
        """The definition with other values, checked.

        Raises:
            EndpointError: the result is not consistent.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields} | fields
        return _checked(
            {name: _plain(value) for name, value in values.items()}, "the endpoint cannot be changed like that"
        )

    def deployment(self, name: str) -> DeploymentDefinition:
        """A deployment by its name.

        Raises:
            EndpointError: there is none of this name.
        """
        if name not in self.deployments:
            known = ", ".join(self.deployments) or "none"
            hint = did_you_mean(name, self.deployments)
            raise EndpointError(f'no deployment is named "{name}".{hint} Deployments: {known}')
        return self.deployments[name]

    @staticmethod
    def load(file: Path) -> EndpointDefinition:
        """Read the file of an endpoint.

        Raises:
            EndpointError: it cannot be read, or says what cannot be; all mistakes are named.
        """
        try:
            value = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise EndpointError(f"{file} cannot be read ({error})") from error
        if not isinstance(value, dict):
            raise EndpointError(f"{file} must be a mapping with the key `deployments`, not {type(value).__name__}")
        return _checked(value, f"{file} cannot be used")

    def save(self, file: Path) -> None:
        """Write the file of an endpoint, whole or not at all."""
        values = _plain(self)
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        write_text(file, _HEADER.format(name=file.parent.name) + text)


def check_name(name: str, noun: str) -> None:
    """Check the name of an endpoint or a deployment.

    Raises:
        EndpointError: it does not begin with a letter, has other characters than letters, digits and -, or too many.
    """
    if not _NAME.fullmatch(name):
        raise EndpointError(
            f'"{name}" cannot name {_ARTICLE[noun]} {noun}: a name begins with a letter and has letters, digits and -, '
            "at most 60"
        )


_ARTICLE = {"endpoint": "an", "deployment": "a"}


def _checked(value: dict[str, Any], introduction: str) -> EndpointDefinition:
    try:
        return EndpointDefinition.model_validate(value)
    except ValidationError as error:
        problems = problems_of(error, list(EndpointDefinition.model_fields), noun="setting")
        raise EndpointError(f"{introduction}: {'; '.join(problem.sentence for problem in problems)}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_none=True)
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return value


def _shared(traffic: dict[str, int], name: str, share: int) -> dict[str, int]:
    """Shares with that of one deployment set and the others scaled, in whole percent by largest remainder."""
    others = {each: old for each, old in traffic.items() if each != name and old}
    if not others:
        if share != 100:
            raise EndpointError(f'"{name}" is the only deployment with traffic, so its share is 100, not {share}')
        return {**dict.fromkeys(traffic, 0), name: 100}
    left, total = 100 - share, sum(others.values())
    exact = {each: left * old / total for each, old in others.items()}
    found = {each: int(value) for each, value in exact.items()}
    for each in sorted(exact, key=lambda each: found[each] - exact[each])[: left - sum(found.values())]:
        found[each] += 1
    return {**dict.fromkeys(traffic, 0), **found, name: share}

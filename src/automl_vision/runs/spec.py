"""The specification of a run: written as JSON when it is submitted, read by the process that works on it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from automl_vision.core.errors import ConfigError, Problem
from automl_vision.core.records import Gate, Ranking
from automl_vision.core.version import VERSION
from automl_vision.recipes.checking import with_family
from automl_vision.runs.limits import Limits
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.policies import POLICIES, NoTerminationPolicy, Policy
from automl_vision.search.samplers import SAMPLINGS, Sampling


def read_run_spec(run_id: str, values: dict[str, Any]) -> RunSpec:
    """Read a run's specification from JSON.

    Raises:
        ConfigError: this version cannot read it.
    """
    try:
        return RunSpec.model_validate(values)
    except ValidationError as error:
        problems = [Problem((), detail["msg"].lower()).within(*detail["loc"]) for detail in error.errors()]
        made = values.get("version") or "another version"
        way_out = f"run {run_id} was made by {made}, and this is {VERSION}; resume it with the version that made it"
        raise ConfigError([*problems, way_out], subject="The run's specification") from None


class RunSpec(BaseModel):
    """Everything that a run depends on: a dataset, the trials to run on it, and the budget."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), serialize_by_alias=True)

    version: str = Field(default="", description="of the software that made the run")
    experiment: str
    task: str
    manifest: str = Field(description="Parquet file of the dataset as it was opened")
    data_version: str | None = Field(default=None, description="name and number, if the dataset is registered")
    max_bad_share: float = Field(description="maximum fraction of unusable records")
    primary_metric: str
    lower_is_better: bool = False
    trials: list[PlannedTrial] = Field(description="the trial that the config describes; a sweep varies it")
    budget_seconds: float
    seed: int
    compute_target: str = "local"
    threads: int
    processes: int = Field(default=1, description="number of processes that train one trial together")
    workspace: str
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="fixed hyperparameters of every trial, and the algorithm if it is fixed"
    )
    iterations: int = Field(default=1, description="maximum number of trials")
    concurrent: int = Field(default=1, description="maximum number of concurrent trials")
    sampling: dict[str, Any] | None = Field(default=None, description="search space and sampling method")
    policy: dict[str, Any] | None = Field(default=None, description="early termination")
    start_reason: str = Field(default="", description="why the algorithm is the default on this machine, if it is")
    gate: Gate = Field(default="probable", description="when AutoMode replaces the default recipe")
    ensemble: bool = Field(default=True, description="whether AutoMode may average networks")
    refit_full: bool = Field(default=False, description="whether the best network is trained on validation images too")
    max_latency_ms: float | None = Field(default=None, description="most milliseconds per image of the kept network")
    max_size_mb: float | None = Field(default=None, description="most megabytes of the kept network's exported file")
    automode: bool = Field(default=False, description="search without a space, and keep the default unless beaten")

    @property
    def version_note(self) -> str | None:
        """A sentence when another version goes on with the run."""
        if self.version in ("", VERSION):
            return None
        return f"the run was made by version {self.version} and goes on with version {VERSION}"

    @property
    def search(self) -> Sampling | None:
        """The typed sampling."""
        return None if self.sampling is None else SAMPLINGS.parse(self.sampling)

    @property
    def termination(self) -> Policy:
        """The typed policy."""
        return NoTerminationPolicy() if self.policy is None else POLICIES.parse(self.policy)

    @property
    def ranking(self) -> Ranking:
        """How the trials are ranked."""
        return Ranking(self.primary_metric, self.lower_is_better)

    @property
    def limits(self) -> Limits:
        """What the kept network may take."""
        return Limits(self.max_latency_ms, self.max_size_mb)

    @property
    def is_sweep(self) -> bool:
        """Whether there may be more than one trial."""
        return self.sampling is not None or self.automode

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, values: Any) -> Any:
        """Give trials that are read from JSON the hyperparameter class of their task and algorithm."""
        if not isinstance(values, dict) or not isinstance(values.get("trials"), list) or "task" not in values:
            return values
        return {**values, "trials": [with_family(values["task"], trial) for trial in values["trials"]]}

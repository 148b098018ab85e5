"""Every policy and every sampling of the tables against its contract."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from automl_vision.search.policies import POLICIES, NoTerminationPolicy, Policy
from automl_vision.search.samplers import SAMPLINGS, Sampling
from automl_vision.testing import PolicyConformance, SamplingConformance

POLICY_SETTINGS: dict[str, list[dict[str, float]]] = {"bandit": [{"slack_factor": 0.1}, {"slack_amount": 0.05}]}
"""Settings of policies where the required ones do not suffice."""


def required(kind: str) -> dict[str, float]:
    """The middle of the range of each setting that a policy needs."""
    (option,) = [o for o in POLICIES.json_schema()["anyOf"] if o["properties"]["type"]["const"] == kind]
    ranges = {name: option["properties"][name] for name in option["required"] if name != "type"}
    return {name: (field.get("minimum", 0) + field.get("maximum", 2)) / 2 for name, field in ranges.items()}


EVERY_POLICY = [
    POLICIES.parse({"type": kind, **settings})
    for kind in POLICIES.types
    for settings in POLICY_SETTINGS.get(kind) or [required(kind)]
]


@pytest.mark.parametrize("policy", EVERY_POLICY, ids=str)
class TestEveryPolicy(PolicyConformance):
    def test_a_hopeless_trial_is_ended(self, policy: Policy) -> None:
        assert bool(self._ended_at(policy)) == (not isinstance(policy, NoTerminationPolicy))


@pytest.mark.slow  # a point of the model takes a tenth of a second
class TestGaussianProcess(SamplingConformance):
    sampling = SAMPLINGS.types["bayesian"]
    settings: ClassVar[dict[str, Any]] = {"algorithm": "gp"}
    finished, taken = (0, 11), 1


def conforms(kind: type[Sampling]) -> type[SamplingConformance]:
    members = {"sampling": kind, "only_choices": kind.is_bounded}
    return type(f"Test{kind.__name__}", (SamplingConformance,), members)


for _kind in SAMPLINGS.types.values():
    globals()[f"Test{_kind.__name__}"] = conforms(_kind)

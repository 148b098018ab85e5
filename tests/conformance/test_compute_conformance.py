"""Every compute target of the table against its contract; `tests/compute/test_ray.py` runs Ray's on a real cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from automl_vision.compute.compute import Compute
from automl_vision.compute.targets import TARGETS, create_compute
from automl_vision.core.errors import ComputeError
from automl_vision.testing import ComputeConformance
from processes import PRELOADED

CLUSTERS = {"ray"}  # each takes seconds to start


@pytest.fixture(scope="module", params=[name for name in TARGETS if name not in CLUSTERS])
def opened(request: pytest.FixtureRequest) -> Iterator[Compute]:
    """A compute target, where this machine has what it needs."""
    try:
        target = create_compute(request.param, PRELOADED)
    except ComputeError as error:
        pytest.skip(str(error))
    yield target
    target.close()


class TestEveryTarget(ComputeConformance):
    @pytest.fixture
    def target(self, opened: Compute) -> Compute:
        return opened


def test_a_target_that_names_a_device_uses_it() -> None:
    assert create_compute("cpu").device == "cpu"
    assert os.environ.get("CUDA_VISIBLE_DEVICES", "") in ("", "-1") or create_compute("local").device == "auto"

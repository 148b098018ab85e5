"""Every exporter of the table, with its runtime, against its contract."""

from __future__ import annotations

import pytest

from automl_vision.packaging.exporters import EXPORTERS
from automl_vision.testing import ExporterConformance

pytestmark = pytest.mark.slow  # `tests/packaging` compares exported networks in the default suite

for _runtime in EXPORTERS:
    globals()[f"Test_{_runtime}"] = type(
        f"Test_{_runtime}", (ExporterConformance,), {"runtime": _runtime, "__module__": __name__}
    )

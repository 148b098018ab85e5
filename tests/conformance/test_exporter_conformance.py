"""Every exporter and every format of the tables, with its runtime, against its contract."""

from __future__ import annotations

import pytest

from automl_vision.packaging.exporters import EXPORTERS
from automl_vision.packaging.formats import FORMATS
from automl_vision.testing import ExporterConformance, ModelFormatConformance

pytestmark = pytest.mark.slow  # `tests/packaging` compares exported networks in the default suite

for _runtime in EXPORTERS:
    globals()[f"Test_{_runtime}"] = type(
        f"Test_{_runtime}", (ExporterConformance,), {"runtime": _runtime, "__module__": __name__}
    )

for _name in FORMATS:
    globals()[f"Test_{_name}_format"] = type(
        f"Test_{_name}_format", (ModelFormatConformance,), {"name": _name, "__module__": __name__}
    )

"""The contracts of everything that other packages can add, as pytest classes to inherit.

Make a subclass whose name starts with `Test`, override what its docstring asks for, and run pytest. Nothing in the
product imports this package. It needs pytest: `pip install "automl-vision[testing]"`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automl_vision.testing.compute import ComputeConformance as ComputeConformance
    from automl_vision.testing.detectors import DetectorConformance as DetectorConformance
    from automl_vision.testing.exporters import ExporterConformance as ExporterConformance
    from automl_vision.testing.exporters import ModelFormatConformance as ModelFormatConformance
    from automl_vision.testing.formats import FormatConformance as FormatConformance
    from automl_vision.testing.policies import PolicyConformance as PolicyConformance
    from automl_vision.testing.samplings import SamplingConformance as SamplingConformance
    from automl_vision.testing.tasks import TaskConformance as TaskConformance

_MODULES = {
    "ComputeConformance": "compute",
    "DetectorConformance": "detectors",
    "ExporterConformance": "exporters",
    "FormatConformance": "formats",
    "ModelFormatConformance": "exporters",
    "PolicyConformance": "policies",
    "SamplingConformance": "samplings",
    "TaskConformance": "tasks",
}

__all__ = [*_MODULES]  # noqa: PLE0604 - the names of the lazily loaded classes


def __getattr__(name: str) -> object:
    """Load a class when it is first used: a format's tests need no torch, and a job's process no pytest."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = f"{__name__}.{_MODULES[name]}"
    if module not in sys.modules:
        from pytest import register_assert_rewrite

        register_assert_rewrite(module)  # before it is imported: a failed assertion then shows its values
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""The version of this software."""

from __future__ import annotations

VERSION = "0.1.0"

_COMPONENTS = (
    "torch", "torchvision", "timm", "accelerate", "onnxruntime", "openvino", "mlflow-skinny", "optuna", "ray",
    "pyarrow", "numpy", "pillow", "plotly", "fastapi", "transformers",
)  # fmt: skip


def installed_versions() -> dict[str, str]:
    """Versions of this software, of Python and of the packages that it works with, as far as they are installed."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"automl-vision": VERSION, "python": platform.python_version()}
    for name in _COMPONENTS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

"""The rooms and what they may load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "timm", "transformers", "mlflow", "sklearn", "pandas", "pyarrow", "pydantic")


def loaded_by(code: str) -> set[str]:
    """Top-level modules that are loaded after running code in a fresh process."""
    script = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_import_contracts():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import automl_vision", HEAVY),
        ("import sys; sys.argv = ['automl-vision', '--help']\n"
         "from automl_vision.cli.main import main\n"
         "try: main()\nexcept SystemExit as e: assert e.code == 0", HEAVY),
        ("from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Run, Workspace",
         ("torch", "torchvision", "timm", "transformers", "mlflow")),
        ("from automl_vision import Predictor", (*HEAVY, "typer", "rich", "scipy", "yaml")),
    ],
    ids=["package", "help", "sdk", "predictor"],
)  # fmt: skip
def test_what_is_not_loaded(code: str, forbidden: tuple[str, ...]):
    assert not loaded_by(code) & set(forbidden)


def test_public_names_are_there():
    import automl_vision

    for name in automl_vision.__all__:
        assert getattr(automl_vision, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = automl_vision.Nonsense


def test_nothing_phones_home():
    code = "import automl_vision, os; assert os.environ['MLFLOW_DISABLE_TELEMETRY'] == 'true'"
    subprocess.run([sys.executable, "-c", code], check=True)

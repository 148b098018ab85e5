"""The rooms and what they may load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "timm", "transformers", "mlflow", "sklearn", "pandas", "plotly", "pyarrow", "pydantic",
         "dagster")  # fmt: skip


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
         ("torch", "torchvision", "timm", "transformers", "mlflow", "plotly")),
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


UNCHANGED = "import os; before = dict(os.environ)\n{code}\nassert dict(os.environ) == before"


@pytest.mark.parametrize(
    "code",
    [
        "import automl_vision",
        "from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Predictor, Run, Workspace, choice",
        "from automl_vision.compute.local import LocalCompute\nLocalCompute().warm_up()",
    ],
    ids=["package", "sdk", "local compute"],
)
def test_the_environment_of_the_process_is_left_alone(code: str):
    subprocess.run([sys.executable, "-c", UNCHANGED.format(code=code)], check=True)


SILENT = """
import mlflow.telemetry, huggingface_hub.constants
assert mlflow.telemetry.get_telemetry_client() is None
assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
"""
LOCAL_JOB = """
import sys
sys.path.insert(0, {tests!r})
from automl_vision.compute.compute import Job
from automl_vision.compute.local import LocalCompute
from automl_vision.compute.subprocess_job import run_fresh
job = Job("test_architecture:require_silence", {{}}, __import__("pathlib").Path({folder!r}))
if {fresh}:
    failure = run_fresh(job)
else:
    compute = LocalCompute()
    running = compute.submit(job)
    while running.is_running():
        compute.wait([running], 60)
    failure = running.failure()
assert failure is None, failure
"""


def require_silence() -> None:
    """Run in a job: MLflow and the hub's client report nothing."""
    exec(SILENT)


def test_openvino_is_loaded_without_its_telemetry():
    script = (
        "import sys\nfrom automl_vision.serving.runtimes import load_openvino\nload_openvino().Core()\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry')]\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


@pytest.mark.parametrize("case", ["tracking", "models", "training", "local job", "subprocess job"])
def test_nothing_phones_home(case: str, tmp_path: Path):
    """In each kind of process that imports MLflow or a hub's client through us."""
    tracking = "from pathlib import Path\nfrom automl_vision.workspace.tracking import create_sqlite_store\n"
    store = f"create_sqlite_store(Path({str(tmp_path / 'mlflow.db')!r}))"
    codes = {
        "tracking": tracking + store,
        "models": "from automl_vision import load_torch",
        "training": "import automl_vision.training.loop",
        "local job": LOCAL_JOB.format(tests=str(Path(__file__).parent), folder=str(tmp_path), fresh=False),
        "subprocess job": LOCAL_JOB.format(tests=str(Path(__file__).parent), folder=str(tmp_path), fresh=True),
    }
    silenced = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY", "PYTEST_CURRENT_TEST", "CI")
    environment = {name: value for name, value in os.environ.items() if name not in silenced}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])
    script = codes[case] + ("" if "job" in case else SILENT)
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)

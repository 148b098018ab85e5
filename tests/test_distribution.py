"""What is published: a wheel and an sdist, and an installation that only predicts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl_vision import Dataset, Predictor
from automl_vision.core.files import write_json
from automl_vision.core.tasks import TASKS
from automl_vision.packaging.package import package
from automl_vision.training.trial import train
from conftest import RecordingReporter, small_detector_trial, small_trial
from test_architecture import loaded_by

ROOT = Path(__file__).parents[1]
PREDICTOR = {"numpy", "PIL", "onnxruntime"}
# what onnxruntime loads of its requirements
OF_ONNXRUNTIME = {"flatbuffers", "google", "packaging", "coloredlogs", "humanfriendly", "sympy", "mpmath"}
OLDEST = ("numpy==1.26.*", "pillow==11.0.*", "onnxruntime==1.20.*")  # the lower ends of pyproject's ranges
TOO_HEAVY = {"torch", "torchvision", "timm", "mlflow", "pyarrow", "pydantic", "pandas", "scipy", "plotly", "typer"}
LIMIT_MB = 260  # of an environment with the predictor; most of it is ONNX Runtime and NumPy


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from automl_vision import Predictor, explain", PREDICTOR - {"onnxruntime"}),
        ("import automl_vision.serving.command, automl_vision.serving.pyfunc", PREDICTOR - {"onnxruntime"}),
        ("from automl_vision import Predictor\nimport onnxruntime", PREDICTOR),
    ],
    ids=["sdk", "command", "runtime"],
)
def test_the_predictor_loads_three_libraries(code: str, expected: set[str]):
    """Whoever makes it heavier changes the requirements in pyproject.toml and this test together."""
    ours = loaded_by(f"import automl_vision\n{code}") - loaded_by("pass")
    third_party = {name for name in ours if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert third_party - OF_ONNXRUNTIME == expected | {"automl_vision"}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel that is built from it, by their suffixes."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "MANIFEST.in", "constraints.txt"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    subprocess.run([sys.executable, "-m", "build", "-q", "-o", built, source], check=True)
    return {file.suffix: file for file in built.iterdir()}


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A packaged model of each task, with its images in `images` beside it."""
    return {task: _packaged(request, tmp_path_factory.mktemp(task), task) for task in TASKS}


def _packaged(request: pytest.FixtureRequest, root: Path, task: str) -> Path:
    names = {"image-object-detection": "boxes", "image-instance-segmentation": "masks"}
    if task == "image-classification-multi-label":
        dataset = Dataset.open(request.getfixturevalue("multi_label_folder")).with_validation(0.25)
    else:
        dataset = request.getfixturevalue(names.get(task, "shapes"))
    make: Callable[..., Any] = small_detector_trial if task in names else small_trial
    spec = make(root, dataset, number_of_epochs=1)
    train(spec, RecordingReporter())
    write_json(Path(spec.folder) / "spec.json", spec.model_dump())
    (root / "images").mkdir()
    for image in list(dataset)[::6]:
        shutil.copy(image.location, root / "images")
    return package(spec.folder, root / "model")


@pytest.mark.slow
def test_both_distributions_pass_twine(distributions: dict[str, Path]):
    assert distributions.keys() == {".whl", ".gz"}
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *distributions.values()], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "requirements"),
    [(".whl", ("-c", str(ROOT / "constraints.txt"))), (".gz", ("-c", str(ROOT / "constraints.txt"))), (".whl", OLDEST)],
    ids=["wheel", "sdist", "oldest versions"],
)
def test_the_predictor_alone_is_one_command(
    suffix: str, requirements: tuple[str, ...], distributions: dict[str, Path], models: dict[str, Path], tmp_path: Path
):
    """What `pip install automl-vision` brings predicts for each task what is predicted here."""
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", distributions[suffix], *requirements], check=True, env=clean)
    subprocess.run([*pip, "check"], check=True, env=clean)
    listed = subprocess.run([*pip, "list", "--format", "json"], check=True, env=clean, capture_output=True)
    names = {row["name"].lower() for row in json.loads(listed.stdout)}
    assert not names & TOO_HEAVY
    size = sum(file.lstat().st_size for file in environment.rglob("*") if not file.is_symlink()) / 1e6
    print(f"{suffix}: {size:.0f} MB, {len(names)} distributions: {', '.join(sorted(names))}")
    assert size < LIMIT_MB
    for task, folder in models.items():
        _require_equal_predictions(environment, folder, tmp_path / task, clean)
    _require_way_out(environment, clean)


@pytest.mark.slow
def test_the_wheel_shows_the_demo(distributions: dict[str, Path], tmp_path: Path):
    """What `pip install "automl-vision[demo]"` and `automl-vision demo` show to somebody without a checkout.

    Only the wheel is installed. The other packages are those of this environment, which a line in a `.pth` file adds to
    the path, because PyTorch and what it needs are 5.5 GB; what this environment has of ours is not found that way.
    """
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python, program = environment / "bin" / "python", environment / "bin" / "automl-vision"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AUTOML_VISION"))}
    clean["AUTOML_VISION_CACHE"] = str(tmp_path / "cache")
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", "--no-deps", distributions[".whl"]], check=True, env=clean)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    (packages / "of-the-tests.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    place = run(python, "-c", "import automl_vision; print(automl_vision.__file__)")
    assert Path(place.strip()).is_relative_to(environment)
    assert "demo" in run(program, "--help")
    assert "torch" in run(program, "env")
    said = run(program, "demo")
    assert "2,000 images" in said.replace("2000", "2,000") and "accuracy" in said
    with Image.open(tmp_path / "demo-predictions.png") as drawn:
        assert min(drawn.size) > 500
    folder = re.findall(r"^model +(.+)$", said, re.MULTILINE)[0]
    photo = next((tmp_path / ".automl-vision" / "demo-images").glob("*/*"))
    assert run(program, "predict", folder, photo)
    assert re.search(r"^studio .* http://127\.0\.0\.1:8787/runs/", said, re.MULTILINE)


def _require_equal_predictions(environment: Path, folder: Path, out: Path, clean: dict[str, str]) -> None:
    """By the command, which also draws what a detector finds."""
    out.mkdir()
    predictor = Predictor(folder)
    drawing = ["--draw", out / "drawn"] if predictor.description.objects is not None else []
    command = [environment / "bin" / "automl-vision", "predict", folder, folder.parent / "images", "--json", *drawing]
    done = subprocess.run(command, cwd=out, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) > 2
    for row, prediction in zip(rows, predictor([row["filename"] for row in rows]), strict=True):
        expected = prediction.to_json()
        if "probs" in expected:
            np.testing.assert_allclose(row["probs"], expected["probs"], atol=1e-4)
        else:
            scores = ([box["score"] for box in each["boxes"]] for each in (row, expected))
            np.testing.assert_allclose(*scores, atol=1e-3)
    assert not drawing or len(list((out / "drawn").iterdir())) == len(rows)


def _require_way_out(environment: Path, clean: dict[str, str]) -> None:
    """What only the whole installation can do says how to get it."""
    line = 'pip install "automl-vision[train]"'
    for command in (["bin/automl-vision", "runs"], ["bin/automl-vision", "--help"]):
        program = [environment / command[0], *command[1:]]
        done = subprocess.run(program, cwd=environment, env=clean, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert line in done.stderr and "Traceback" not in done.stderr
    code = (
        "import automl_vision, sys\n"
        "assert automl_vision.__file__.startswith(sys.prefix)\n"
        "for name in ('Dataset', 'Experiment', 'load_torch'):\n"
        "    try: getattr(automl_vision, name)\n"
        f"    except ImportError as error: assert {line!r} in str(error), error\n"
        "    else: raise SystemExit(name)\n"
    )
    subprocess.run([environment / "bin" / "python", "-c", code], cwd=environment, env=clean, check=True)

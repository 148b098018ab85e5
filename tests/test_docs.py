"""The documentation is what the code does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from automl_vision import AutoMLVisionConfig
from automl_vision.recipes.catalog import families
from automl_vision.recipes.hyperparameters import accepted_names
from conftest import write_shape_folders

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _blocks(language: str) -> list[tuple[str, str]]:
    """Name of the page and text of each code block of a language."""
    found = []
    for page in PAGES:
        for block in re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            found.append((page.name, block))
    return found


GENERATED = ["hyperparameters.md", "configuration.md", "commands.md", "formats.md"]


@pytest.mark.parametrize("name", [*(f"reference/{name}" for name in GENERATED), "job.schema.json"])
def test_generated_pages_are_up_to_date(name: str):
    text = _generator().PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, "run `make docs`"


def test_everything_has_an_entry():
    page = (ROOT / "docs" / "reference" / "hyperparameters.md").read_text(encoding="utf-8")
    for family in families():
        for name in accepted_names(family):
            assert f"`{name}`" in page
    configuration = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    for name, field in AutoMLVisionConfig.model_fields.items():
        assert f"`{name}`" in configuration
        assert field.description


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_job_files_are_valid():
    blocks = _blocks("yaml")
    assert blocks
    for _, block in blocks:
        values = yaml.safe_load(block)
        values.pop("experiment")
        AutoMLVisionConfig(**values)


def test_the_readme_runs(tmp_path: Path):
    """The Python block of the README, on drawn images."""
    (block,) = [block for page, block in _blocks("python") if page == "README.md"]
    photos = write_shape_folders(tmp_path / "photos")
    (photos / "circle" / "circle-0.png").rename(tmp_path / "photo.jpg")
    short = 'experiment_timeout_hours=0.02, iterations=1, threads=1, arguments={"number_of_epochs": 1}'
    block = block.replace("experiment_timeout_hours=0.1", short)
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] in ("circle", "square", "cross")


def test_the_guide_to_data_runs(tmp_path: Path):
    """Its Python blocks, one after another, on drawn images."""
    write_shape_folders(tmp_path / "photos")
    program = "\n".join(block for page, block in _blocks("python") if page == "data.md")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "24 images" in done.stdout and "24 unchanged" in done.stdout


def test_the_demo_runs_on_a_folder(tmp_path: Path):
    data = write_shape_folders(tmp_path / "data", per_class=5)
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), "--data", str(data), "--minutes", "0.3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Three predictions" in done.stdout
    assert "model    " in done.stdout

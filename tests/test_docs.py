"""The documentation is what the code does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from PIL import Image

import automl_vision
from automl_vision import AutoMLVisionConfig, PromotionRule
from automl_vision.core.validation import names_of
from automl_vision.deployment.online.definition import EndpointDefinition
from automl_vision.pipelines.definition import PipelineDefinition
from automl_vision.recipes.catalog import families
from command_line import run_command
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


GENERATED = [
    "hyperparameters.md", "configuration.md", "commands.md", "formats.md", "api.md", "testing.md", "pipeline.md",
]  # fmt: skip


@pytest.mark.parametrize(
    "name", [*(f"reference/{name}" for name in GENERATED), "job.schema.json", "pipeline.schema.json"]
)
def test_generated_pages_are_up_to_date(name: str):
    text = _generator().PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, "run `make docs`"


def test_everything_has_an_entry():
    page = (ROOT / "docs" / "reference" / "hyperparameters.md").read_text(encoding="utf-8")
    for family in families():
        for name in names_of(family):
            assert f"`{name}`" in page
    configuration = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    for name, field in AutoMLVisionConfig.model_fields.items():
        assert f"`{name}`" in configuration
        assert field.description


def _prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub and the site give a page's headings."""
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def _dead_links(page: Path) -> list[str]:
    """The relative links and images of a page whose file or anchor does not exist."""
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if "://" not in target and not (file.exists() and (not anchor or anchor in _anchors(file))):
            dead.append(target)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_anchors_resolve(page: Path):
    assert not _dead_links(page)


def test_dead_links_and_anchors_are_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One, two\n\n## Two\n\n## Two\n\n[a](#one-two) [b](page.md#two-1) [c](#three) [d](no.md) [e](https://e)\n"
    )
    assert _dead_links(page) == ["#three", "no.md"]


def test_every_decision_is_in_the_index():
    decisions = ROOT / "docs" / "decisions"
    index = (decisions / "index.md").read_text(encoding="utf-8")
    for page in decisions.glob("0*.md"):
        assert f"]({page.name})" in index


def test_every_page_is_in_the_navigation():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        assert (
            name == "index" or name.startswith("decisions/0") or re.search(rf"^(\w+ <)?{name}>?$", index, re.MULTILINE)
        ), name


def test_the_architecture_shows_every_room():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = [room for layer in layers for room in layer.split(" | ") if room != "__main__"]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## The life")[0]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == rooms
    picture = (ROOT / "docs" / "images" / "rooms.svg").read_text(encoding="utf-8")
    assert re.findall(r'class="name"[^>]*>(\w+)<', picture) == rooms


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path: Path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(ROOT / "docs"), str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    api = (tmp_path / "site" / "reference" / "api.html").read_text(encoding="utf-8")
    for name in automl_vision.__all__:
        assert name == "__version__" or f'id="automl_vision.{name}"' in api


def test_job_files_rules_and_endpoints_are_valid():
    kinds = {
        "job": AutoMLVisionConfig,
        "rule": PromotionRule,
        "endpoint": EndpointDefinition,
        "pipeline": PipelineDefinition,
    }
    found = set()
    for _, block in _blocks("yaml"):
        values = yaml.safe_load(block)
        marks = {"experiment": "job", "monitoring": "endpoint", "labeling": "endpoint", "gates": "pipeline"}
        kind = next((kind for mark, kind in marks.items() if mark in values), "rule")
        kinds[kind](**{name: value for name, value in values.items() if name != "experiment"})
        found.add(kind)
    assert found == set(kinds)


def test_the_readme_runs(tmp_path: Path):
    """The Python block of the README, on drawn images."""
    (block,) = [block for page, block in _blocks("python") if page == "README.md"]
    photos = write_shape_folders(tmp_path / "photos")
    (photos / "circle" / "circle-0.png").rename(tmp_path / "photo.jpg")
    small = {"number_of_epochs": 1, "precision": "fp32"}
    small |= dict.fromkeys(["training_crop_size", "validation_resize_size", "validation_crop_size"], 64)
    short = f"experiment_timeout_hours=0.02, iterations=1, threads=1, arguments={small}"
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
    options = ("--minutes", "0.3", "-w", str(tmp_path / "ws"), "--picture", str(tmp_path / "new" / "predictions.png"))
    done = run_command("demo", "--data", str(data), *options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"circle-\d\.png: (circle|cross|square) \(\d+\.\d%\), labelled circle +(right|wrong)", done.stdout)
    (picture,) = re.findall(r"^picture +(.+)$", done.stdout, re.MULTILINE)
    assert Path(picture) == tmp_path / "new" / "predictions.png"
    with Image.open(picture) as drawn:
        assert drawn.size[0] > 3 * 256 * 0.9
    assert "model    " in done.stdout and "studio   automl-vision studio -w" in done.stdout

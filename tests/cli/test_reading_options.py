"""How data are read, as options of commands and as settings of a job."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_vision.core.errors import ConfigError
from automl_vision.data.dataset import Dataset
from automl_vision.data.value_range import ValueRange
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.experiment.experiment import open_training_data
from automl_vision.workspace.workspace import Workspace
from command_line import run_command
from conftest import write_shape_folders

STEPS = np.kron(np.array([[200, 800], [500, 350]]), np.ones((20, 30), int))  # (40, 60)


@pytest.fixture(scope="module")
def yolo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deep PNGs that EXIF turns by a quarter, annotated on the pixels as they are stored, as shares."""
    root = tmp_path_factory.mktemp("yolo")
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(12):
        Image.fromarray((STEPS + number).astype("u2")).save(root / f"{number}.png", exif=exif)
        (root / f"{number}.txt").write_text(f"{number % 2} 0.25 0.25 0.5 0.5\n")  # upper left; upright: upper right
    (root / "classes.txt").write_text("a\nb\n")
    return root


def test_check(yolo: Path, tmp_path: Path) -> None:
    done = run_command(
        "data", "check", str(yolo), "--no-features", "--value-range", "0:1000", "-w", str(tmp_path / "w")
    )
    assert done.returncode == 0, done.stderr
    assert "12 images of more than 8 bits: the values 0 to 1000 become 0 to 255 (as asked for)" in done.stdout


def test_register_and_show(yolo: Path, tmp_path: Path) -> None:
    here = ("-w", str(tmp_path / "w"))
    asked = ("--exif", "annotated-raw", "--value-range", "200:800")
    assert run_command("data", "register", str(yolo), "deep", *asked, *here).returncode == 0
    dataset = Dataset.open(Workspace(tmp_path / "w").datasets.resolve("deep:1"))
    assert dataset.value_range == ValueRange(200, 800)
    assert dataset[0].objects[0].bbox == (20, 0, 40, 30)
    picture = tmp_path / "a.png"
    assert run_command("data", "show", str(yolo), *asked, "--out", str(picture), "-n", "1", *here).returncode == 0
    assert picture.exists()


def test_convert(yolo: Path, tmp_path: Path) -> None:
    out, here = tmp_path / "out", ("-w", str(tmp_path / "w"))
    done = run_command(
        "data", "convert", str(yolo), str(out), "--exif", "annotated-raw", "--value-range", "0:1000", *here
    )
    assert 'value_range="0:1000"' in done.stdout
    (found,) = {image.objects[0].bbox for image in Dataset.open(out)}
    assert found == (20, 0, 40, 30)
    assert json.loads((out / "annotations.json").read_text())["images"][0]["width"] == 40


def test_classes_are_converted_to_a_table_unless_said(tmp_path: Path) -> None:
    photos, here = write_shape_folders(tmp_path / "photos"), ("-w", str(tmp_path / "w"))
    done = run_command("data", "convert", str(photos), str(tmp_path / "out"), *here)
    assert "from folder to csv in" in done.stdout, done.stderr
    assert Dataset.open(tmp_path / "out").class_counts == Dataset.open(photos).class_counts


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--exif", "raw", "exif must be one of"), ("--value-range", "x", "value_range must be")],
)
def test_mistakes(yolo: Path, option: str, value: str, said: str, tmp_path: Path) -> None:
    done = run_command(
        "data", "show", str(yolo), option, value, "--out", str(tmp_path / "a.png"), "-w", str(tmp_path / "w")
    )
    assert done.returncode != 0 and said in done.stderr


def test_settings_of_a_job(yolo: Path, tmp_path: Path) -> None:
    values = {"task": "image-object-detection", "training_data": str(yolo)}
    config = AutoMLVisionConfig(**values, exif="annotated-raw", value_range=(0, 1000))
    assert config.value_range == "0:1000"
    dataset = open_training_data(config, Workspace(tmp_path / "w"))
    assert dataset.value_range == ValueRange(0, 1000) and dataset[0].objects[0].bbox == (20, 0, 40, 30)
    for wrong in ({"exif": "raw"}, {"value_range": "5"}, {"value_range": 5}):
        with pytest.raises(ConfigError):
            AutoMLVisionConfig(**values, **wrong)


def test_a_manifest_is_in_place_already(yolo: Path, tmp_path: Path) -> None:
    Dataset.open(yolo).save(tmp_path / "a.parquet")
    done = run_command(
        "data", "show", str(tmp_path / "a.parquet"), "--exif", "annotated-raw", "--out", str(tmp_path / "a.png"),
        "-w", str(tmp_path / "w"),
    )  # fmt: skip
    assert 'give exif="annotated-raw" when that is opened' in done.stderr

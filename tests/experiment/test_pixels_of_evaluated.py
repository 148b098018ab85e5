"""What the images of an evaluation look like, and which of them are copies of training images."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from automl_vision.core.records import Calibration
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.predictions import Predictions, label_columns, prediction_table
from automl_vision.experiment.evaluated import Evaluated


def evaluated(folder: Path) -> Evaluated:
    """40 training and 30 test images of noise, in two classes; 6 test images are training images, compressed again."""
    random = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 30)):
        for i in range(count):
            path = folder / "data" / split / "ab"[i % 2] / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            small = random.integers(0, 120, (12, 12, 3)).astype(np.uint8) + np.uint8(100 if i < 12 else 0)
            Image.fromarray(small).resize((80, 60), Image.Resampling.BICUBIC).save(path)
    for i in range(6):
        copied = folder / "data" / "train" / "ab"[i % 2] / f"{i}.jpg"
        Image.open(copied).resize((100, 75)).save(folder / "data" / "test" / "ab"[i % 2] / f"{i}.jpg", quality=80)
    dataset = Dataset.open(folder / "data")
    rows = np.flatnonzero(dataset.splits == "test")
    logits = (4 * dataset.targets[rows]).astype(np.float32)
    images = dataset.table["image"].take(pa.array(rows)).combine_chunks()
    table = prediction_table("test", rows, images, label_columns(logits))
    predictions = Predictions(table, dataset.task, dataset.classes, Calibration())
    return Evaluated(dataset, predictions, "test", statistics_file=folder / "figures.arrow")


def test_copies_are_found_and_images_are_told_apart_by_what_they_look_like(tmp_path: Path):
    trial = evaluated(tmp_path)
    steps: list[tuple[int, int]] = []
    copies = trial.near_duplicates(progress=lambda *step: steps.append(step))
    names = [trial.dataset.table["image"][int(row)].as_py() for row in trial.rows[copies.copied]]
    assert sorted(names) == sorted(f"test/{'ab'[i % 2]}/{i}.jpg" for i in range(6))
    assert copies.text.startswith("6 of 30 test images have a near-duplicate in training; without them accuracy 1.000")
    assert steps[-1] == (70, 70)
    attributes = {part.attribute for part in trial.slices()}
    assert {"brightness", "contrast", "sharpness", "class"} <= attributes
    assert not {"brightness", "sharpness"} & {part.attribute for part in trial.slices(pixels=False)}
    brightest = trial.pixel_statistics().brightness.argsort()[-12:]
    assert {Path(trial.dataset.table["image"][int(trial.rows[i])].as_py()).stem for i in brightest} == {
        str(i) for i in range(12)
    }


def test_what_was_read_is_kept_and_what_is_gone_has_no_value(tmp_path: Path):
    trial = evaluated(tmp_path)
    first = trial.pixel_statistics()
    shutil.rmtree(tmp_path / "data")
    again = trial.pixel_statistics()
    assert np.array_equal(first.sharpness, again.sharpness)
    assert np.array_equal(first.small, again.small)
    gone = replace(trial, statistics_file=None).pixel_statistics()
    assert not gone.readable.any()
    assert {part.attribute for part in replace(trial, statistics_file=None).slices()} == {"class"}
    (tmp_path / "figures.arrow").write_bytes(b"no Arrow file")
    assert not trial.pixel_statistics().readable.any()

"""Batch scoring: every format, crashes at any moment, other models and images, unreadable files."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from automl_vision.compute.local import LocalCompute
from automl_vision.core.errors import DataError, ModelFolderError, ScoringError
from automl_vision.core.files import read_json
from automl_vision.core.numbers import json_text
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_formats import READ
from automl_vision.data.masks import MaskCode
from automl_vision.deployment.batch import beside, score
from automl_vision.deployment.parts import PART_IMAGES
from automl_vision.experiment.model_evaluation import evaluate, evaluate_scored, scored_metrics
from automl_vision.serving.command import predict_files
from automl_vision.workspace.workspace import Workspace
from command_line import run_command
from conftest import CLASSES, draw_shapes
from model_folders import write_classifier, write_detector
from processes import wait_for


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos without labels, two of which are broken."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(20):
        draw_shapes((CLASSES[i % 3],), i).save(folder / f"{i:02d}.png")
    (folder / "03.png").write_bytes((folder / "03.png").read_bytes()[:500])
    (folder / "11.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few photos under 3,000 names, one of them broken."""
    folder = tmp_path_factory.mktemp("many")
    for i in range(10):
        draw_shapes((CLASSES[i % 3],), i).save(folder / f"{i}.png")
    for i in range(10, 3000):
        os.link(folder / f"{i % 10}.png", folder / f"{i}.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classifier(tmp_path_factory.mktemp("classifier") / "model")


def images_of(path: Path) -> list[str]:
    names: list[str] = pq.read_table(path)["image"].to_pylist()
    return names


def test_parquet_holds_what_the_predictor_says_and_the_unreadable_are_listed(
    classifier: Path, photos: Path, tmp_path: Path
):
    steps: list[tuple[int, int]] = []
    report = score(classifier, photos, tmp_path / "out.parquet", progress=lambda *step: steps.append(step))
    rows = pq.read_table(report.path).to_pylist()
    expected = [row for row in predict_files(classifier, [photos]) if "error" not in row]
    assert [row["image"] for row in rows] == [Path(row["filename"]).name for row in expected]
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    np.testing.assert_allclose([r["probabilities"] for r in rows], [r["probs"] for r in expected], atol=1e-5)
    assert [row["number"] for row in rows] == [i for i in range(20) if i not in (3, 11)]
    about = json.loads(pq.read_schema(report.path).metadata[b"automl_vision_scored"])
    assert about["classes"] == list(CLASSES)
    assert (report.images, report.unreadable, report.resumed) == (20, 2, 0)
    with report.errors_path.open(newline="") as file:
        errors = list(csv.DictReader(file))
    assert [error["image"] for error in errors] == ["03.png", "11.png"]
    assert errors[1]["reason"] == "the file is empty (0 bytes)"
    assert steps[0] == (0, 20)
    assert steps[-1] == (20, 20)
    assert sorted(file.name for file in tmp_path.glob("out*")) == [
        "out.parquet", "out.parquet.errors.csv", "out.parquet.score.json"
    ]  # fmt: skip


@pytest.mark.parametrize("task", ["image-classification", "image-classification-multi-label"])
def test_lines_and_tables_of_labels(task: str, photos: Path, tmp_path: Path):
    model = write_classifier(tmp_path / "model", task=task)
    expected = [row for row in predict_files(model, [photos]) if "error" not in row]
    lines = score(model, photos, tmp_path / "out.jsonl").path.read_text().splitlines()
    for line, row in zip(map(json.loads, lines), expected, strict=True):
        assert line.keys() == {"filename", "probs", "labels", "predicted"}
        assert (line["labels"], line["predicted"]) == (row["labels"], row["predicted"])
    with score(model, photos, tmp_path / "out.csv").path.open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert list(cells[0]) == ["image", "label", "confidence", *(f"prob_{name}" for name in CLASSES)]
    assert [row["label"] for row in cells] == ["|".join(row["predicted"]) for row in expected]
    with pytest.raises(ScoringError, match='"coco" holds objects, and the model is for'):
        score(model, photos, tmp_path / "out.json")


@pytest.mark.parametrize("masks", [False, True])
def test_every_format_of_objects(masks: bool, photos: Path, tmp_path: Path):
    model = write_detector(tmp_path / "model", masks=masks)
    expected = [row for row in predict_files(model, [photos]) if "error" not in row]
    rows = pq.read_table(score(model, photos, tmp_path / "out.parquet").path).to_pylist()
    assert [[found["label"] for found in row["objects"]] for row in rows] == [row["predicted"] for row in expected]
    assert [(row["width"], row["height"]) for row in rows] == [(48, 40)] * 18
    first = rows[0]["objects"][0]
    assert first["bbox"] == pytest.approx([2, 3, 20, 30])
    lines = [json.loads(line) for line in score(model, photos, tmp_path / "out.jsonl").path.read_text().splitlines()]
    for line, row in zip(lines, expected, strict=True):
        for ours, theirs in zip(line["boxes"], row["boxes"], strict=True):
            assert ours["box"] == pytest.approx(theirs["box"])
            assert ours.get("polygon") == theirs.get("polygon")
    with score(model, photos, tmp_path / "out.csv").path.open(newline="") as file:
        assert Counter(row["image"] for row in csv.DictReader(file)) == {row["image"]: 2 for row in rows}
    results = read_json(score(model, photos, tmp_path / "out.json").path)
    facts = read_json(tmp_path / "out.json.images.json")
    assert [image["file_name"] for image in facts["images"]] == [row["image"] for row in rows]
    assert {result["image_id"] for result in results} == {image["id"] for image in facts["images"]}
    assert results[0]["bbox"] == pytest.approx([2, 3, 18, 27])
    assert facts["categories"][results[0]["category_id"] - 1]["name"] == first["label"]
    if masks:
        height, width = results[0]["segmentation"]["size"]
        assert (
            MaskCode(height, width, results[0]["segmentation"]["counts"]).area()
            == MaskCode.from_text(first["rle"]).area()
        )


KILLED = """
import sys
from automl_vision.deployment.batch import score
score(*sys.argv[1:4], keep_outputs=sys.argv[4] == "keep")
"""


def kill_while_scoring(classifier: Path, data: Path, out: Path, after: int, keep: bool) -> None:
    """Start a scoring, and kill it once some parts exist."""
    arguments = [str(classifier), str(data), str(out), "keep" if keep else ""]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments])
    try:
        wait_for(lambda: len(list(beside(out, "parts").glob("*.arrow"))) >= after, 60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_scoring_that_is_killed_twice_goes_on_without_gap_or_duplicate(classifier: Path, many: Path, tmp_path: Path):
    out = tmp_path / "out.parquet"
    kill_while_scoring(classifier, many, out, 1, keep=False)
    first = len(list(beside(out, "parts").glob("*.arrow")))
    kill_while_scoring(classifier, many, out, first + 1, keep=False)
    assert not out.exists()
    report = score(classifier, many, out)
    assert report.resumed >= 2 * PART_IMAGES
    assert report.resumed < report.images == 3001
    whole = score(classifier, many, tmp_path / "whole.parquet")
    assert (whole.resumed, whole.unreadable, report.unreadable) == (0, 1, 1)
    assert pq.read_table(out).equals(pq.read_table(whole.path))
    assert len(set(images_of(out))) == 3000
    again = score(classifier, many, out)
    assert again.was_done
    assert again.sentences[0] == f"{out} is complete already: 3,000 of 3,001 images"
    assert again.reasons == (("broken.png", f"the file is not an image of a known format ({READ})"),)


@pytest.mark.parametrize("lost", [("record",), ("record", "errors"), ("record", "errors", "out"), ("part",), ("out",)])
def test_a_crash_between_the_last_steps_is_repaired(
    lost: tuple[str, ...], classifier: Path, photos: Path, tmp_path: Path
):
    """The steps are: parts, file, file of errors, record, removal of the parts."""
    out = tmp_path / "out.jsonl"
    report = score(classifier, photos, out, keep_outputs=True)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("out.jsonl*") if file.is_file()}
    assert report.parts is not None
    places = {
        "record": beside(out, "score.json"),
        "errors": report.errors_path,
        "out": out,
        "part": report.parts.path(0),
    }
    if lost == ("part",):
        out.unlink()
    for name in lost:
        places[name].unlink()
    (report.parts.folder / ".joined.jsonl.1-1.part").write_text("half")
    again = score(classifier, photos, out)
    assert again.unreadable == 2
    assert {file.name: file.read_bytes() for file in tmp_path.glob("out.jsonl*") if file.is_file()} == before


def test_other_models_images_and_files_are_refused(classifier: Path, photos: Path, tmp_path: Path):
    out, other = tmp_path / "out.csv", write_classifier(tmp_path / "other", seed=1)
    score(classifier, photos, out)
    before = out.read_bytes()
    with pytest.raises(ScoringError, match=r"was begun with another model .*; choose another name, or restart"):
        score(other, photos, out)
    draw_shapes(("cross",), 5).save(photos / "new.png")
    with pytest.raises(ScoringError, match=r"was begun with other images \(20 then, 21 now"):
        score(classifier, photos, out)
    assert out.read_bytes() == before
    assert score(other, photos, out, resume=False).images == 21
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(ScoringError, match="exists and was not written by a scoring"):
        score(classifier, photos, tmp_path / "mine.csv")
    with pytest.raises(ScoringError, match=r'"out\.txt" names no format'):
        score(classifier, photos, tmp_path / "out.txt")
    with pytest.raises(ScoringError, match='Did you mean "parquet"'):
        score(classifier, photos, tmp_path / "out", format="parqet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        score(classifier, tmp_path / "empty", tmp_path / "x.csv")


def test_parts_of_another_model_are_not_mixed(classifier: Path, many: Path, tmp_path: Path):
    out = tmp_path / "out.parquet"
    kill_while_scoring(classifier, many, out, 1, keep=False)
    other = write_classifier(tmp_path / "other", seed=1)
    with pytest.raises(ScoringError, match="was begun with another model"):
        score(other, many, out)
    assert score(other, many, out, resume=False).resumed == 0


def test_two_processes_do_not_score_into_one_file(classifier: Path, photos: Path, tmp_path: Path):
    folder = beside(tmp_path / "out.csv", "parts")
    folder.mkdir()
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ScoringError, match="another process is scoring"):
            score(classifier, photos, tmp_path / "out.csv")


def test_one_runtime_predicts_all_images_and_is_recorded(classifier: Path, photos: Path, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    score(classifier, photos, out)
    record = read_json(beside(out, "score.json"))
    assert record["runtime"] in ("onnx", "openvino")
    assert record["precision"] == "fp32"
    assert score(classifier, photos, out, precision="fp32").was_done
    assert score(classifier, photos, out, runtime=record["runtime"]).was_done
    with pytest.raises(ScoringError, match=r"was begun with another precision \(fp32\)"):
        score(classifier, photos, out, precision="int8")
    with pytest.raises(ScoringError, match=r"was begun with another runtime \((onnx|openvino)\)"):
        score(classifier, photos, out, runtime="cuda")
    with pytest.raises(ModelFolderError, match=r"has no model\.int8\.onnx; write it with: automl-vision export"):
        score(classifier, photos, tmp_path / "other.jsonl", precision="int8")


def test_an_unreadable_image_may_stop_a_scoring_which_then_goes_on(classifier: Path, photos: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    done = run_command("score", str(classifier), str(photos), "--out", str(out), "--on-unreadable", "error")
    assert done.returncode != 0
    assert "03.png: the image is broken or truncated" in done.stderr
    assert "skip such images with --on-unreadable skip" in done.stderr
    assert not out.exists()
    done = run_command("score", str(classifier), str(photos), "--out", str(out), "--runtime", "onnx")
    assert "18 of 20 images are scored" in done.stdout, done.stderr
    with pytest.raises(ValueError, match='unreadable is one of skip, error, not "raise"'):
        score(classifier, photos, out, unreadable="raise")


def test_predict_goes_on_or_stops_at_an_unreadable_file(classifier: Path, photos: Path):
    done = run_command("predict", str(classifier), str(photos), "--runtime", "onnx", "--precision", "fp32")
    lines = done.stdout.splitlines()
    assert [Path(line.partition(":")[0]).name for line in lines] == sorted(file.name for file in photos.iterdir())
    assert (done.returncode, sum(": error: " in line for line in lines)) == (2, 2)
    done = run_command("predict", str(classifier), str(photos), "--on-unreadable", "error")
    assert done.returncode != 0
    assert "03.png: the image is broken or truncated" in done.stderr
    done = run_command("predict", str(classifier), str(photos), "--precision", "int8")
    assert "has no model.int8.onnx; write it with: automl-vision export" in done.stderr


def test_a_file_that_is_gone_or_unreadable_in_all_parts(classifier: Path, tmp_path: Path):
    (tmp_path / "list.txt").write_text("a.jpg\nb.jpg\n")
    report = score(classifier, tmp_path / "list.txt", tmp_path / "out.parquet")
    assert (report.images, report.unreadable) == (2, 2)
    assert report.reasons[0] == ("a.jpg", "the file is missing")
    assert len(pq.read_table(report.path)) == 0


def test_labelled_data_is_measured_as_evaluate_does(classifier: Path, shapes_folder: Path, tmp_path: Path):
    report = score(classifier, shapes_folder, tmp_path / "out.parquet", keep_outputs=True)
    expected = evaluate(classifier, shapes_folder).metrics()
    assert json_text({k: vars(v) for k, v in evaluate_scored(report, shapes_folder).metrics().items()}) == json_text(
        {k: vars(v) for k, v in expected.items()}
    )
    metrics = scored_metrics(report, shapes_folder)
    assert metrics["split"] == "all"
    assert metrics["values"]["accuracy"]["value"] == expected["accuracy"].value
    assert not beside(report.path, "parts").exists()
    again = score(classifier, shapes_folder, tmp_path / "out.parquet", keep_outputs=True)
    assert scored_metrics(again, shapes_folder)["values"]["accuracy"] == metrics["values"]["accuracy"]
    with pytest.raises(ScoringError, match="use evaluate"):
        evaluate_scored(again, shapes_folder)


@pytest.mark.parametrize("masks_", [False, True])
def test_objects_are_measured_with_all_that_the_detector_finds(
    masks_: bool, boxes: Dataset, masks: Dataset, tmp_path: Path
):
    model, data = write_detector(tmp_path / "model", masks=masks_), masks if masks_ else boxes
    data = data.with_classes(data.classes)
    from dataclasses import replace

    from automl_vision.serving.model_folder import ModelDescription

    replace(ModelDescription.load(model), classes=("square", "triangle", "other")).save(model)
    report = score(model, data, tmp_path / "out.parquet", keep_outputs=True)
    rows = pq.read_table(report.path).to_pylist()
    assert {found["score"] >= 0.3 for row in rows for found in row["objects"]} == {True}
    found, expected = evaluate_scored(report, data, split="all"), evaluate(model, data, split="all")
    assert (
        len(found.predictions.detections) == len(expected.predictions.detections) > sum(len(r["objects"]) for r in rows)
    )
    assert json_text({k: vars(v) for k, v in found.metrics().items()}) == json_text(
        {k: vars(v) for k, v in expected.metrics().items()}
    )


def test_the_command_prints_metrics_and_counts_what_is_unreadable(
    classifier: Path, shapes_folder: Path, photos: Path, tmp_path: Path
):
    place = ["--workspace", tmp_path / "ws"]
    done = run_command("score", classifier, shapes_folder, "--out", tmp_path / "out.parquet", *place)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "24 of 24 images are scored in" in done.stdout
    done = run_command("score", classifier, photos, "--out", tmp_path / "photos.csv", "--json", *place)
    assert done.returncode == 2
    facts = json.loads(done.stdout)
    assert (facts["images"], facts["unreadable"]) == (20, 2)
    done = run_command("score", classifier, photos, "--out", tmp_path / "photos.csv", *place)
    assert done.returncode == 2
    assert "is complete already: 18 of 20 images" in done.stdout
    assert "2 images could not be read" in done.stdout
    done = run_command("score", classifier, photos, "--out", tmp_path / "photos.txt", *place)
    assert done.returncode == 2
    assert "names no format" in done.stderr
    other = tmp_path / "other"
    shutil.copytree(shapes_folder / CLASSES[0], other / "cats")
    shutil.copytree(shapes_folder / CLASSES[1], other / "dogs")
    done = run_command("score", classifier, other, "--out", tmp_path / "other.parquet", *place)
    assert done.returncode == 0, done.stderr
    assert "no metrics: no label of the data is one of the model's classes" in done.stdout


@pytest.mark.parametrize("kind", ["labels", "boxes", "masks"])
def test_predictions_become_a_version_of_a_dataset(kind: str, classifier: Path, photos: Path, tmp_path: Path):
    model = classifier if kind == "labels" else write_detector(tmp_path / "model", masks=kind == "masks")
    place = ["--workspace", tmp_path / "ws"]
    least = ["--min-confidence", "0.7"] if kind != "labels" else []
    done = run_command("score", model, photos, "--out", "pre", "--format", "dataset", *least, *place)
    assert done.returncode == 2, done.stderr
    assert "registered as pre:1" in done.stdout
    dataset = Dataset.load(Workspace(tmp_path / "ws").datasets.get("pre"))
    assert len(dataset) == 18
    assert set(dataset.splits.tolist()) == {""}
    if kind == "labels":
        expected = [row for row in predict_files(model, [photos]) if "error" not in row]
        assert [list(image.labels) for image in dataset] == [row["predicted"] for row in expected]
        return
    assert dataset.classes == (CLASSES[0],)
    (first,) = dataset[0].objects
    assert first.label == CLASSES[0]
    assert (first.rle is not None) == (kind == "masks")


def test_a_job_that_fails_for_a_reason_of_its_own_is_not_tried_again(compute: LocalCompute, tmp_path: Path):
    compute.warm_up()  # this test process's one fork server, with all that other tests' jobs expect
    draw_shapes(("cross",), 0).save(tmp_path / "0.png")
    model = write_classifier(tmp_path / "model")
    (model / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(ScoringError, match=r"the parts 0 to 0 could not be scored: .*cannot be loaded"):
        score(model, tmp_path / "0.png", tmp_path / "out.csv", compute="cpu")
    again = tmp_path / "out.csv.parts" / "jobs" / "000000-1"
    assert not again.exists()

"""A run from submission to a model that predicts without torch, and what may go wrong on the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import automl_vision
from automl_vision import (
    AutoMLVisionConfig,
    Dataset,
    Experiment,
    Predictor,
    Run,
    Workspace,
    evaluate,
    set_operating_point,
)
from automl_vision.cli.commands import app
from automl_vision.core.errors import (
    ConfigError,
    DataError,
    ImageError,
    ModelFolderError,
    ParityError,
    RunFailedError,
    RunNotFoundError,
)
from automl_vision.core.files import read_json, write_json
from automl_vision.evaluation.scoring.scoring import ScoringSettings
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.experiment.experiment import prepared_run, run_spec
from automl_vision.packaging.package import package
from automl_vision.runs.controller import work_on_run
from automl_vision.serving.command import main as predict_main
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.training.checkpoint import load_weights
from conftest import CLASSES, SMALL_MODEL, draw_shapes, write_multi_label_csv, write_shape_folders
from processes import wait_for
from runs_here import work_here

SMALL = {
    "pretrained": False,
    "training_crop_size": 32,
    "validation_resize_size": 36,
    "validation_crop_size": 32,
    "precision": "fp32",
    "number_of_epochs": 2,
    "training_batch_size": 8,
}


def small_config(data: Path | Dataset, **changes: object) -> AutoMLVisionConfig:
    arguments = SMALL | dict(changes.pop("arguments", {}))  # type: ignore[call-overload]
    values = {"task": "image-classification", "training_data": data, "model_name": SMALL_MODEL, "threads": 1}
    return AutoMLVisionConfig(**{**values, "arguments": arguments, **changes})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def completed(workspace: Workspace, shapes_folder: Path) -> Run:
    """A completed run."""
    return work_here(Experiment(workspace, "shapes"), small_config(shapes_folder))


def test_a_run_completes(completed: Run, workspace: Workspace):
    assert completed.wait_for_completion()["status"] == completed.get_status() == "Completed"
    assert [run.id for run in Experiment(workspace, "shapes").runs()] == [completed.id]
    assert completed.get_metrics()["val"].keys() >= {"accuracy", "log_loss", "auc_macro", "f1_micro"}
    assert completed.get_best_child().number == 0
    assert len(completed.get_children()) == len(completed.get_children_sorted_by_primary_metric()) == 1


def test_a_run_and_its_model_explain_images(completed: Run, workspace: Workspace, shapes_folder: Path, tmp_path: Path):
    image = shapes_folder / "circle" / "circle-0.png"
    trial = completed.get_best_child()
    found = trial.explain(image, "integrated_gradients", "circle")
    packaged = automl_vision.explain(completed.model_path, image, "integrated_gradients", "circle")
    assert found.attributions.shape == (40, 48)
    assert np.allclose(found.attributions, packaged.attributions, atol=1e-4)
    assert found.probability == pytest.approx(packaged.probability, abs=1e-4)
    runner, place = CliRunner(), ["--workspace", str(workspace.path), "--out", str(tmp_path / "maps")]
    shown = runner.invoke(app, ["explain", completed.id, str(image), "--method", "guided_gradcam", *place])
    assert shown.exit_code == 0, shown.output
    (row,) = read_json(tmp_path / "maps" / "explanations.json")
    assert (row["filename"], row["method"]) == (str(image), "guided_gradcam")
    assert (tmp_path / "maps" / row["picture"]).exists()
    mistakes = trial.evaluated().mistakes()[:2]
    shown = runner.invoke(app, ["explain", f"{completed.id}:0", "--most", "2", "--method", "guided_backprop", *place])
    assert shown.exit_code == 0, shown.output
    assert len(read_json(tmp_path / "maps" / "explanations.json")) == len(mistakes)
    for arguments, message in (
        ([str(completed.model_path)], "name the images to explain"),
        ([str(completed.model_path), str(image), "--method", "lime"], 'no method of explanation is named "lime"'),
    ):
        refused = runner.invoke(app, ["explain", *arguments, *place])
        assert refused.exit_code != 0
        assert message in " ".join(f"{refused.output} {refused.exception}".replace("│", " ").split())


def test_the_leaderboard_has_intervals(completed: Run):
    board = completed.leaderboard()
    row = board[0]
    assert (row.rank, row.status, row.model_name) == (1, "Completed", SMALL_MODEL)
    assert row.score.low <= row.score.value <= row.score.high
    assert f"{row.score.value:.4f} [" in repr(board)
    assert "<table>" in board._repr_html_()


def test_figures_of_the_run_and_its_best_trial(completed: Run, workspace: Workspace, tmp_path: Path):
    trial = completed.get_best_child()
    figures = trial.figures()
    assert list(figures)[:2] == ["learning_curves", "confusion"]
    done = CliRunner().invoke(
        app, ["figures", completed.id, "--out", str(tmp_path), "--json", "--workspace", str(workspace.path)]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert {Path(file).stem for file in told["files"]} == {*figures, *completed.figures()}
    assert {"parallel_coordinates", "importance"} <= set(told["missing"])
    svg = [file for file in told["files"] if file.endswith(".svg")]
    assert bool(svg) != bool(told["without_svg"])
    assert all("<svg" in Path(file).read_text("utf-8")[:200] for file in svg)
    assert "Learning curves" in (tmp_path / "learning_curves.html").read_text("utf-8")


def test_slices_calibration_and_mistakes_of_the_best_trial(
    completed: Run, workspace: Workspace, shapes_folder: Path, tmp_path: Path
):
    trial = completed.get_best_child()
    evaluated = trial.evaluated()
    accuracy = trial.get_metrics()["val"]["accuracy"]
    assert evaluated.metric().value(evaluated.cases) == pytest.approx(accuracy)
    assert len(evaluated.rows) == len(trial.get_predictions())
    report = evaluated.calibration(0.5)
    assert report.sets.images == len(evaluated.rows) - len(evaluated.rows) // 2
    assert report.loss_after.value <= report.loss_before.value + 1e-9
    runner, place = CliRunner(), ["--workspace", str(workspace.path)]
    shown = runner.invoke(app, ["calibration", completed.id, *place])
    assert shown.exit_code == 0, shown.output
    assert "expected calibration error" in shown.output
    shown = runner.invoke(app, ["slices", completed.id, "--json", *place])
    assert shown.exit_code == 0, shown.output
    assert isinstance(json.loads(shown.output), list)
    shown = runner.invoke(app, ["mistakes", completed.id, "--draw", str(tmp_path / "worst.png"), *place])
    assert shown.exit_code == 0, shown.output
    wrong = round(len(evaluated.rows) * (1 - accuracy))
    assert f"{wrong} of {len(evaluated.rows)} val images have mistakes" in shown.output
    with Image.open(tmp_path / "worst.png") as picture:
        assert picture.width > 256
    for arguments, message in (
        (["slices", completed.id, "--split", "test"], "there are predictions of val, not of test"),
        (["slices", completed.id, "--metric", "acuracy"], 'Did you mean "accuracy"'),
        (["calibration", completed.id, "--error-rate", "2"], "between 0 and 1"),
        (["leaderboard", completed.id, "--metric", "acuracy"], 'Did you mean "accuracy"'),
        (["thresholds", completed.id, "--precision", "1.2"], "at most at 1; 1.2 does not"),
        (["thresholds", completed.id, "--calibrated"], "probabilities of labels are calibrated already"),
        (["thresholds", completed.id, "--cost", str(shapes_folder)], "cannot be read"),
    ):
        refused = runner.invoke(app, [*arguments, *place])
        assert refused.exit_code == 2
        assert message in " ".join(refused.output.replace("│", " ").split())
    with pytest.raises(RunFailedError, match="has no trial 7"):
        completed.get_child(7)


def test_the_packaged_model_measures_on_the_same_images_what_the_trial_measured(
    completed: Run, workspace: Workspace, tmp_path: Path
):
    trial = completed.get_best_child().evaluated("val")
    found = evaluate(completed.model_path, trial.dataset, split="val")
    for name, value in trial.metrics().items():
        assert found.metrics()[name].value == pytest.approx(value.value, abs=1e-4), name
    kept = Evaluated.load(found.save(tmp_path / "kept"))
    assert kept.metrics() == found.metrics()
    assert kept.name.startswith(f"{SMALL_MODEL} in ")
    runner, place = CliRunner(), ["--workspace", str(workspace.path)]
    shown = runner.invoke(app, ["compare", str(tmp_path / "kept"), f"{completed.id}:0", "--split", "val", *place])
    assert shown.exit_code == 0, shown.output
    assert f"both right {found.cases.right.sum()}" in shown.output


def test_reports_say_what_python_says(completed: Run, workspace: Workspace, tmp_path: Path):
    runner, place = CliRunner(), ["--workspace", str(workspace.path)]
    evaluated = completed.get_best_child().evaluated()
    kept = evaluated.save(tmp_path / "kept")
    files = {name: tmp_path / f"{name}.html" for name in ("run", "evaluation", "comparison")}
    for arguments in (
        ["report", completed.id, "--out", str(files["run"])],
        ["report", str(kept), "--no-pixels", "--out", str(files["evaluation"])],
        ["compare", str(kept), f"{completed.id}:0", "--report", str(files["comparison"])],
    ):
        done = runner.invoke(app, [*arguments, *place])
        assert done.exit_code == 0, done.output
    page = files["run"].read_text("utf-8")
    assert evaluated.primary.interval(evaluated.cases).text(3) in page
    assert f"{len(evaluated.mistakes())} of {len(evaluated.rows)} images have mistakes" in page
    assert re.findall(r'<section id="(\w+)">', page) == [
        "board", "charts", "metrics", "slices", "mistakes", "trust", "data", "settings", "use", "card",
    ]  # fmt: skip
    assert completed.folder.pixel_statistics.exists()
    assert 'data-figure="confusion"' in page
    assert len(re.sub(r"data:image/[^\"]*", "", page)) < 3e6
    assert "On no image." in files["comparison"].read_text("utf-8")
    assert read_json(completed.folder.path / "data_report.json")["counts"]["images"] == len(evaluated.dataset)


def test_labels_that_a_model_does_not_know_and_unreadable_images_are_reported(completed: Run, tmp_path: Path):
    known = write_shape_folders(tmp_path / "data", per_class=3)
    write_shape_folders(known, per_class=2, classes=("star",))
    dataset = Dataset.open(known)
    broken = known / CLASSES[0] / f"{CLASSES[0]}-0.png"
    broken.write_bytes(broken.read_bytes()[:500])
    (known / CLASSES[1] / f"{CLASSES[1]}-0.png").unlink()
    found = evaluate(completed.model_path, dataset)
    assert found.split == "all"
    assert len(found.rows) == 3 * len(CLASSES) - 2
    assert found.dataset.report.counts() == {"unreadable image": 2, "other class": 2}
    with pytest.raises(DataError, match='no usable image is in the split "val"; choose from: all'):
        evaluate(completed.model_path, dataset, split="val")
    with pytest.raises(ValueError, match='Did you mean "accuracy"'):
        evaluate(completed.model_path, dataset, settings=ScoringSettings("acuracy"))
    strange = Dataset.open(write_shape_folders(tmp_path / "strange", per_class=5, classes=("blob", "star")))
    with pytest.raises(DataError, match=r"no label of the data is one of the model's classes: the data has blob, star"):
        evaluate(completed.model_path, strange)
    with pytest.raises(DataError, match=r"holds no evaluation \(evaluation.json is missing\)"):
        Evaluated.load(tmp_path)


def test_thresholds_are_chosen_and_saved_into_the_model_of_the_trial(
    completed: Run, workspace: Workspace, shapes_folder: Path, tmp_path: Path
):
    trial, model = completed.get_best_child(), tmp_path / "model"
    shutil.copytree(completed.model_path, model)
    files = sorted(shapes_folder.rglob("*.png"))
    own = Predictor(model)(files)
    command, place = ["thresholds", completed.id], ["--workspace", str(workspace.path)]
    wanted = ["--precision", "0.8", "--no-per-class", "--save", "--model", str(model)]
    shown = CliRunner().invoke(app, [*command, *wanted, *place])
    assert shown.exit_code == 0, shown.output
    assert "wanted is a precision of at least 0.8; chosen on" in shown.output
    assert f"saved into {model}" in shown.output.replace("\n", "")
    predictor = Predictor(model, error_rate=0.2)
    point = predictor.description.operating_point
    assert "a precision of at least 0.8" in (model / "card.md").read_text()
    found = predictor(files)
    for before, after in zip(own, found, strict=True):
        assert after.answered == (before.confidence >= point.thresholds[0])
        assert after.predicted == (before.predicted if after.answered else ())
        assert set(after.label_set) <= set(after.labels)
    rates = [entry.error_rate for entry in predictor.description.prediction_sets]
    assert rates == [0.01, 0.02, 0.05, 0.1, 0.2]

    costs = tmp_path / "costs.json"
    costs.write_text('{"circle": {"square": 7}}')
    by_cost = CliRunner().invoke(app, [*command, "--cost", str(costs), "--json", *place])
    assert by_cost.exit_code == 0, by_cost.output
    circle, square = (predictor.description.classes.index(name) for name in ("circle", "square"))
    assert json.loads(by_cost.output)["costs"][circle][square] == 7

    set_operating_point(trial, None, model)
    assert [p.predicted for p in Predictor(model)(files)] == [p.predicted for p in own]
    description = ModelDescription.load(model)
    replace(description, provenance={**description.provenance, "trial": 7}).save(model)
    with pytest.raises(ModelFolderError, match="it is that of trial 7 of run"):
        set_operating_point(trial, trial.evaluated().operating_points(), model)


def test_mlflow_shows_the_run_and_its_trial(completed: Run, workspace: Workspace):
    from mlflow.tracking import MlflowClient

    ids = completed.get_details()["mlflow"]
    client = MlflowClient(workspace.tracking_uri)
    parent, trial = client.get_run(ids["run"]), client.get_run(ids["trial 0"])
    assert parent.info.status == trial.info.status == "FINISHED"
    assert trial.data.tags["mlflow.parentRunId"] == ids["run"]
    assert trial.data.params["model_name"] == SMALL_MODEL
    assert trial.data.params["number_of_epochs"] == "2"
    assert [metric.step for metric in client.get_metric_history(ids["trial 0"], "accuracy")] == [0, 1, 2]
    assert "final_val_accuracy_low" in trial.data.metrics
    names = {artifact.path for artifact in client.list_artifacts(ids["run"], "model")}
    assert {"model/model.onnx", "model/model.json", "model/card.md", "model/weights.safetensors"} <= names


def test_a_model_is_registered_in_versions(completed: Run, workspace: Workspace):
    from mlflow.tracking import MlflowClient

    assert [completed.register_model("shapes", tags={"stage": str(i)}) for i in (1, 2)] == ["1", "2"]
    version = MlflowClient(workspace.tracking_uri).get_model_version("shapes", "2")
    found = workspace.models.get("shapes:2")
    assert (dict(found.tags), found.lineage.run, found.lineage.trial) == ({"stage": "2"}, completed.id, "0")
    assert version.run_id == completed.get_details()["mlflow"]["run"]
    assert (Path(version.source) / "model.onnx").exists()


def test_a_run_starts_from_an_earlier_ones_weights(completed: Run, workspace: Workspace, shapes_folder: Path):
    weights = completed.get_best_child().path / "weights.safetensors"
    for arguments in ({}, {"checkpoint_filename": weights.name}):
        settings = {"checkpoint_run_id": completed.id, "number_of_epochs": 1, **arguments}
        spec = run_spec(
            small_config(shapes_folder, arguments=settings), Experiment(workspace, "again"), Path("manifest")
        )
        assert spec.trials[0].start_from is not None
        start = load_weights(Path(spec.trials[0].start_from))
        assert all(torch.equal(value, start[name]) for name, value in load_weights(weights).items())
    with pytest.raises(RunNotFoundError):
        Experiment(workspace, "x").submit(small_config(shapes_folder, arguments={"checkpoint_run_id": "nothing"}))
    with pytest.raises(RunFailedError, match=r"has no missing\.pt"):
        arguments = {"checkpoint_run_id": completed.id, "checkpoint_filename": "missing.pt"}
        Experiment(workspace, "x").submit(small_config(shapes_folder, arguments=arguments))


def test_files_are_downloaded(completed: Run, tmp_path: Path):
    completed.download_files("model", tmp_path)
    assert (tmp_path / "model" / "model.onnx").exists()
    assert completed.download_file("manifest.parquet", tmp_path / "m.parquet").exists()
    with pytest.raises(RunFailedError, match="has no file"):
        completed.download_file("../../../etc/passwd", tmp_path)


def test_a_new_process_picks_the_run_up(completed: Run, workspace: Workspace):
    code = (
        "from automl_vision import Run, Workspace\n"
        f"run = Run(Workspace({str(workspace.path)!r}), {completed.id!r})\n"
        "print(run.wait_for_completion(show_output=True)['status'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "epoch  2" in done.stdout
    assert done.stdout.strip().endswith("Completed")


def test_an_unknown_run_names_the_nearest(workspace: Workspace, completed: Run):
    with pytest.raises(RunNotFoundError, match=f'Did you mean "{completed.id}"'):
        Run(workspace, completed.id[:-1])


def test_the_predictor_gives_what_the_trial_gave(completed: Run):
    """From the image files on, with the exported model, against the outputs of the trained one."""
    predictor = Predictor(completed.model_path)
    dataset = Dataset.load(completed.folder.manifest)
    recorded = completed.get_best_child().get_predictions().of_split("val")
    files = [Path(dataset.root) / image for image in recorded.table["image"].to_pylist()]
    expected = predictor.decode(recorded.logits)
    for prediction, wanted in zip(predictor(files), expected, strict=True):
        np.testing.assert_allclose(prediction.probs, wanted.probs, atol=1e-4)
    description = predictor.description
    assert description.parity["largest_difference"] <= 1e-4
    assert description.latency["1 thread"]["median_ms"] > 0
    assert description.data["fingerprint"] == dataset.fingerprint


def test_the_predictor_takes_images_in_any_form(completed: Run, shapes_folder: Path):
    predictor = Predictor(completed.model_path)
    file = next((shapes_folder / "circle").glob("*.png"))
    image = Image.open(file)
    forms = [file, str(file), file.read_bytes(), image, np.asarray(image)]
    for prediction in predictor(forms):
        np.testing.assert_allclose(prediction.probs, predictor(file)[0].probs, atol=1e-6)
        assert prediction.probs.sum() == pytest.approx(1)
        assert prediction.label in description_labels(predictor)
    assert predictor(file)[0].to_json().keys() == {"probs", "labels"}
    assert predictor([]) == []
    with pytest.raises(ImageError, match="cannot be read"):
        predictor("missing.jpg")
    with pytest.raises(ImageError, match="uint8"):
        predictor(np.zeros((4, 4), np.float32))


def description_labels(predictor: Predictor) -> tuple[str, ...]:
    return predictor.description.classes


def test_predicting_loads_only_numpy_pillow_and_onnxruntime(completed: Run, shapes_folder: Path):
    blocked = [
        "torch",
        "torchvision",
        "timm",
        "mlflow",
        "pydantic",
        "typer",
        "rich",
        "pandas",
        "pyarrow",
        "scipy",
        "sklearn",
        "fsspec",
        "yaml",
        "psutil",
    ]
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {blocked!r}: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from automl_vision.cli.main import main\n"
        "main()"
    )
    folder = shapes_folder / "cross"
    command = [sys.executable, "-c", code, "predict", str(completed.model_path), str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 8
    assert rows[0].keys() == {"filename", "probs", "labels", "predicted"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.json").unlink(), "not a model folder"),
        (lambda folder: (folder / "model.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "model.json").write_text('{"format_version": 99}'), "format version 99"),
        (lambda folder: (folder / "model.json").write_text('{"format_version": 1}'), "lacks or misnames"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"nonsense"), "cannot be loaded"),
    ],
)
def test_a_damaged_model_folder_is_told(completed: Run, tmp_path: Path, damage: Callable[[Path], object], message: str):
    completed.download_files("model", tmp_path)
    damage(tmp_path / "model")
    with pytest.raises(ModelFolderError, match=message):
        Predictor(tmp_path / "model")


def test_packaging_fails_when_the_export_differs(completed: Run, tmp_path: Path):
    """The trained model as recorded is another one than the weights that are exported."""
    trial = completed.get_best_child()
    folder = tmp_path / "trial"
    subprocess.run(["cp", "-r", str(trial.path), str(folder)], check=True)
    metrics = read_json(folder / "metrics.json")
    metrics["calibration"]["temperature"] = float("nan")
    write_json(folder / "metrics.json", metrics)
    with pytest.raises(ParityError, match="no model folder was written"):
        package(folder, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert not list(tmp_path.glob(".model*"))


def test_submit_returns_at_once_and_ctrl_c_cancels_the_run_and_ends_its_processes(
    workspace: Workspace, shapes_folder: Path
):
    arguments = {"number_of_epochs": 10_000, "early_stopping": False}
    run = Experiment(workspace, "long").submit(small_config(shapes_folder, arguments=arguments))
    assert not run.get_status().is_final
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # as in a terminal
        "from automl_vision import Run, Workspace\n"
        f"Run(Workspace({str(workspace.path)!r}), {run.id!r}).wait_for_completion(show_output=True)"
    )
    waiting = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    wait_for(lambda: run.get_children() and run.get_children()[0].get_evaluations())
    waiting.send_signal(signal.SIGINT)
    told = waiting.communicate(timeout=30)[1]
    assert run.get_status() == "Canceled"
    assert f"canceling run {run.id}; press Ctrl-C again to stop waiting" in told
    assert f"run {run.id} is Canceled; continue it with: automl-vision resume {run.id}" in told
    wait_for(lambda: not run.folder.is_active())
    with pytest.raises(RunFailedError, match="Canceled: canceled by the user"):
        run.wait_for_completion()


def test_a_run_that_is_canceled_before_it_begins_prepares_nothing(workspace: Workspace, shapes_folder: Path):
    experiment = Experiment(workspace, "too late")
    with prepared_run(small_config(shapes_folder), experiment) as (folder, lock):
        folder.cancel_request.set()
        work_on_run(folder, os.dup(lock))
    assert Run(workspace, folder.id).get_status() == "Canceled"
    assert not folder.manifest.exists()
    assert not folder.cancel_request.is_set()  # of the next resume


def test_a_failed_trial_tells_its_last_lines(workspace: Workspace, shapes_folder: Path, tmp_path: Path):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"no weights")
    arguments = {"pretrained": True, "weights": str(weights)}
    run = work_here(Experiment(workspace, "failing"), small_config(shapes_folder, arguments=arguments))
    with pytest.raises(RunFailedError, match="no weights can be read"):
        run.wait_for_completion()
    assert run.get_children()[0].get_status() == "Failed"
    assert run.leaderboard()[0].status == "Failed"
    with pytest.raises(RunFailedError, match="has no model"):
        _ = run.model_path


def test_a_multi_label_run_predicts_sets(workspace: Workspace, tmp_path: Path):
    """Beside an image that cannot be read, which is told and left out."""
    data = write_multi_label_csv(tmp_path / "data")
    (data / "image 3.png").write_bytes(b"")
    config = small_config(data, task="image-multi-labeling", arguments={"number_of_epochs": 1})
    run = work_here(Experiment(workspace, "labels"), config)
    run.wait_for_completion()
    (problem,) = read_json(run.folder.path / "left_out.json")["problems"]
    assert "image 3.png" in problem["place"] and "empty" in problem["reason"]
    prediction = Predictor(run.model_path)(draw_shapes(("circle",), 1))[0]
    assert set(prediction.predicted) == {
        name for name, p in zip(prediction.labels, prediction.probs, strict=True) if p >= 0.5
    }


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"task": "image-clasification"}, ['Did you mean "image-classification"']),
        ({"iterations": 0, "seed": -1}, ["iterations", "seed"]),
        ({"iterations": 1001}, ["iterations"]),
        ({"experiment_timeout_hours": 0}, ["experiment_timeout_hours"]),
        ({"primary_metric": "acuracy"}, ['Did you mean "accuracy"']),
        ({"compute_target": "gpu"}, ["is not a compute target"]),
        ({"model_name": "resnet5"}, ['Did you mean "resnet50"']),
        ({"arguments": ["--learning_rat", 0.1]}, ['Did you mean "learning_rate"']),
        ({"arguments": ["--early_stopping"]}, ["has no partner"]),
        ({"arguments": {"learning_rate": 2, "optimizer": "sdg"}}, ["learning_rate", "optimizer"]),
        ({"arguments": {"validation_crop_size": 300, "validation_resize_size": 256}}, ["must not exceed"]),
        ({"iteratons": 3}, ['no setting is named "iteratons". Did you mean "iterations"']),
        ({"iterations": 0, "arguments": {"learning_rat": 1}}, ["iterations", "learning_rat"]),
    ],
)
def test_every_mistake_of_a_config_is_told_at_once(changes: dict[str, object], problems: list[str]):
    values = {"task": "image-classification", "training_data": "photos", **changes}
    with pytest.raises(ConfigError) as caught:
        AutoMLVisionConfig(**values)
    assert len(caught.value.problems) == len(problems)
    for problem in problems:
        assert problem in str(caught.value)


def test_old_names_and_texts_are_understood():
    config = AutoMLVisionConfig(
        task="image-multi-labeling",
        training_data=Path("photos"),
        split_ratio=0.3,
        arguments=["--crop_size", "128", "--resize_size", 256, "--early_stopping", "0", "--evaluation_frequency", 2],
    )
    hyperparameters = config.hyperparameters
    assert config.task == "image-classification-multi-label"
    assert config.metric == "iou"
    assert hyperparameters.training_crop_size == 128
    assert hyperparameters.split_ratio == 0.3
    assert hyperparameters.early_stopping is False
    assert hyperparameters.evaluation_frequency == 2


def test_bad_data_is_told_when_submitting(workspace: Workspace, tmp_path: Path):
    with pytest.raises(DataError, match="does not exist"):
        Experiment(workspace, "bad").submit(small_config(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="at least 2 classes"):
        data = write_shape_folders(tmp_path / "one", classes=("circle",), per_class=12)
        Experiment(workspace, "bad").submit(small_config(data))
    with pytest.raises(ConfigError, match="made of letters"):
        Experiment(workspace, "../bad")
    assert Experiment(workspace, "bad").runs() == []


def test_predict_tells_bad_images_and_goes_on(completed: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    draw_shapes(("circle",), 1).save(tmp_path / "good.png")
    assert predict_main([str(completed.model_path), str(tmp_path)]) == 2
    output = capsys.readouterr().out
    assert "bad.jpg: error: the file is not an image" in output
    assert "good.png: " in output
    assert predict_main([str(tmp_path), str(tmp_path)]) == 2
    assert "not a model folder" in capsys.readouterr().err

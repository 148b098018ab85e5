"""A finished network is trained on the validation images too, and what is reported of these stays from before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_vision import Dataset, Experiment, Predictor, Run, Workspace
from automl_vision.core.errors import TrialError
from automl_vision.core.files import read_json, write_json
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.models.networks import load_model
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.combination import combine
from automl_vision.training.loop import Loop
from automl_vision.training.refit import refit
from automl_vision.training.reporter import Reporter
from automl_vision.training.trial import open_trial, train
from conftest import RecordingReporter, write_shape_folders
from runs_here import resume_here, small_config, work_here


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Drawn shapes with validation and test images."""
    opened = Dataset.open(write_shape_folders(tmp_path / "data", per_class=12)).with_validation(0.4)
    splits = opened.splits.copy()
    splits[np.flatnonzero(splits == "val")[::2]] = "test"
    return opened.with_splits(splits)


def finished(spec: TrialSpec) -> TrialSpec:
    train(spec, RecordingReporter())
    write_json(Path(spec.folder) / "spec.json", spec.model_dump())
    return spec


def again(spec: TrialSpec, **changes: Any) -> TrialSpec:
    return spec.model_copy(update={"folder": spec.folder + "-refit", "refit_of": spec.folder, **changes})


def logits(spec: TrialSpec, split: str) -> np.ndarray:
    return Predictions.load(Path(spec.folder) / PREDICTIONS_FILE).of_split(split).logits


def weights(spec: TrialSpec) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in load_model(Path(spec.folder)).network.state_dict().items()}


def test_validation_figures_stay_and_test_figures_are_new(dataset: Dataset, make_spec: Callable[..., TrialSpec]):
    spec = finished(make_spec(dataset, number_of_epochs=6))
    later = again(spec)
    result = refit(later, RecordingReporter())
    before = read_json(Path(spec.folder) / "result.json")
    assert result.refit_epochs == pytest.approx(max(1.0, before["best_epoch"] / 3))
    assert result.score == before["score"]
    np.testing.assert_array_equal(logits(later, "val"), logits(spec, "val"))
    assert not np.array_equal(logits(later, "test"), logits(spec, "test"))
    earlier, own = (read_json(Path(each.folder) / "metrics.json") for each in (spec, later))
    assert own["calibration"] == earlier["calibration"]
    assert own["splits"]["val"] == earlier["splits"]["val"]
    assert own["splits"]["test"] != earlier["splits"]["test"]
    moved = weights(spec), weights(later)
    assert any(not np.array_equal(moved[0][name], value) for name, value in moved[1].items())


def test_it_is_trained_on_training_and_validation_images(
    dataset: Dataset, make_spec: Callable[..., TrialSpec], monkeypatch: pytest.MonkeyPatch
):
    spec, seen = finished(make_spec(dataset, number_of_epochs=6)), []
    train_epoch = Loop.train_epoch

    def recorded(self: Loop, epoch: int, rows: np.ndarray, *others: Any) -> Any:
        seen.append(rows)
        return train_epoch(self, epoch, rows, *others)

    monkeypatch.setattr(Loop, "train_epoch", recorded)
    refit(again(spec), RecordingReporter())
    assert seen
    for rows in seen:
        assert rows.tolist() == np.flatnonzero(dataset.splits != "test").tolist()


def test_a_head_is_fitted_again_and_an_average_of_both_is_made_again(
    dataset: Dataset, make_spec: Callable[..., TrialSpec], tmp_path: Path
):
    whole = finished(make_spec(dataset, number_of_epochs=3, folder=str(tmp_path / "0")))
    head = finished(make_spec(dataset, linear_probe=True, pretrained=True, folder=str(tmp_path / "1")).model_copy(
        update={"model_name": "efficientnet_lite0", "head_only": True}
    ))  # fmt: skip
    later = again(head)
    assert refit(later, RecordingReporter()).refit_epochs == 0
    before, after = weights(head), weights(later)
    changed = {name for name, value in after.items() if not np.array_equal(before[name], value)}
    assert changed == {"classifier.weight", "classifier.bias"}
    average = whole.model_copy(
        update={"folder": str(tmp_path / "2"), "members": (whole.folder, head.folder), "shares": (0.6, 0.4)}
    )
    combine(average, RecordingReporter())
    write_json(Path(average.folder) / "spec.json", average.model_dump())
    result = refit(again(average), RecordingReporter())
    assert result.score == read_json(Path(average.folder) / "result.json")["score"]
    assert result.refit_epochs == 1.0
    np.testing.assert_array_equal(logits(again(average), "val"), logits(average, "val"))
    assert not np.array_equal(logits(again(average), "test"), logits(average, "test"))


class Short(RecordingReporter):
    """Says that memory does not suffice after the first step."""

    def progress(self, phase: str, done: int, total: int, **figures: float) -> None:
        super().progress(phase, done, total, **figures)
        if phase.startswith("epoch") and self.steps == 1:
            raise RuntimeError("out of memory")


def test_where_memory_is_short_it_begins_again_with_smaller_batches(
    dataset: Dataset, make_spec: Callable[..., TrialSpec]
):
    spec, reporter = finished(make_spec(dataset, number_of_epochs=3)), Short()
    result = refit(again(spec), reporter)
    assert any("out of memory: batches of 4 from now on" in text for text in reporter.messages)
    assert (result.refit_epochs, result.batch_size, result.stopped) == (1.0, 8, None)
    assert not (Path(again(spec).folder) / "checkpoint.pt").exists()


def test_it_ends_in_time_and_says_how_much_was_trained(dataset: Dataset, make_spec: Callable[..., TrialSpec]):
    spec, reporter = finished(make_spec(dataset, number_of_epochs=6)), RecordingReporter(stop_after=1)
    result = read_json(Path(spec.folder) / "result.json")
    write_json(Path(spec.folder) / "result.json", {**result, "best_epoch": 9, "score": 0.0})
    result = refit(again(spec), reporter)
    images = int((dataset.splits != "test").sum())
    assert (reporter.steps, result.refit_epochs, result.epochs) == (1, pytest.approx(8 / images), 1)
    assert result.stopped == "asked to"


def test_time_is_kept_for_a_validation_and_the_last_predictions(dataset: Dataset, make_spec: Callable[..., TrialSpec]):
    with open_trial(again(finished(make_spec(dataset, number_of_epochs=1)), budget_seconds=600), Reporter()) as trial:
        trial.refit(1.0, 0.0)
    pace = trial.pace
    assert pace.validation_seconds > 0
    predictions = 1 + pace.final_slowness * pace.final_images / pace.validation_images
    assert pace.final_seconds == pytest.approx(3.0 + predictions * pace.validation_seconds)


def test_the_members_of_an_average_share_the_time(
    dataset: Dataset, make_spec: Callable[..., TrialSpec], tmp_path: Path
):
    members = []
    for name, seconds in (("slow", 50.0), ("quick", 5.0)):
        member = finished(make_spec(dataset, number_of_epochs=1, folder=str(tmp_path / name)))
        result = Path(member.folder) / "result.json"
        write_json(result, {**read_json(result), "best_epoch": 1, "score": 0.0, "seconds": seconds})
        members.append(member.folder)
    average = make_spec(dataset, folder=str(tmp_path / "average"), members=tuple(members), shares=(0.5, 0.5))
    combine(average, RecordingReporter())
    result = Path(average.folder) / "result.json"
    write_json(result, {**read_json(result), "final_seconds": 200.0})
    assert refit(again(average, budget_seconds=600.0), RecordingReporter()).refit_epochs == 1.0
    folders = [Path(again(average).folder) / "members" / name for name in ("0", "1")]
    slow, quick = (read_json(folder / "spec.json")["budget_seconds"] for folder in folders)
    used = read_json(folders[1] / "result.json")["seconds"]
    assert 190 < quick <= 200
    assert 300 < slow <= 400 - used
    with pytest.raises(TrialError, match="no time is left"):
        refit(again(average, budget_seconds=150.0), RecordingReporter())


def test_what_cannot_be_trained_further_is_refused(dataset: Dataset, make_spec: Callable[..., TrialSpec]):
    spec = finished(make_spec(dataset, number_of_epochs=3))
    with pytest.raises(TrialError, match="no time is left"):
        refit(again(spec, budget_seconds=0.01), RecordingReporter())
    result = Path(spec.folder) / "result.json"
    values = read_json(result)
    write_json(result, {**values, "score": 2.0})
    with pytest.raises(TrialError, match=r"was 2\.0000 before"):
        refit(again(spec), RecordingReporter())
    assert not (Path(again(spec).folder) / "result.json").exists()
    write_json(result, {**values, "best_epoch": 0})
    with pytest.raises(TrialError, match="does not come from a probe"):
        refit(again(spec), RecordingReporter())
    result.unlink()
    with pytest.raises(TrialError, match="not a finished trial"):
        refit(again(spec), RecordingReporter())


def test_a_run_ends_with_it_once(dataset: Dataset, tmp_path: Path):
    dataset.save(tmp_path / "split.parquet")
    config = small_config(tmp_path / "split.parquet", epochs=6).model_copy(update={"refit_full": True})
    run = work_here(Experiment(Workspace(tmp_path / "workspace"), "refit"), config)
    said = "\n".join(message.text for message in run.folder.events.messages())
    assert "trained on the 7 validation images too" in said
    assert run.get_status() == "Completed"
    assert "trained on the 7 validation images too" in run.folder.record().model_notes[0]
    model = Predictor(run.folder.model)
    assert model.description.provenance["refit_epochs"] >= 1
    assert model.description.provenance["trial"] == 0
    assert "trained on the validation images too" in (run.folder.model / "card.md").read_text()
    first = run.get_children()[0].folder
    assert model.description.metrics["val"] == read_json(first.path / "metrics.json")["splits"]["val"]
    assert model.description.metrics["test"] != read_json(first.path / "metrics.json")["splits"]["test"]
    own, speed = model.description.metrics["test"]["metrics"], first.speed()
    assert mlflow_metrics(run, "run", "final_test_") == pytest.approx(own)
    assert mlflow_metrics(run, "trial 0", "final_test_") == pytest.approx(run.get_metrics()["test"])
    assert own != pytest.approx(run.get_metrics()["test"])
    assert speed is not None and speed.batches[1].median_ms == model.description.latency["1 thread"]["median_ms"]
    assert "latency and size: measured" not in said  # the packaged network is the only one
    made = (run.folder.path / "refit" / "0" / "result.json").stat().st_mtime_ns
    resume_here(run)
    assert (run.folder.path / "refit" / "0" / "result.json").stat().st_mtime_ns == made
    assert mlflow_metrics(run, "run", "final_test_") == pytest.approx(own)


def mlflow_metrics(run: Run, key: str, start: str) -> dict[str, float]:
    """Metrics of a run or a trial in MLflow whose names have a start, without it and without ends of intervals."""
    from mlflow.tracking import MlflowClient

    found = MlflowClient(run.workspace.tracking_uri).get_run(run.get_details()["mlflow"][key]).data.metrics
    ends = ("_low", "_high")
    return {
        name.removeprefix(start): found[name] for name in found if name.startswith(start) and not name.endswith(ends)
    }


def test_a_run_without_time_for_it_says_so(dataset: Dataset, tmp_path: Path):
    dataset.save(tmp_path / "split.parquet")
    changes = {"refit_full": True, "experiment_timeout_hours": 10 / 3600}  # packaging alone keeps 15 s
    config = small_config(tmp_path / "split.parquet", epochs=1).model_copy(update=changes)
    run = work_here(Experiment(Workspace(tmp_path / "workspace"), "refit"), config)
    said = "trial 0 was not trained on the validation images too: no time is left for it"
    assert run.folder.record().model_notes == [said]
    assert not (run.folder.path / "refit").exists()


def test_a_detector_is_trained_on_them_too(detector_spec: Callable[..., TrialSpec], boxes: Dataset):
    spec = finished(detector_spec(boxes))
    result = Path(spec.folder) / "result.json"
    write_json(result, {**read_json(result), "best_epoch": 2, "score": 0.0})
    later = again(spec)
    assert refit(later, RecordingReporter()).refit_epochs == 1.0
    before, after = (Predictions.load(Path(each.folder) / PREDICTIONS_FILE) for each in (spec, later))
    assert after.of_split("val").table.to_pylist() == before.of_split("val").table.to_pylist()
    assert "refit" in after.splits

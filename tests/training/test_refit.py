"""A finished network is trained on the validation images too, and what is reported of these stays from before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_vision import Dataset, Experiment, Predictor, Workspace
from automl_vision.core.errors import TrialError
from automl_vision.core.files import read_json, write_json
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.models.networks import load_model
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.combination import combine
from automl_vision.training.loop import Loop
from automl_vision.training.refit import refit
from automl_vision.training.trial import train
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
    np.testing.assert_array_equal(logits(again(average), "val"), logits(average, "val"))
    assert not np.array_equal(logits(again(average), "test"), logits(average, "test"))


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
    made = (run.folder.path / "refit" / "0" / "result.json").stat().st_mtime_ns
    resume_here(run)
    assert (run.folder.path / "refit" / "0" / "result.json").stat().st_mtime_ns == made


def test_a_detector_is_trained_on_them_too(detector_spec: Callable[..., TrialSpec], boxes: Dataset):
    spec = finished(detector_spec(boxes))
    result = Path(spec.folder) / "result.json"
    write_json(result, {**read_json(result), "best_epoch": 2, "score": 0.0})
    later = again(spec)
    assert refit(later, RecordingReporter()).refit_epochs == 1.0
    before, after = (Predictions.load(Path(each.folder) / PREDICTIONS_FILE) for each in (spec, later))
    assert after.of_split("val").table.to_pylist() == before.of_split("val").table.to_pylist()
    assert "refit" in after.splits

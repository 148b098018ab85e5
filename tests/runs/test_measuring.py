"""Measuring the exported networks of a run's trials: real trials, real exports."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from automl_vision import Dataset, Run, Workspace
from automl_vision.compute.compute import Job
from automl_vision.core.errors import AutoMLVisionError, WorkspaceError
from automl_vision.core.files import read_json
from automl_vision.core.late import load
from automl_vision.core.records import SPEED_FILE, Message, Speed, TrialStatus
from automl_vision.packaging.package import package
from automl_vision.runs.budget import Budget, measuring_seconds
from automl_vision.runs.measuring import measure_now, measure_trials
from automl_vision.serving.speed import measure_latency
from automl_vision.training.trial import train
from automl_vision.workspace.run_folder import RunFolder
from conftest import RecordingReporter, draw_shapes, small_trial


class InThisProcess:
    """Runs jobs here, and keeps which trials they were for."""

    def __init__(self) -> None:
        self.measured: list[int] = []

    def __call__(self, job: Job, *, seconds: float) -> str | None:
        assert seconds > 0
        self.measured.append(int(Path(job.arguments["trial"]).name))
        try:
            load(job.function)(**job.arguments)
        except AutoMLVisionError as error:
            return str(error)
        return None


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, shapes: Dataset) -> Workspace:
    """A run of three trials: two of the same network, and one with a larger input."""
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    folder = RunFolder(workspace.path / "runs" / "sizes-1")
    folder.create({"task": "image-classification", "primary_metric": "accuracy"})
    trials = folder.path / "trials"
    trials.mkdir()
    larger = {"validation_resize_size": 64, "validation_crop_size": 64}
    for number, changes in enumerate([{"learning_rate": 0.01}, {"learning_rate": 0.02, "drop_rate": 0.3}, larger]):
        spec = small_trial(trials, shapes, str(number), number_of_epochs=1, **changes)
        train(spec, RecordingReporter())
        trial = folder.trial(number)
        trial.write_plan({"model_name": spec.model_name})
        trial.write_spec(spec.model_dump(mode="json"))
        trial.update(status=TrialStatus.COMPLETED)
    return workspace


@pytest.fixture(scope="module")
def packaged(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Speed]:
    """The model folder of trial 0, and what was measured of it."""
    trial = RunFolder(trained.path / "runs" / "sizes-1").trial(0)
    model = package(trial.path, tmp_path_factory.mktemp("packaged") / "model")
    speed = trial.speed()
    assert speed is not None
    (trial.path / SPEED_FILE).unlink()
    return model, speed


@pytest.fixture
def folder(trained: Workspace) -> Iterator[RunFolder]:
    """The run, of which nothing is measured."""
    folder = RunFolder(trained.path / "runs" / "sizes-1")
    yield folder
    for trial in folder.trials():
        (trial.path / SPEED_FILE).unlink(missing_ok=True)


def messages(folder: RunFolder) -> list[str]:
    return [event.text for event in folder.events.read()[0] if isinstance(event, Message)]


def test_each_network_is_measured_once_and_nothing_twice(folder: RunFolder):
    interrupted = folder.path / "measuring" / "model"
    interrupted.mkdir(parents=True)
    (interrupted / "left.onnx").write_bytes(b"half an export")
    finish = InThisProcess()
    measure_trials(folder, finish)
    assert len(finish.measured) == 2
    first, second, larger = (folder.trial(number).speed() for number in range(3))
    original = next(number for number in (0, 1) if number in finish.measured)
    assert (first.measured_of, second.measured_of) == ((None, 0) if original == 0 else (1, None))
    assert first.batches == second.batches
    assert first.bytes == second.bytes > 100_000
    assert larger.measured_of is None
    assert larger.image_ms(1) > first.image_ms(1)  # four times the pixels
    for speed in (first, larger):
        assert (speed.runtime, speed.threads, sorted(speed.batches)) == ("onnx", 1, [1, 8])
        assert all(0 < each.median_ms <= each.p95_ms and each.repetitions >= 5 for each in speed.batches.values())
        assert speed.cpu
        assert speed.cores >= 1
    assert not interrupted.exists()
    assert messages(folder)[-1] == "latency and size: measured 3 of 3 more trials"
    (folder.trial(2).path / SPEED_FILE).unlink()  # killed before this one
    measure_trials(folder, finish)
    assert finish.measured[2:] == [2]
    before = len(messages(folder))
    measure_trials(folder, finish)
    assert (len(finish.measured), len(messages(folder))) == (3, before)


def test_what_time_does_not_suffice_for_is_named(folder: RunFolder):
    measure_trials(folder, InThisProcess(), seconds=0.0)
    assert [trial.speed() for trial in folder.trials()] == [None, None, None]
    assert messages(folder)[-1].startswith("latency and size: measured 0 of 3 more trials; no time was left for: ")
    assert messages(folder)[-1].endswith("measure them with: automl-vision leaderboard sizes-1 --measure")


def test_a_trial_that_cannot_be_exported_tells_why_and_ends_nothing(folder: RunFolder, packaged: tuple[Path, Speed]):
    packaged[1].save(folder.trial(0).path)
    weights = folder.trial(2).path / "weights.safetensors"
    hidden = weights.rename(weights.with_suffix(".hidden"))
    try:
        measure_trials(folder, InThisProcess())
    finally:
        hidden.rename(weights)
    assert "weights" in folder.trial(2).speed().problem
    assert folder.trial(1).speed().measured_of == 0
    assert "measured 1 of 2 more trials; trial 2 cannot be measured: " in messages(folder)[-1]
    finish = InThisProcess()
    measure_trials(folder, finish)
    assert finish.measured == []  # a run that goes on does not try it again


def test_a_run_is_measured_later_also_what_could_not_be(
    trained: Workspace, folder: RunFolder, packaged: tuple[Path, Speed]
):
    packaged[1].save(folder.trial(0).path)
    Speed(problem="the disk was full").save(folder.trial(2).path)
    with folder.lock.hold(), pytest.raises(WorkspaceError, match="another process"):
        measure_now(folder)
    board = Run(trained, folder.id).measure()
    assert all(row.latency_ms is not None and row.not_measurable is None for row in board)
    assert [folder.trial(number).speed().measured_of for number in range(3)] == [None, 0, None]


def test_the_packaged_model_is_the_measured_export(packaged: tuple[Path, Speed]):
    model, speed = packaged
    latency = read_json(model / "model.json")["latency"]
    assert speed.bytes == (model / "model.onnx").stat().st_size
    assert latency["1 thread"] == {"median_ms": speed.batches[1].median_ms, "p95_ms": speed.batches[1].p95_ms}
    assert latency["all threads"]["median_ms"] > 0


def test_a_batch_larger_than_the_images_repeats_them(packaged: tuple[Path, Speed]):
    images = [np.asarray(draw_shapes(("circle",), seed)) for seed in range(3)]
    found = measure_latency(packaged[0], images, batches=(1, 4), seconds=0.1)
    assert list(found) == [1, 4]
    assert found[4].median_ms > found[1].median_ms
    with pytest.raises(ValueError, match="there is none"):
        measure_latency(packaged[0], [])


@pytest.mark.parametrize(
    ("total", "spent", "reserved", "seconds"),
    [
        (100.0, 10.0, 5.0, 30.0),  # half a minute at least
        (36_000.0, 6_000.0, 120.0, 600.0),  # a tenth of the work
        (100.0, 95.0, 5.0, 5.0),  # never more than is left
        (100.0, 120.0, 5.0, 0.0),
    ],
)
def test_measuring_keeps_to_a_share_of_the_time(total: float, spent: float, reserved: float, seconds: float):
    budget = Budget(total, spent, packaging=12.0, measuring=measuring_seconds(total))
    assert math.isclose(budget.measuring, reserved)
    assert budget.seconds_for_measuring == pytest.approx(seconds, abs=0.1)
    assert budget.seconds_for_trials == pytest.approx(total - spent - 12.0 - reserved, abs=0.1)

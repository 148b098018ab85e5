"""Several processes train one trial: they end where one process with the same batches ends, and they end together."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automl_vision import AutoMLVisionConfig, Experiment, Workspace
from automl_vision.compute.compute import Job
from automl_vision.compute.local import LocalCompute, LocalJob
from automl_vision.core.event_log import EventLog
from automl_vision.core.files import read_json
from automl_vision.core.records import Message
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.transforms import mix
from automl_vision.training.checkpoint import BEST_WEIGHTS, load_checkpoint, load_weights
from automl_vision.training.distributed import open_processes, shard
from conftest import RecordingReporter
from processes import finish, is_alive, start_trial, wait_for
from runs_here import work_here

MakeSpec = Callable[..., TrialSpec]

# group norm, for which it makes no difference how a batch is divided; every random change of images is on
MIXED = {
    "model_name": "test_efficientnet_gn", "number_of_epochs": 3, "training_batch_size": 7, "learning_rate": 0.05,
    "augmentation": "trivial_augment", "random_crop_scale": 0.5, "mixup_alpha": 0.2, "cutmix_alpha": 1.0,
    "grad_accumulation_step": 2, "early_stopping": False,
}  # fmt: skip


def run(compute: LocalCompute, spec: TrialSpec) -> dict[str, Any]:
    """The trial's result, in processes of their own."""
    failure = finish(compute, start_trial(compute, spec))
    assert failure is None, failure
    result: dict[str, Any] = read_json(Path(spec.folder) / "result.json")
    return result


def messages(spec: TrialSpec) -> list[str]:
    events, _ = EventLog(Path(spec.folder)).read()
    return [event.text for event in events if isinstance(event, Message)]


def ranks_of(job: LocalJob) -> list[int]:
    pid = job._process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("images", [1, 2, 7, 32])
def test_shards_are_a_partition_of_nearly_equal_parts(images: int, count: int, paired: bool):
    shards = [shard(range(images), index, count, paired=paired) for index in range(count)]
    assert sorted(row for part in shards for row in part) == list(range(images))
    assert max(map(len, shards)) - min(map(len, shards)) <= (2 if paired else 1)
    assert all(part == sorted(part) for part in shards)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(
    ("images", "count", "sizes"), [(1, 2, [1, 0]), (3, 2, [3, 0]), (5, 2, [3, 2]), (7, 4, [3, 2, 2, 0])]
)
def test_a_process_that_sees_images_sees_at_least_two(images: int, count: int, sizes: list[int], paired: bool):
    shards = [shard(range(images), index, count, paired=paired, least=2) for index in range(count)]
    assert [len(part) for part in shards] == sizes
    assert sorted(row for part in shards for row in part) == list(range(images))


@pytest.mark.parametrize("images", [2, 5, 6])
def test_mixing_paired_shards_is_mixing_the_batch(images: int):
    pictures = torch.randint(0, 256, (images, 3, 8, 8), dtype=torch.uint8)
    targets = torch.eye(images)

    def mixed(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return mix(pictures[rows], targets[rows], mixup_alpha=0.5, cutmix_alpha=0.5, random=np.random.default_rng(3))

    whole, whole_targets = mixed(list(range(images)))
    for index in range(2):
        rows = shard(range(images), index, 2, paired=True)
        part, part_targets = mixed(rows) if rows else (whole[:0], whole_targets[:0])
        assert torch.equal(part, whole[rows])
        assert torch.equal(part_targets, whole_targets[rows])


def test_two_processes_give_the_metrics_of_one(compute: LocalCompute, shapes: Dataset, make_spec: MakeSpec):
    one, two = (make_spec(shapes, f"{count}", processes=count, **MIXED) for count in (1, 2))
    results = [run(compute, spec) for spec in (one, two)]
    assert [result["processes"] for result in results] == [1, 2]
    assert "Warning" not in (Path(two.folder) / "log.txt").read_text()
    assert [result["batch_size"] for result in results] == [14, 14]
    assert results[0]["best_epoch"] == results[1]["best_epoch"]
    states = [load_checkpoint(Path(spec.folder)) for spec in (one, two)]
    for first, second in zip(*(state.record["evaluations"] for state in states if state), strict=True):
        assert first["epoch"] == second["epoch"]
        assert first["metrics"] == pytest.approx(second["metrics"], abs=1e-4)
        assert first["validation_loss"] == pytest.approx(second["validation_loss"], rel=1e-4)
        assert not first["epoch"] or first["train_loss"] == pytest.approx(second["train_loss"], rel=1e-4)
    weights = [load_weights(Path(spec.folder) / BEST_WEIGHTS) for spec in (one, two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-4, rtol=1e-3)
    outputs = [Predictions.load(Path(spec.folder) / PREDICTIONS_FILE).logits for spec in (one, two)]
    np.testing.assert_allclose(*outputs, atol=1e-3)


def test_a_killed_process_ends_the_trial_which_then_resumes_to_the_same_end(
    compute: LocalCompute, shapes: Dataset, make_spec: MakeSpec
):
    settings = {**MIXED, "processes": 2, "number_of_epochs": 6}
    undisturbed, killed = make_spec(shapes, "undisturbed", **settings), make_spec(shapes, "killed", **settings)
    job = start_trial(compute, killed)
    wait_for(lambda: (state := load_checkpoint(Path(killed.folder))) and len(state.record["evaluations"]) > 1)
    ranks = ranks_of(job)
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    failure = finish(compute, job)
    assert failure is not None
    assert "process 1 of the trial was ended by SIGKILL" in failure.reason
    assert not any(map(is_alive, ranks))
    run(compute, killed)
    run(compute, undisturbed)
    first, second = (read_json(Path(spec.folder) / "metrics.json") for spec in (undisturbed, killed))
    assert first == second


def test_cancel_leaves_no_process(compute: LocalCompute, shapes: Dataset, make_spec: MakeSpec):
    spec = make_spec(shapes, **{**MIXED, "processes": 2, "number_of_epochs": 10_000})
    job = start_trial(compute, spec)
    wait_for(lambda: load_checkpoint(Path(spec.folder)))
    ranks = ranks_of(job)
    assert len(ranks) == 2
    job.cancel()
    wait_for(lambda: not any(map(is_alive, [job._process.pid or 0, *ranks])), 10)


def test_all_processes_stop_early_together(compute: LocalCompute, shapes: Dataset, make_spec: MakeSpec):
    stopping = {"learning_rate": 0.0, "early_stopping": True, "early_stopping_patience": 1, "early_stopping_delay": 0}
    result = run(compute, make_spec(shapes, **{**MIXED, "processes": 2, "number_of_epochs": 10_000, **stopping}))
    assert (result["epochs"], result["stopped"]) == (3, "no gain over 1 evaluations")  # the last of them cools down


def test_all_processes_keep_the_budget(compute: LocalCompute, shapes: Dataset, make_spec: MakeSpec):
    spec = make_spec(shapes, **{**MIXED, "processes": 2, "number_of_epochs": 10_000, "budget_seconds": 4.0})
    result = run(compute, spec)
    assert result["epochs"] < 10_000
    assert result["stopped"] is None or "time budget" in result["stopped"]
    assert any("of 10000 epochs fit" in text for text in messages(spec))


def test_a_stop_request_reaches_all_processes(compute: LocalCompute, shapes: Dataset, make_spec: MakeSpec):
    spec = make_spec(shapes, **{**MIXED, "processes": 2, "number_of_epochs": 10_000})
    job = start_trial(compute, spec)
    wait_for(lambda: load_checkpoint(Path(spec.folder)))
    (Path(spec.folder) / "stop").write_text("the user said so")
    assert finish(compute, job) is None
    assert read_json(Path(spec.folder) / "result.json")["stopped"] == "the user said so"


@pytest.mark.parametrize(("processes", "batch"), [(3, 2), (2, 5)])
def test_norms_move_though_some_processes_see_no_images(
    compute: LocalCompute, shapes: Dataset, make_spec: MakeSpec, processes: int, batch: int
):
    spec = make_spec(shapes, processes=processes, training_batch_size=batch, number_of_epochs=1, cutmix_alpha=1.0)
    assert run(compute, spec)["processes"] == processes
    state = load_checkpoint(Path(spec.folder))
    assert state is not None
    assert all(torch.isfinite(value).all() for value in state.model.values())
    statistics = state.model["network.bn1.running_mean"]
    assert not torch.equal(statistics, torch.zeros_like(statistics))


def test_a_mistake_in_one_process_is_told_once(compute: LocalCompute, shapes: Dataset, make_spec: MakeSpec):
    job = start_trial(compute, make_spec(shapes, processes=2, fingerprint="another"))
    failure = finish(compute, job)
    assert failure is not None
    assert "changed since the trial was planned" in failure.reason


def test_a_run_asks_for_processes(shapes_folder: Path, tmp_path: Path):
    small = {"training_crop_size": 32, "validation_resize_size": 32, "validation_crop_size": 32, "precision": "fp32"}
    config = AutoMLVisionConfig(
        task="image-classification",
        training_data=shapes_folder,
        model_name="test_efficientnet_gn",
        processes_per_trial=2,
        arguments={**small, "pretrained": False, "number_of_epochs": 1},
    )
    run = work_here(Experiment(Workspace(tmp_path), "processes"), config)
    assert run.wait_for_completion()["status"] == "Completed"
    result = run.get_best_child().folder.result()
    assert result is not None
    assert result.processes == 2


def test_a_process_that_stands_alone_says_so(shapes: Dataset, make_spec: MakeSpec):
    from automl_vision.training.trial import train

    reporter = RecordingReporter()
    result = train(make_spec(shapes, processes=2, number_of_epochs=1), reporter)
    assert result.processes == 1
    assert "1 process trains what was planned for 2" in reporter.messages


def test_as_many_gpus_as_processes_are_asked_for(monkeypatch: pytest.MonkeyPatch):
    from automl_vision.core.errors import TrialError

    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrialError, match="needs a GPU of its own"), open_processes(2, "cuda", 0):
        pass
    with pytest.raises(TrialError, match="asks for 3 processes and 2 were started"), open_processes(3, "cpu", 0):
        pass


def work_alone() -> None:
    """A job's function, whose process has loaded what trials need before it starts."""
    assert "automl_vision.training.trial" in sys.modules
    with open_processes(1, "cpu", 1) as alone:
        assert alone.count == 1
        assert alone.is_main
    assert "accelerate" not in sys.modules


def test_one_process_loads_nothing_of_accelerate(compute: LocalCompute, tmp_path: Path):
    assert finish(compute, compute.submit(Job("test_distributed:work_alone", {}, tmp_path))) is None

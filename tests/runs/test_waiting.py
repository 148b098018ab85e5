"""Runs on one machine work one after another, in the order of submission, whatever happens to those before them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from automl_vision import AutoMLVisionConfig, Experiment, Run, Workspace
from automl_vision.compute.turns import Ticket, WaitingLine
from automl_vision.core.errors import ComputeError, WorkspaceError
from automl_vision.core.records import PlaceInLine
from automl_vision.runs.waiting import draw_ticket
from automl_vision.workspace.run_folder import RunFolder
from command_line import run_command
from conftest import SMALL_MODEL, write_shape_folders
from processes import is_alive, wait_for

LONG = {"number_of_epochs": 100_000, "early_stopping": False}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_shape_folders(tmp_path / "data")


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Experiment]:
    """An experiment on a machine of its own; whatever still runs at the end is killed."""
    monkeypatch.setenv("AUTOML_VISION_QUEUE", str(tmp_path / "queue"))
    found = Experiment(Workspace(tmp_path / "ws"), "e")
    yield found
    for run in found.runs():
        if run.folder.is_active() and (pid := run.folder.record().pid):
            os.kill(pid, signal.SIGKILL)


def config(data: Path, **arguments: object) -> AutoMLVisionConfig:
    return AutoMLVisionConfig(
        task="image-classification",
        training_data=str(data),
        model_name=SMALL_MODEL,
        arguments={"number_of_epochs": 1, "pretrained": False, "validation_crop_size": 32,
                   "validation_resize_size": 32, "training_crop_size": 32, "linear_probe": False, **arguments},
    )  # fmt: skip


def kill(run: Run) -> None:
    pid = run.folder.record().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(pid))


def kill_when_it_works(run: Run) -> float:
    """End a run whose turn has come, and return when; its trials are no subject here."""
    wait_for(lambda: run.get_status() == "Running")
    now = time.time()
    kill(run)
    return now


@pytest.fixture
def first(experiment: Experiment) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has its turn until it is killed, as one that works on a run."""
    ticket = WaitingLine().draw("first", experiment.workspace.path)
    with subprocess.Popen(["sleep", "600"], pass_fds=[ticket.descriptor]) as process:
        ticket.close()
        yield process
        process.kill()


def test_a_waiting_run_is_canceled_or_killed_without_being_missed(
    experiment: Experiment, data: Path, first: subprocess.Popen[bytes]
):
    """The others start one after another, each when the one before it is killed."""
    runs = [experiment.submit(config(data, **LONG)) for _ in range(3)]
    wait_for(lambda: all(run.get_status() == "Queued" for run in runs))
    canceled, killed, last = runs
    record = last.folder.record()
    assert record.in_line == PlaceInLine(place=3, run="first", workspace=str(experiment.workspace.path))
    assert (record.seconds, record.started) == (0.0, None)
    assert [h.run for h in WaitingLine().holders()] == ["first", *(run.id for run in runs)]
    canceled.cancel()
    assert (canceled.get_status(), canceled.folder.record().reason) == ("Canceled", "canceled by the user")
    kill(killed)
    wait_for(lambda: killed.get_status() == "Interrupted")
    assert killed.folder.record().reason is None
    wait_for(lambda: last.folder.record().reason == "waits for first")
    canceled.resume()  # to the end of the line
    wait_for(lambda: canceled.folder.record().reason == "waits for first; 1 more run is before it")
    first.kill()
    wait_for(lambda: canceled.folder.record().reason == f"waits for {last.id}")
    ended = kill_when_it_works(last)
    kill_when_it_works(canceled)
    wait_for(lambda: all(run.get_status() == "Interrupted" for run in runs))
    done, later = last.folder.record(), canceled.folder.record()
    assert done.in_line is None and done.started is not None
    assert later.started is not None and later.started >= ended
    wait_for(lambda: not WaitingLine().holders())


def test_a_run_whose_process_inherits_nothing_takes_its_lock_and_draws_its_ticket(
    experiment: Experiment, data: Path, first: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
):
    """As on a system without fork."""
    monkeypatch.setenv("AUTOML_VISION_START_METHOD", "spawn")
    run = experiment.submit(config(data, **LONG))
    assert run.folder.is_active()
    wait_for(lambda: run.get_status() == "Queued")
    assert [h.run for h in WaitingLine().holders()] == ["first", run.id]
    with pytest.raises(WorkspaceError, match="is already running in another process"):
        run.resume()
    kill(run)
    assert run.get_status() == "Interrupted"
    assert [h.run for h in WaitingLine().holders()] == ["first"]


def test_a_run_that_does_not_queue_starts_beside_the_others(
    experiment: Experiment, data: Path, first: subprocess.Popen[bytes]
):
    beside = experiment.submit(config(data, **LONG), queue=False)
    kill_when_it_works(beside)
    assert [h.run for h in WaitingLine().holders()][:1] == ["first"]


def test_a_waiting_run_is_scheduled_in_mlflow_and_told_by_the_commands(
    experiment: Experiment, data: Path, first: subprocess.Popen[bytes]
):
    from mlflow.tracking import MlflowClient

    run = experiment.submit(config(data, **LONG))
    wait_for(lambda: run.get_status() == "Queued" and run.folder.record().mlflow)
    client = MlflowClient(experiment.workspace.tracking_uri)
    entry = run.folder.record().mlflow["run"]
    wait_for(lambda: client.get_run(entry).info.status == "SCHEDULED")
    place = ["--workspace", str(experiment.workspace.path)]
    assert "Queued (waits for first)" in run_command("runs", *place).stdout
    command = [sys.executable, "-c", "from automl_vision.cli.main import main; main()", "watch", run.id, *place]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    assert watching.stdout.readline().strip() == "queued: waits for first"
    first.kill()
    wait_for(lambda: client.get_run(entry).info.status == "RUNNING")
    run.cancel()
    watching.communicate(timeout=60)
    wait_for(lambda: client.get_run(entry).info.status == "KILLED")


def test_the_folder_of_tickets_must_be_the_users_own(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ComputeError, match="AUTOML_VISION_QUEUE"):
        WaitingLine(tmp_path / "file" / "queue")


def test_tickets_are_numbered_and_freed_with_their_last_holder(tmp_path: Path):
    line = WaitingLine(tmp_path)
    first, second = line.draw("a", tmp_path), line.draw("b", tmp_path)
    holder = subprocess.Popen(["sleep", "60"], pass_fds=[first.descriptor])
    first.close()
    assert [h.run for h in second.ahead()] == ["a"]
    holder.kill()
    holder.wait()
    assert second.ahead() == []
    assert line.draw("c", tmp_path).number == 3
    second.close()


def test_only_runs_on_this_machine_draw_a_ticket(experiment: Experiment):
    def ticket_on(target: str) -> Ticket | None:
        folder = RunFolder(experiment.workspace.runs_path / target.replace(":", "-").replace("/", "-"))
        folder.create({"compute_target": target})
        return draw_ticket(folder)

    for target in ("ray", "ray://host:10001", "ray:host:6379"):
        assert ticket_on(target) is None
    tickets = [ticket_on(target) for target in ("local", "cpu", "cuda")]
    assert [ticket.number for ticket in tickets if ticket is not None] == [1, 2, 3]
    for ticket in tickets:
        assert ticket is not None
        ticket.close()

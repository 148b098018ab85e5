"""What the tracking store and the disk may do to a sweep: wait, be silent, be full; and how the sweep goes on."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from automl_vision import AutoMLVisionConfig, Experiment, GridParameterSampling, Run, Workspace, choice
from automl_vision.compute.compute import Job
from automl_vision.compute.local import LOG_FILE, LocalCompute
from automl_vision.core.errors import RunFailedError, StorageError
from automl_vision.core.event_log import EventLog
from automl_vision.core.files import append_json_line, persistently, read_lines, write_json
from automl_vision.core.records import Message
from automl_vision.workspace.tracking import Tracking, create_sqlite_store, flushed_once
from conftest import SMALL_MODEL
from processes import finish


def make_tracking(uri: str, tmp_path: Path, *, patience: float, known: dict[str, str] | None = None) -> Tracking:
    ids: dict[str, str] = {}
    return Tracking(uri, "e", artifacts=tmp_path / "artifacts", known=known or {}, on_ids=ids.update, patience=patience)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def histories(uri: str) -> dict[str, list[float]]:
    """The values of the metric of each run, by name."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    return {r.info.run_name: [m.value for m in client.get_metric_history(r.info.run_id, "accuracy")] for r in runs}


def test_a_silent_server_is_given_up_after_the_patience(tmp_path: Path):
    tracking = make_tracking(f"http://user:secret@127.0.0.1:{free_port()}", tmp_path, patience=2)
    confirmed: list[bool] = []
    tracking.start("run", name="r")
    tracking.confirm(lambda: confirmed.append(True))
    tracking.flush()
    assert tracking.problem is not None
    assert "could not be written for 2 s" in tracking.problem
    assert "secret@" not in tracking.problem
    assert not confirmed
    tracking.close()


def test_a_locked_sqlite_file_is_waited_for(tmp_path: Path):
    """Another process holds the file's lock for longer than SQLite itself waits, which is a second here."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}?timeout=1"
    tracking = make_tracking(uri, tmp_path, patience=60)
    tracking.start("run", name="r")
    tracking.flush()
    code = (
        "import sqlite3, sys, time\n"
        f"db = sqlite3.connect({str(tmp_path / 'mlflow.db')!r}, isolation_level=None)\n"
        "db.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        "time.sleep(3)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite3.connect(tmp_path / "mlflow.db", timeout=0).execute("BEGIN EXCLUSIVE")
    for step in range(3):
        tracking.metrics("run", {"accuracy": step / 2}, step=step, when=time.time())
    tracking.flush()
    assert tracking.problem is None
    tracking.close()
    holder.wait()
    holder.stdout.close()
    assert histories(uri) == {"r": [0.0, 0.5, 1.0]}


CREATE = """
import sys
from pathlib import Path
from automl_vision.workspace.tracking import create_sqlite_store
create_sqlite_store(Path(sys.argv[1]))
"""


def test_a_store_that_two_make_at_once_and_one_does_not_finish_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "mlflow.db"
    monkeypatch.setenv("AUTOML_VISION_CACHE", str(tmp_path / "cache"))  # without an empty store to be copied
    command = [sys.executable, "-c", CREATE, str(file)]
    killed = subprocess.Popen(command)
    end = time.monotonic() + 60
    while not list(tmp_path.glob(".mlflow.db.*")) and time.monotonic() < end:
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not file.exists()
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    tracking = make_tracking(f"sqlite:///{file}", tmp_path, patience=1)
    tracking.start("run", name="r")
    tracking.metrics("run", {"accuracy": 0.5}, step=1, when=1.0)
    tracking.close()
    assert tracking.problem is None
    assert histories(f"sqlite:///{file}") == {"r": [0.5]}


def content(file: Path) -> dict[str, tuple[list[object], list[str]]]:
    """Columns and rows of each table, but for the time at which it was made and its own folder."""
    with closing(sqlite3.connect(file)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = {name: [str(row) for row in db.execute(f'SELECT * FROM "{name}"')] for name in names}
        kept = {
            name: [re.sub(r"\b\d{13}\b", "TIME", row).replace(str(file.parent), "") for row in rows[name]]
            for name in names
        }
        return {name: (list(db.execute(f'PRAGMA table_info("{name}")')), kept[name]) for name in names}


def test_a_copied_store_is_what_mlflow_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.version import VERSION

    (tmp_path / "itself").mkdir()
    store = SqlAlchemyStore(f"sqlite:///{tmp_path / 'itself' / 'mlflow.db'}", str(tmp_path / "itself" / "artifacts"))
    store.engine.dispose()
    made = content(tmp_path / "itself" / "mlflow.db")
    cache = tmp_path / "cache"
    cache.write_text("so no folder can be here")
    monkeypatch.setenv("AUTOML_VISION_CACHE", str(cache))
    create_sqlite_store(tmp_path / "without" / "mlflow.db")
    assert content(tmp_path / "without" / "mlflow.db") == made
    cache.unlink()
    kept = cache / "mlflow" / f"empty-{VERSION}.db"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"damaged" * 1000)
    for name in ("first", "second"):  # the first one repairs what is copied
        create_sqlite_store(tmp_path / name / "mlflow.db")
        assert content(tmp_path / name / "mlflow.db") == made
    assert not content(kept)["experiments"][1]


def test_only_a_store_that_is_being_made_is_not_flushed_at_once(tmp_path: Path):
    made, other = tmp_path / "made.db", tmp_path / "other.db"

    def synchronous(file: Path) -> int:
        engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
        with engine.connect() as connection:
            return int(connection.execute(text("PRAGMA synchronous")).scalar_one())

    normal = synchronous(other)
    with flushed_once(made):
        assert (synchronous(made), synchronous(other)) == (0, normal)
    assert synchronous(made) == normal > 0


def test_a_run_that_a_killed_process_made_is_found_again(tmp_path: Path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    first = make_tracking(uri, tmp_path, patience=5)
    first.start("run", name="r")
    first.start("trial 0", name="r_0", parent="run")
    first.metrics("trial 0", {"accuracy": 0.5}, step=1, when=1.0)
    first.close()
    again = make_tracking(uri, tmp_path, patience=5, known={"run": next(iter(first._ids.values()))})
    again.start("trial 0", name="r_0", parent="run")  # its id was not noted before the kill
    again.metrics("trial 0", {"accuracy": 0.5}, step=1, when=1.0)  # and so it is published again
    again.metrics("trial 0", {"accuracy": 0.7}, step=2, when=2.0)
    again.close()
    assert histories(uri) == {"r": [], "r_0": [0.5, 0.7]}


# --- the disk ---------------------------------------------------------------------------------------------------------


def write_limited(body: str, folder: str) -> None:
    """A job's function: run code that may write only 3,000 bytes into a file."""
    os.environ["AUTOML_VISION_PATIENCE"] = "1"
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    known = {"StorageError": StorageError, "append_json_line": append_json_line, "write_json": write_json}
    exec(textwrap.dedent(body), {**known, "folder": Path(folder)})


def limited(compute: LocalCompute, body: str, folder: Path) -> str:
    """Run code in a process that may write only 3,000 bytes into a file, as on a disk that is full."""
    job = Job("test_tracking:write_limited", {"body": body, "folder": str(folder)}, folder.with_name("job"))
    assert finish(compute, compute.submit(job)) is None
    return (job.folder / LOG_FILE).read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a disk that is full."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def test_a_full_disk_leaves_whole_files(compute: LocalCompute, folder: Path):
    told = limited(
        compute,
        """
        write_json(folder / "state.json", {"old": 1})
        try:
            write_json(folder / "state.json", list(range(5000)))
        except StorageError as error:
            print(error)
        written = 0
        try:
            for written in range(1000):
                append_json_line(folder / "events.jsonl", {"number": written})
        except StorageError as error:
            print(written)
        """,
        folder,
    )
    message, written = told.splitlines()
    assert "no space is left there, or a limit is reached" in message
    assert "automl-vision resume" in message
    assert (folder / "state.json").read_text() == '{\n  "old": 1\n}\n'
    lines, _ = read_lines(folder / "events.jsonl")
    assert [json.loads(line)["number"] for line in lines] == list(range(int(written)))
    assert sorted(file.name for file in folder.iterdir()) == ["events.jsonl", "state.json"]


def test_a_checkpoint_on_a_full_disk_leaves_the_one_before(compute: LocalCompute, folder: Path):
    told = limited(
        compute,
        """
        import torch
        from automl_vision.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, save_weights
        def checkpoint(size):
            return Checkpoint({}, {"a": torch.ones(size)}, None, {}, {}, {}, 0.0, 0.0, 0.0)
        save_checkpoint(folder, checkpoint(10))
        for write in (
            lambda: save_checkpoint(folder, checkpoint(10_000)),
            lambda: save_weights(folder / "w.safetensors", {"a": torch.ones(10_000)}),
        ):
            try:
                write()
            except StorageError:
                print("told")
        print(int(load_checkpoint(folder).model["a"].sum()))
        """,
        folder,
    )
    assert told.split() == ["told", "told", "10"]
    assert [file.name for file in folder.iterdir()] == ["checkpoint.pt"]


def test_a_disk_that_gets_space_again_is_waited_for():
    tries = []

    def write() -> str:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise StorageError("full")
        return "written"

    assert persistently(write) == "written"
    with pytest.raises(OSError, match="denied"):
        persistently(lambda: (_ for _ in ()).throw(OSError(errno.EACCES, "denied")))


def test_half_a_line_from_a_crash_is_skipped(tmp_path: Path):
    log = EventLog(tmp_path)
    log.append(Message(text="1"))
    with log.path.open("ab") as stream:
        stream.write(b'{"event": "mess\n')
    log.append(Message(text="2"))
    assert [event.text for event in log.read()[0] if isinstance(event, Message)] == ["1", "2"]


# --- whole sweeps -----------------------------------------------------------------------------------------------------


def small_sweep(data: Path, **changes: object) -> AutoMLVisionConfig:
    values = {
        "task": "image-classification",
        "training_data": data,
        "model_name": SMALL_MODEL,
        "hyperparameter_sampling": GridParameterSampling({"learning_rate": choice(0.01, 0.05)}),
        "arguments": {
            "pretrained": False,
            "training_crop_size": 32,
            "validation_resize_size": 32,
            "validation_crop_size": 32,
            "precision": "fp32",
            "number_of_epochs": 1,
        },
        "threads": 1,
    }
    return AutoMLVisionConfig(**{**values, **changes})


@pytest.fixture
def server_port() -> int:
    return free_port()


@pytest.fixture
def servers(tmp_path: Path, server_port: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """MLflow servers that a test starts; all are ended after it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for server in started:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def start_server(folder: Path, port: int) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("mlflow")
    command = [
        str(program), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination", str(folder / "served"),
    ]  # fmt: skip
    log = (folder / "server.log").open("ab")
    with log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


@pytest.mark.slow
def test_a_server_that_is_away_for_a_while_gets_everything(
    tmp_path: Path,
    shapes_folder: Path,
    server_port: int,
    servers: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
):
    """The server starts half a minute after the sweep, which ends complete; without it the sweep stops, and resumes."""
    uri = f"http://127.0.0.1:{server_port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("AUTOML_VISION_PATIENCE", "100")
    later = threading.Timer(30, lambda: servers.append(start_server(tmp_path, server_port)))
    later.start()
    run = Experiment(Workspace(tmp_path / "workspace"), "e").submit(small_sweep(shapes_folder))
    run.wait_for_completion()
    assert {name: len(values) for name, values in histories(uri).items()} == {
        run.id: 0, f"{run.id}_0": 2, f"{run.id}_1": 2,
    }  # fmt: skip
    os.killpg(servers[0].pid, signal.SIGKILL)
    servers[0].wait()

    monkeypatch.setenv("AUTOML_VISION_PATIENCE", "5")
    stopped = Experiment(Workspace(tmp_path / "workspace"), "e").submit(small_sweep(shapes_folder))
    with pytest.raises(RunFailedError, match="could not be written for 5 s") as caught:
        stopped.wait_for_completion()
    assert f"automl-vision resume {stopped.id}" in str(caught.value)
    servers.append(start_server(tmp_path, server_port))
    monkeypatch.setenv("AUTOML_VISION_PATIENCE", "100")
    resume_and_compare(stopped, uri)


def resume_and_compare(run: Run, uri: str) -> None:
    run.resume().wait_for_completion()
    assert [row.status for row in run.leaderboard()] == ["Completed"] * 2
    assert {name: len(v) for name, v in histories(uri).items() if name.startswith(f"{run.id}_")} == {
        f"{run.id}_0": 2, f"{run.id}_1": 2,
    }  # fmt: skip


@pytest.mark.slow
def test_a_sweep_on_a_full_disk_stops_and_goes_on(tmp_path: Path, shapes_folder: Path, monkeypatch: pytest.MonkeyPatch):
    """On a real file system of a few megabytes, where the machine lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this process may not mount a file system")
    try:
        monkeypatch.setenv("AUTOML_VISION_PATIENCE", "3")
        config = small_sweep(shapes_folder)
        config = small_sweep(shapes_folder, arguments=config.arguments | {"number_of_epochs": 100, "early_stopping": 0})
        run = Experiment(Workspace(disk / "workspace"), "e").submit(config)
        wait_until(lambda: run.get_children() and len(run.get_children()[0].get_evaluations()) > 2)
        fill(disk)
        wait_until(lambda: run.get_status() in ("Failed", "Interrupted"))
        states = [trial.record().status for trial in run.folder.trials(planned=True)]
        assert states in (["Running"], ["NotStarted"]), (run.get_details(), states)
        (disk / "filler").unlink()
        run.resume().wait_for_completion()
        assert [row.status for row in run.leaderboard()] == ["Completed"] * 2
        for trial in run.get_children():
            assert [e.epoch for e in trial.get_evaluations()] == list(range(101))
        assert run.model_path.exists()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(disk: Path) -> None:
    """Take all space of a small file system."""
    with (disk / "filler").open("wb", buffering=0) as stream:
        for size in (1_000_000, 10_000, 1):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                continue


def wait_until(condition: Callable[[], object], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)

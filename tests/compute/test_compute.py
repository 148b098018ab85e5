"""Jobs in processes of their own: what goes wrong in one reaches nothing else."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_vision.compute.compute import Job
from automl_vision.compute.local import LocalCompute, LocalJob, share_cores
from automl_vision.compute.targets import create_compute, require_target
from automl_vision.core.errors import ComputeError
from automl_vision.core.files import read_json
from automl_vision.core.system import start_method
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.trial_spec import TrialSpec
from processes import PRELOADED, finish, is_alive, start_trial, wait_for

only_forked = pytest.mark.skipif(start_method() == "spawn", reason="processes are not forked here")


def work(behaviour: str, path: str = "") -> None:
    """A job's function for these tests."""
    print("working", flush=True)
    if behaviour == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "collect":
        Path(path).write_text(f"{gc.isenabled()} {gc.get_freeze_count() > 100_000}")
    if behaviour == "sleep":
        child = subprocess.Popen(["sleep", "60"])
        Path(path).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(60)
    if behaviour in ("stubborn", "stubborn child", "left behind"):
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        if behaviour == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path(path).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(0 if behaviour == "left behind" else 60)


def _finished(compute: LocalCompute, behaviour: str, folder: Path) -> LocalJob:
    job = compute.submit(Job("test_compute:work", {"behaviour": behaviour}, folder))
    wait_for(lambda: not job.is_running())
    return job


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("crash", "SIGSEGV, a crash of native code"),
        ("killed", "SIGKILL; the machine may have run out of memory"),
    ],
)
def test_a_failure_names_the_signal_and_its_likely_cause(
    compute: LocalCompute, tmp_path: Path, behaviour: str, reason: str
):
    failure = _finished(compute, behaviour, tmp_path).failure()
    assert failure is not None
    assert reason in failure.reason


@only_forked
def test_a_job_searches_for_garbage_but_not_in_what_was_loaded_before(compute: LocalCompute, tmp_path: Path):
    arguments = {"behaviour": "collect", "path": str(tmp_path / "found")}
    job = compute.submit(Job("test_compute:work", arguments, tmp_path / "job"))
    wait_for(lambda: not job.is_running())
    assert (tmp_path / "found").read_text() == "True True"


@pytest.mark.parametrize(
    ("wanted", "threads", "cores", "expected"),
    [
        (1, 0, 4, [0]),
        (2, 0, 4, [2, 2]),
        (3, 0, 4, [1, 1, 1]),
        (9, 0, 2, [1, 1]),
        (9, 2, 4, [2, 2]),
        (2, 8, 2, [8]),
    ],
)
def test_trials_at_once_share_the_cores(wanted: int, threads: int, cores: int, expected: list[int]):
    assert share_cores(cores, wanted, threads) == expected


def test_slots_are_one_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,GPU-7")
    assert [slot.gpus for slot in LocalCompute(PRELOADED).slots(5)] == [("0",), ("2",), ("GPU-7",)]
    assert [slot.gpus for slot in LocalCompute(PRELOADED).slots(1)] == [()]
    assert LocalCompute(PRELOADED, device="cpu").slots(1)[0].gpus == ()


def test_a_second_process_of_a_job_waits_for_the_first(compute: LocalCompute, tmp_path: Path):
    pids = tmp_path / "pids"
    first = compute.submit(Job("test_compute:work", {"behaviour": "sleep", "path": str(pids)}, tmp_path))
    wait_for(pids.exists)
    second = compute.submit(Job("test_compute:work", {"behaviour": "succeed"}, tmp_path))
    compute.wait([second], 0.5)
    assert second.is_running()
    first.cancel()
    compute.wait([second], 10)
    assert second.failure() is None


@pytest.mark.parametrize("behaviour", ["stubborn", "stubborn child", "left behind"])
def test_nothing_outlives_a_job_whatever_it_ignores(compute: LocalCompute, tmp_path: Path, behaviour: str):
    pids = tmp_path / "pids"
    job = compute.submit(Job("test_compute:work", {"behaviour": behaviour, "path": str(pids)}, tmp_path))
    wait_for(lambda: pids.exists() and pids.read_text())
    if behaviour == "left behind":
        wait_for(lambda: not job.is_running())
    else:
        job.cancel()
    assert not job.is_running()
    wait_for(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()), 10)


def test_what_a_target_lacks_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("local", "cpu"):
        require_target(name)
    with pytest.raises(ComputeError, match='"cuda" needs a GPU, and this machine shows none; choose "local"'):
        require_target("cuda")
    with pytest.raises(ComputeError, match="needs a GPU"):
        create_compute("cuda")


def test_no_orphan_after_the_parent_is_killed(tmp_path: Path):
    pids = tmp_path / "pids"
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from automl_vision.compute.compute import Job\n"
        "from automl_vision.compute.local import LocalCompute\n"
        f"job = Job('test_compute:work', {{'behaviour': 'sleep', 'path': {str(pids)!r}}}, Path({str(tmp_path)!r}))\n"
        "running = LocalCompute().submit(job)\n"
        "time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment)
    wait_for(pids.exists)
    time.sleep(0.1)
    job_and_its_child = [int(pid) for pid in pids.read_text().split()]
    assert all(is_alive(pid) for pid in job_and_its_child)
    parent.kill()
    parent.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in job_and_its_child), 10)


@only_forked
def test_a_fork_server_that_still_imports_ends_with_its_owner(tmp_path: Path):
    (tmp_path / "endless.py").write_text(
        "import importlib.util, os, time\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "while True:\n    time.sleep(0.01)\n    importlib.util.find_spec('no_such_module')\n"
    )
    code = (
        "import sys\nfrom automl_vision.compute.local import LocalCompute\n"
        "LocalCompute(['endless']).warm_up()\nsys.stdin.read()\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    owner = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env=environment)
    try:
        wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        server = int((tmp_path / "pid").read_text())
        assert is_alive(server)
    finally:
        owner.kill()
        owner.communicate()
    wait_for(lambda: not is_alive(server))


def test_a_trial_trains_in_a_process_that_is_not_forked(
    shapes: Dataset, make_spec: Callable[..., TrialSpec], monkeypatch: pytest.MonkeyPatch
):
    """As on a system without fork."""
    monkeypatch.setenv("AUTOML_VISION_START_METHOD", "spawn")
    spec = make_spec(shapes, number_of_epochs=1)
    compute = LocalCompute(PRELOADED)
    assert finish(compute, start_trial(compute, spec)) is None
    assert read_json(Path(spec.folder) / "result.json")["epochs"] == 1


def test_a_way_to_start_that_no_system_has_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AUTOML_VISION_START_METHOD", "fork")
    with pytest.raises(ComputeError, match='is "fork"; on this system it can be forkserver or spawn'):
        LocalCompute(PRELOADED)

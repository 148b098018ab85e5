"""What every compute target has to do, as tests to inherit.

Make a subclass whose name starts with `Test` and override the fixture `target`; jobs must be able to import this module
as `conformance.compute` in their own process, so its parent folder is in `PYTHONPATH` of wherever they run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from automl_vision.compute.compute import Compute, Failure, Job, RunningJob
from automl_vision.core.errors import DataError
from processes import is_alive, wait_for


def work(behaviour: str, path: str = "") -> None:
    """The function of the jobs."""
    print("working", flush=True)
    if behaviour == "raise":
        raise ValueError("a bad value")
    if behaviour == "refuse":
        raise DataError("the data is unusable")
    if behaviour == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "write":
        Path(path).write_text(f"{os.getpid()}")
    if behaviour == "sleep":
        child = subprocess.Popen(["sleep", "60"])
        Path(path).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(60)


class ComputeConformance:
    """The behaviour of `Compute` and `RunningJob`."""

    @pytest.fixture
    def target(self) -> Compute:
        """The compute target, warmed up or not."""
        raise NotImplementedError("override the fixture `target`")

    @staticmethod
    def job(folder: Path, behaviour: str, path: Path | str = "") -> Job:
        """A job that behaves in a known way."""
        return Job("conformance.compute:work", {"behaviour": behaviour, "path": str(path)}, folder)

    @staticmethod
    def finish(target: Compute, running: RunningJob, seconds: float = 120) -> Failure | None:
        """Wait for the end of a job; returns why it failed."""
        end = time.monotonic() + seconds
        while running.is_running():
            assert time.monotonic() < end, "the job does not end"
            target.wait([running], 1.0)
        return running.failure()

    def test_a_device_is_named(self, target: Compute) -> None:
        assert target.device in ("auto", "cpu", "cuda")

    @pytest.mark.parametrize("wanted", [1, 2, 100])
    def test_slots_are_at_least_one_and_at_most_wanted(self, target: Compute, wanted: int) -> None:
        slots = target.slots(wanted)
        assert 1 <= len(slots) <= wanted
        assert [slot.number for slot in slots] == list(range(len(slots)))
        assert all(slot.threads >= 0 and slot.processes == 1 for slot in slots)
        gpus = [gpu for slot in slots for gpu in slot.gpus]
        assert len(set(gpus)) == len(gpus) or set(gpus) == {"GPU"}  # devices that a cluster chooses have no number

    def test_a_job_runs_in_another_process_and_has_a_log(self, target: Compute, tmp_path: Path) -> None:
        written = tmp_path / "written"
        job = self.job(tmp_path / "new" / "job", "write", written)
        job.folder.parent.mkdir()
        running = target.submit(job, target.slots(1)[0])
        assert running.job == job
        assert self.finish(target, running) is None
        assert int(written.read_text()) != os.getpid()
        assert "working" in (job.folder / "log.txt").read_text()

    @pytest.mark.parametrize(
        ("behaviour", "reason", "error"),
        [
            ("raise", "ValueError: a bad value", "ValueError"),
            ("refuse", "the data is unusable", "DataError"),
            ("crash", "SIGSEGV", ""),
        ],
    )
    def test_a_failure_has_reason_log_and_class(
        self, target: Compute, tmp_path: Path, behaviour: str, reason: str, error: str
    ) -> None:
        failure = self.finish(target, target.submit(self.job(tmp_path / "job", behaviour), target.slots(1)[0]))
        assert failure is not None
        assert reason in failure.reason and "\n" not in failure.reason
        assert "working" in failure.log
        assert (failure.error, failure.lost) == (error, False)

    def test_a_failed_job_does_not_affect_the_next_one_in_its_folder(self, target: Compute, tmp_path: Path) -> None:
        for behaviour, fails in (("raise", True), ("succeed", False)):
            failure = self.finish(target, target.submit(self.job(tmp_path / "job", behaviour), target.slots(1)[0]))
            assert (failure is not None) == fails

    def test_cancel_ends_the_job_and_its_children(self, target: Compute, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        running = target.submit(self.job(tmp_path / "job", "sleep", pids), target.slots(1)[0])
        wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        processes = [int(pid) for pid in pids.read_text().split()]
        assert running.is_running() and all(map(is_alive, processes))
        running.cancel()
        assert not running.is_running()
        assert running.failure() is not None
        wait_for(lambda: not any(map(is_alive, processes)), 10)

    def test_wait_returns_when_a_job_ends_or_the_time_is_over(self, target: Compute, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        running = target.submit(self.job(tmp_path / "job", "sleep", pids), target.slots(1)[0])
        wait_for(pids.exists)
        start = time.monotonic()
        target.wait([running], 0.2)
        assert 0.1 < time.monotonic() - start < 30
        running.cancel()

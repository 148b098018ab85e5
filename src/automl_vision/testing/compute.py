"""What every compute target has to do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from automl_vision.compute.compute import Compute, Failure, Job, RunningJob


class ComputeConformance:
    """The behaviour of `Compute` and `RunningJob`. Override the fixture `target`.

    The jobs run `automl_vision.testing.jobs:work`, so the package must be installed wherever the target runs them, and
    write into pytest's temporary folder, which the target must be able to access.
    """

    @pytest.fixture
    def target(self) -> Compute:
        """The compute target, warmed up or not."""
        raise NotImplementedError("override the fixture `target`")

    @staticmethod
    def job(folder: Path, behaviour: str, path: Path | str = "") -> Job:
        """A job that behaves in a known way."""
        return Job("automl_vision.testing.jobs:work", {"behaviour": behaviour, "path": str(path)}, folder)

    @staticmethod
    def finish(target: Compute, running: RunningJob, seconds: float = 120) -> Failure | None:
        """Wait for the end of a job; returns why it failed."""
        end = time.monotonic() + seconds
        while running.is_running():
            assert time.monotonic() < end, "the job does not end"
            target.wait([running], 1.0)
        return running.failure()

    def test_the_device_is_one_that_trials_know(self, target: Compute) -> None:
        """Trials know "auto", "cpu" and "cuda"."""
        assert target.device in ("auto", "cpu", "cuda")

    @pytest.mark.parametrize("wanted", [1, 2, 100])
    def test_slots_are_at_least_one_and_at_most_wanted(self, target: Compute, wanted: int) -> None:
        """They are numbered from 0 and share no GPU."""
        slots = target.slots(wanted)
        assert 1 <= len(slots) <= wanted
        assert [slot.number for slot in slots] == list(range(len(slots)))
        assert all(slot.threads >= 0 and slot.processes == 1 for slot in slots)
        gpus = [gpu for slot in slots for gpu in slot.gpus]
        assert len(set(gpus)) == len(gpus) or set(gpus) == {"GPU"}  # devices that a cluster chooses have no number

    def test_a_job_runs_in_another_process_and_has_a_log(self, target: Compute, tmp_path: Path) -> None:
        """The folder is created, and `log.txt` in it holds the output."""
        written = tmp_path / "written"
        job = self.job(tmp_path / "new" / "job", "write", written)
        job.folder.parent.mkdir()
        running = target.submit(job, target.slots(1)[0])
        assert running.job == job
        assert self.finish(target, running) is None
        assert int(written.read_text()) != os.getpid()
        assert "working" in (job.folder / "log.txt").read_text()

    def test_a_job_without_a_slot_runs(self, target: Compute, tmp_path: Path) -> None:
        """It may use the whole target."""
        assert self.finish(target, target.submit(self.job(tmp_path / "job", "succeed"))) is None

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
        """The reason is one line; the machine was not lost."""
        failure = self.finish(target, target.submit(self.job(tmp_path / "job", behaviour), target.slots(1)[0]))
        assert failure is not None
        assert reason in failure.reason
        assert "\n" not in failure.reason
        assert "working" in failure.log
        assert (failure.error, failure.lost) == (error, False)

    def test_a_failed_job_does_not_affect_the_next_one_in_its_folder(self, target: Compute, tmp_path: Path) -> None:
        """What the first one left there is not taken for the second one's failure."""
        for behaviour, fails in (("raise", True), ("succeed", False)):
            failure = self.finish(target, target.submit(self.job(tmp_path / "job", behaviour), target.slots(1)[0]))
            assert (failure is not None) == fails

    def test_cancel_ends_the_job_and_its_children(self, target: Compute, tmp_path: Path) -> None:
        """`cancel` returns when the job is gone, and a cancelled job has failed."""
        pids = tmp_path / "pids"
        running = target.submit(self.job(tmp_path / "job", "sleep", pids), target.slots(1)[0])
        _wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        processes = [int(pid) for pid in pids.read_text().split()]
        assert running.is_running()
        assert all(map(_is_alive, processes))
        running.cancel()
        assert not running.is_running()
        assert running.failure() is not None
        _wait_for(lambda: not any(map(_is_alive, processes)), 10)

    def test_wait_returns_when_the_time_is_over(self, target: Compute, tmp_path: Path) -> None:
        """Although no job has ended."""
        pids = tmp_path / "pids"
        running = target.submit(self.job(tmp_path / "job", "sleep", pids), target.slots(1)[0])
        _wait_for(pids.exists)
        start = time.monotonic()
        target.wait([running], 0.2)
        assert 0.1 < time.monotonic() - start < 30
        running.cancel()

    def test_wait_returns_when_a_job_ends(self, target: Compute, tmp_path: Path) -> None:
        """Long before the time is over."""
        running = target.submit(self.job(tmp_path / "job", "succeed"), target.slots(1)[0])
        start = time.monotonic()
        while running.is_running() and time.monotonic() - start < 120:
            target.wait([running], 240)
        assert time.monotonic() - start < 120


def _wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

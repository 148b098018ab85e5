"""A run on disk: one process at a time works on it, and what is gone is said to be gone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from automl_vision import Run, Workspace, __version__
from automl_vision.core.errors import ConfigError, RunNotFoundError, WorkspaceError
from automl_vision.runs.spec import RunSpec, read_run_spec
from automl_vision.workspace.run_folder import RunFolder
from processes import wait_for

SPEC = {
    "version": __version__,
    "experiment": "e",
    "task": "image-classification",
    "manifest": "m.parquet",
    "max_bad_share": 0.2,
    "primary_metric": "accuracy",
    "trials": [],
    "budget_seconds": 60.0,
    "seed": 0,
    "threads": 0,
    "workspace": "w",
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose process is gone."""
    workspace = Workspace(tmp_path)
    RunFolder(workspace.runs_path / "a").create(SPEC)
    return Run(workspace, "a")


def test_one_at_a_time_works_on_a_run(run: Run):
    assert run.get_status() == "Interrupted"
    with run.folder.lock.hold():
        assert run.get_status() == "NotStarted"
        with pytest.raises(WorkspaceError, match="automl-vision watch a"), RunFolder(run.folder.path).lock.hold():
            pass
    assert not run.folder.is_active()


def test_the_lock_is_handed_to_the_process_that_works_on_the_run(run: Run):
    with run.folder.lock.hold() as lock:
        worker = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
    assert run.get_status() == "NotStarted"
    with pytest.raises(WorkspaceError, match="already running in another process"):
        run.resume()
    worker.kill()
    worker.wait()
    wait_for(lambda: run.get_status() == "Interrupted", 10)


def test_a_deleted_run_is_not_made_again(run: Run):
    shutil.rmtree(run.folder.path)
    for act in (run.get_status, run.folder.require, lambda: run.folder.message("x"), run.folder.update):
        with pytest.raises(RunNotFoundError, match=r"run a is gone: its folder .* was deleted"):
            act()
    assert not run.folder.path.exists()


def test_what_is_left_of_a_deleted_run_is_passed_over(run: Run):
    (run.folder.path / "spec.json").unlink()
    assert run.workspace.run_ids() == []


def test_another_version_is_told():
    spec = RunSpec.model_validate(SPEC)
    assert spec.version_note is None
    other = spec.model_copy(update={"version": "0.0.1"})
    assert other.version_note == f"the run was made by version 0.0.1 and goes on with version {__version__}"


def test_a_run_that_this_version_cannot_read_is_not_resumed(run: Run):
    newer = {**SPEC, "version": "9.0", "novelty": 1}
    with pytest.raises(ConfigError, match=r"novelty: extra inputs(.|\n)*run a was made by 9\.0, and this is"):
        read_run_spec("a", newer)
    run.folder.create(newer)
    with pytest.raises(ConfigError, match=r"made by 9\.0"):
        run.resume()
    assert not run.folder.is_active()


@pytest.mark.parametrize("name", ["it's mine", "bücher und 照片", "what?", "100 % #1"])
def test_a_workspace_may_have_any_name(tmp_path: Path, name: str):
    from urllib.parse import unquote

    workspace = Workspace(tmp_path / name)
    assert unquote(workspace.tracking_uri) == f"sqlite:///{tmp_path}/{name}/mlflow.db"
    assert "?" not in workspace.tracking_uri


def test_a_name_that_mlflow_reads_as_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(WorkspaceError, match="choose another folder"):
        Workspace(tmp_path / "a%20b")
    assert not (tmp_path / "a%20b").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert Workspace(tmp_path / "a%20b").path.exists()

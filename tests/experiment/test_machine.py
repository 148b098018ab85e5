"""What a machine can do, and what may be deleted from a workspace."""

from __future__ import annotations

import json
import time
from importlib import metadata
from pathlib import Path

import pytest

from automl_vision import Workspace
from automl_vision.core.files import write_json
from automl_vision.core.records.status import RunStatus
from automl_vision.experiment.cleaning import removable, remove
from automl_vision.experiment.environment import environment
from automl_vision.workspace.run_folder import RunFolder
from command_line import run_command


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with caches and three runs: an old and a new one that completed, and one that failed."""
    monkeypatch.setenv("AUTOML_VISION_CACHE", str(tmp_path / "cache"))
    made = Workspace(tmp_path / "ws")
    for folder, name in ((tmp_path / "cache" / "openvino", "1.blob"), (made.cache_path, "pixels.data")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * 1000)
    ended = {"old": time.time() - 40 * 86_400, "new": time.time(), "failed": time.time() - 40 * 86_400}
    for name, end in ended.items():
        run = RunFolder(made.runs_path / name)
        run.create({"task": "image-classification"})
        for number in range(2):
            trial = run.trial(number)
            trial.write_spec({})
            for file in ("checkpoint.pt", "weights.safetensors", "weights-epoch-0.safetensors", "metrics.json"):
                (trial.path / file).write_bytes(b"y" * 100)
        status = RunStatus.FAILED if name == "failed" else RunStatus.COMPLETED
        run.update(status=status, ended=end, best_trial=1)
    return made


def offered(workspace: Workspace, **options: float) -> set[tuple[str, str]]:
    return {(each.kind, Path(each.path).name if each.run is None else f"{each.run} {Path(each.path).parent.name} "
             f"{Path(each.path).name}") for each in removable(workspace, **options)}  # fmt: skip


CACHES = {("cache", "openvino"), ("cache", "pixels.data")}
CHECKPOINTS = {("checkpoint", f"{run} {trial} checkpoint.pt") for run in ("old", "new") for trial in (0, 1)}


def test_caches_and_checkpoints_of_completed_runs_are_offered(workspace: Workspace) -> None:
    assert offered(workspace) == CACHES | CHECKPOINTS
    assert sum(each.bytes for each in removable(workspace)) == 2 * 1000 + 4 * 100


def test_weights_go_only_of_old_runs_and_never_those_of_the_model(workspace: Workspace) -> None:
    weights = {("weights", f"old 0 {name}") for name in ("weights.safetensors", "weights-epoch-0.safetensors")}
    assert offered(workspace, older_than_days=30) == CACHES | CHECKPOINTS | weights
    assert offered(workspace, older_than_days=50) == CACHES | CHECKPOINTS


def test_what_is_removed_is_gone_and_the_rest_stays(workspace: Workspace) -> None:
    found = removable(workspace, older_than_days=30)
    assert remove(found) == sum(each.bytes for each in found)
    assert removable(workspace, older_than_days=30) == []
    assert remove(found) == 0
    kept = sorted(file.name for file in (workspace.runs_path / "old" / "trials" / "0").iterdir())
    assert kept == ["metrics.json", "spec.json"]
    assert (workspace.runs_path / "old" / "trials" / "1" / "weights.safetensors").exists()
    assert (workspace.runs_path / "failed" / "trials" / "0" / "checkpoint.pt").exists()


def test_nothing_of_an_active_run_and_no_cache_beside_it_is_offered(workspace: Workspace) -> None:
    run = RunFolder(workspace.runs_path / "new")
    with run.lock.hold():
        assert offered(workspace) == {each for each in CHECKPOINTS if each[1].startswith("old")}


def test_the_command_deletes_only_when_told(workspace: Workspace, tmp_path: Path) -> None:
    said = {"AUTOML_VISION_WORKSPACE": str(workspace.path), "AUTOML_VISION_CACHE": str(tmp_path / "cache")}
    done = run_command("clean", environment=said)
    assert done.returncode == 0, done.stderr
    assert "Nothing was deleted; say --yes for that." in done.stdout
    assert len(offered(workspace)) == 6
    done = run_command("clean", "--yes", "--json", environment=said)
    assert json.loads(done.stdout)["freed_bytes"] == 2400
    assert "There is nothing to delete." in run_command("clean", environment=said).stdout


def test_an_environment_says_what_is_there(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    fetched = tmp_path / "hub" / "models--timm--resnet18.a1_in1k" / "blobs"
    fetched.mkdir(parents=True)
    (fetched / "abc").write_bytes(b"w" * 500)
    write_json(workspace.cache_path / "precision.json", {"small 32x32|auto|x86": {"fp32": 0.5, "bf16": 0.25}})
    found = environment(workspace)
    assert (found.hub, found.steps) == (False, {"small 32x32": {"fp32": 0.5, "bf16": 0.25}})
    assert ("timm/resnet18.a1_in1k", "cached", 500) in [(w.name, w.source, w.bytes) for w in found.weights]
    assert any(w.name == "efficientnet_lite0" and w.source == "installed" and w.bytes > 1e7 for w in found.weights)
    extras = {each.name: each for each in found.extras}
    assert extras["train"].is_installed and extras["train"].missing == []
    assert {*extras, "docs", "dev"} == set(metadata.metadata("automl-vision").get_all("Provides-Extra") or ())
    assert found.cores >= 1 and found.memory_bytes > found.available_bytes > 0
    assert any(use.path == str(workspace.runs_path) for use in found.storage)
    assert environment(workspace, ask_hub=False).hub is None


def test_the_command_prints_the_environment(workspace: Workspace) -> None:
    said = {"AUTOML_VISION_WORKSPACE": str(workspace.path), "HF_HUB_OFFLINE": "1"}
    done = run_command("env", environment=said)
    assert done.returncode == 0, done.stderr
    assert "the hub does not answer" in done.stdout and str(workspace.runs_path) in done.stdout
    assert json.loads(run_command("env", "--json", "--no-hub", environment=said).stdout)["hub"] is None


def test_a_shell_is_completed() -> None:
    done = run_command("--show-completion", "bash", environment={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert done.returncode == 0, done.stderr
    assert "_AUTOML_VISION_COMPLETE" in done.stdout

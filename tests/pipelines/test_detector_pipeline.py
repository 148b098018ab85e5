"""An object detector through a whole pipeline by its command: the first champion, and a retraining from its weights."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_vision import Dataset, Workspace
from automl_vision.deployment.online.endpoint_folder import Endpoints
from command_line import run_command
from serving_processes import serving

FILE = """
name: cells
task: image-object-detection
data: cells
training:
  model_name: fasterrcnn_efficientnet_lite0_fpn
  arguments:
    number_of_epochs: 6
    min_size: 192
    max_size: 256
    training_batch_size: 4
    precision: fp32
gates:
  data: {max_errors: 20}
  evaluation: {mean_average_precision: 0.2}
  promotion: {margin: 0.3, worst_class_margin: 0.6, worst_slice_margin: null, min_images: 20}
endpoint: cells
"""
SPLITS = {"train": 40, "val": 16, "test": 24}
LATER = 20  # training images that the second version adds
STEPS = ["data", "check", "train", "evaluate", "register", "compare", "promote", "deploy"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_detector_is_trained_served_and_retrained(real_data: Path, tmp_path: Path):
    cells = Dataset.open(real_data / "bccd")
    rows = {split: np.flatnonzero(cells.splits == split) for split in SPLITS}
    begin = np.concatenate([rows[split][:count] for split, count in SPLITS.items()])
    later = rows["train"][SPLITS["train"] :][:LATER]
    workspace = Workspace(tmp_path / "workspace")
    workspace.datasets.register(cells[np.sort(begin)], "cells")
    (tmp_path / "pipeline.yaml").write_text(FILE)

    first = run(tmp_path)
    assert list(first) == STEPS and all(each["passed"] and each["new"] for each in first.values())
    assert first["data"]["images"] == SPLITS
    assert (first["data"]["version"], first["data"]["test_images"]) == ("cells:1", 24)
    assert [each["start"] for each in first["train"]["runs"]] == ["start"]
    champion = workspace.models.get("cells@champion")
    assert (champion.id, champion.lineage.run) == ("cells:1", first["train"]["chosen"])
    photo = Path(cells[rows["test"][0]].location)
    assert cells_on(photo, workspace, first["deploy"]) >= 3
    assert not any(each["new"] for each in run(tmp_path).values()), "nothing is done twice"

    version = workspace.datasets.register(relabelled(cells[np.sort(np.concatenate([begin, later]))]), "cells")
    assert version.id == "cells:2"
    second = run(tmp_path, "--reason", "more cells")
    assert all(each["passed"] and each["new"] for each in second.values())
    assert (second["data"]["added"], second["data"]["relabelled"], second["data"]["test_images"]) == (LATER, 1, 24)
    assert {each["start"]: each["status"] for each in second["train"]["runs"]} == {
        "champion": "Completed", "start": "Completed",
    }  # fmt: skip
    assert second["train"]["champion"] == "cells:1"
    scores = {each["run"]: each["score"] for each in second["train"]["runs"]}
    assert second["train"]["chosen"] == max(scores, key=lambda run: scores[run])
    began = next(each["run"] for each in second["train"]["runs"] if each["start"] == "champion")
    assert checkpoint_of(workspace, began) == first["train"]["chosen"]
    assert workspace.models.get("cells@champion").id == second["promote"]["version"] == "cells:2"
    assert workspace.models.log("cells")[-1].why == "more cells"
    assert cells_on(photo, workspace, second["deploy"]) >= 3


def run(place: Path, *more: str) -> dict[str, dict[str, Any]]:
    """What each step of the pipeline found."""
    done = run_command("pipeline", "run", place / "pipeline.yaml", "--workspace", place / "workspace", "--json", *more)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {step["step"]: step for step in json.loads(done.stdout)}


def relabelled(dataset: Dataset) -> Dataset:
    """The dataset without the last box of its first training image that has several."""
    table = dataset.table.to_pylist()
    row = next(row for row in table if row["split"] == "train" and len(row["objects"]) > 1)
    row["objects"].pop()
    return replace(dataset, table=type(dataset.table).from_pylist(table, dataset.table.schema))


def checkpoint_of(workspace: Workspace, run_id: str) -> str:
    """The run whose weights a run began with."""
    trial = workspace.run_folder(run_id).spec()["trials"][0]
    return str(trial["hyperparameters"]["checkpoint_run_id"])


def cells_on(photo: Path, workspace: Workspace, deployed: dict[str, Any]) -> int:
    """How many red blood cells the endpoint is sure to see on a photo, by the deployment that the pipeline made."""
    endpoint = Endpoints(workspace.path).get("cells")
    definition = endpoint.definition()
    assert definition.deployments[deployed["deployment"]].model == deployed["version"]
    key = renewed_key(workspace)
    with serving(endpoint) as (_, url):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/jpeg"}
        request = urllib.request.Request(f"{url}/score", photo.read_bytes(), headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert answer.headers["X-Deployment"] == deployed["deployment"]
            (found,) = json.load(answer)
    return sum(each["label"] == "RBC" and each["score"] >= 0.5 for each in found["boxes"])


def renewed_key(workspace: Workspace) -> str:
    """A key of the endpoint."""
    done = run_command("endpoints", "renew-key", "cells", "primary", "--workspace", workspace.path)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]

"""From sixty labelled photos to a model that people's labels made better, while an endpoint answers all the time.

People use the real Label Studio where it is installed (`tests/label_studio_server.py`), else in the queue.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image, ImageEnhance

from automl_vision import Dataset, Workspace
from automl_vision.deployment.online.endpoint_folder import Endpoints
from automl_vision.formats.tools.label_studio_results import label_results
from automl_vision.labeling.project import LabelingProject
from automl_vision.pipelines.context import PipelineContext, Silent
from automl_vision.pipelines.definition import LabelTrigger, Triggers, read_pipeline
from automl_vision.pipelines.labels import new_labels, take_labels, watch_endpoint
from automl_vision.pipelines.results import Promoted, Trained
from automl_vision.pipelines.running import Outcome, run_pipeline
from automl_vision.web.label_studio import LabelStudio
from label_studio_server import installed, label_studio
from processes import wait_for
from serving_processes import serving

FILE = """
name: leaves
task: image-classification
data: leaves
training:
  arguments:
    number_of_epochs: 1
    training_crop_size: 96
    validation_resize_size: 112
    validation_crop_size: 96
    precision: fp32
gates:
  promotion: {margin: 0.2, worst_class_margin: 0.4, worst_slice_margin: 0.5, min_images: 30}
endpoint: leaves
"""
PER_CLASS = {"train": 20, "val": 12, "test": 25}
STREAMED = 14  # photos of each class that nobody labelled before


class Caller:
    """Asks an endpoint for predictions until it is closed, and counts what fails."""

    def __init__(self, url: str, key: str, photos: list[tuple[str, bytes]]) -> None:
        self._url, self._key, self._photos = url, key, photos
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._call, daemon=True)
        self._thread.start()

    def _call(self) -> None:
        while not self._ended.is_set():
            for name, photo in self._photos:
                headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "image/jpeg", "X-Request-Id": name}
                try:
                    request = urllib.request.Request(f"{self._url}/score", photo, headers)
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        self.answers.append(answer.headers["X-Deployment"])
                except OSError as error:
                    self.failures.append(str(error))
                if self._ended.wait(0.05):
                    return

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


class Reader(Silent):
    """Reads the keys of a new endpoint, as a person would."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def confide(self, what: str, owner: str, secret: str) -> None:
        self.keys.append(secret)


def shifted(file: Path) -> bytes:
    """A photo as a camera in the dusk would take it."""
    image = ImageEnhance.Brightness(Image.open(file).convert("RGB")).enhance(0.35)
    buffer = io.BytesIO()
    ImageEnhance.Color(image).enhance(0.4).save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


def kinds(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_dir())


def result(outcome: Outcome, kind: type) -> object:
    return next(each.result for each in outcome.done if isinstance(each.result, kind))


def label_in_the_queue(context: PipelineContext, truth: dict[str, tuple[str, Path]]) -> None:
    queue = context.workspace.label_queue
    for photo in queue.photos("waiting"):
        queue.correct(photo.id, truth[photo.name][0])


def label_in_label_studio(
    context: PipelineContext, server: Any, truth: dict[str, tuple[str, Path]], place: Path
) -> None:
    queue = context.workspace.label_queue
    photos = {Path(photo.file).name: photo for photo in queue.photos("waiting")}
    rows = [
        {"image": name, "rank": rank, "reason": "drift", "group": "", "score": 0.5} for rank, name in enumerate(photos)
    ]
    pq.write_table(pa.Table.from_pylist(rows), place / "only.parquet")
    project, pushed = LabelingProject.create(
        "leaves", context.workspace.datasets.get("leaves").id, images=queue.folder / "images",
        only=place / "only.parquet", model="leaves@champion", files=place, server=server.url, token=server.token,
        workspace=context.workspace,
    )  # fmt: skip
    assert (pushed.tasks, pushed.problems) == (len(photos), {})
    with LabelStudio(server.url, server.token) as connection:
        for task in list(
            connection.pages("/api/tasks/", project=project.record.number, fields="all", include="id,data")
        ):
            photo = photos[task["data"]["reference"].rpartition("/")[2]]
            result = label_results([truth[photo.name][0]])
            connection.send("POST", f"/api/tasks/{task['id']}/annotations/", {"result": result})


@contextmanager
def labelling(place: Path) -> Iterator[Any]:
    """The real Label Studio, or None where it is not installed."""
    program = installed()
    if program is None:
        yield None
        return
    with label_studio(program, place / "label-studio", place) as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_labels_of_a_drifted_stream_make_the_next_champion(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    leaves = real_data / "bean-leaves"
    for split, count in PER_CLASS.items():
        for name in kinds(leaves / split):
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for file in sorted((leaves / split / name).iterdir())[:count]:
                shutil.copy(file, tmp_path / "photos" / split / name)
    workspace = Workspace(tmp_path / "workspace")
    workspace.datasets.register(Dataset.open(tmp_path / "photos"), "leaves")
    (tmp_path / "pipeline.yaml").write_text(FILE)
    reader = Reader()
    context = PipelineContext(read_pipeline(tmp_path / "pipeline.yaml"), workspace, reader)
    first = run_pipeline(context)
    assert first.passed and context.champion().id == "leaves:1"

    endpoint = Endpoints(workspace.path).get("leaves")
    text = yaml.safe_load(endpoint.definition_file.read_text())
    text["monitoring"] = {"samples_per_minute": 6000, "image_side": 256, "keep": 500}
    endpoint.definition_file.write_text(yaml.safe_dump(text))
    truth = {
        f"{name}-{file.stem}": (name, file)
        for name in kinds(leaves / "train")
        for file in sorted((leaves / "train" / name).iterdir())[-STREAMED:]
    }
    stream = [(request, shifted(file)) for request, (_, file) in truth.items()]
    with serving(endpoint) as (_, url):
        caller = Caller(url, reader.keys[0], stream)
        report, added = _alarm(context)
        assert report.is_alarm and added
        with labelling(tmp_path) as server:
            if server is None:
                label_in_the_queue(context, truth)
            else:
                label_in_label_studio(context, server, truth, tmp_path)
                monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)
                triggers = Triggers(labels=LabelTrigger(at_least=1, project="leaves"))
                definition = context.definition.model_copy(update={"triggers": triggers})
                context = replace(context, definition=definition)
            assert new_labels(context) == added
            version = take_labels(context)
        assert version is not None
        second = run_pipeline(context)
        trained, promoted = result(second, Trained), result(second, Promoted)
        assert {run.start for run in trained.runs} == {"champion", "start"} and trained.champion == "leaves:1"
        assert second.passed and promoted.version == context.champion().id == "leaves:2"
        wait_for(lambda: "leaves-2" in caller.answers[-5:], 120)
        caller.close()
    assert caller.failures == []
    assert {"leaves-1", "leaves-2"} <= set(caller.answers)
    change = workspace.models.log("leaves")[-1]
    assert change.alias == "champion" and change.user and change.why.startswith("pipeline: Yes")


def _alarm(context: PipelineContext) -> tuple[object, int]:
    """Wait until the watch notices what has changed."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        report, added = watch_endpoint(context)
        if report.is_alarm:
            return report, added
        time.sleep(2)
    raise AssertionError(report.sentence)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_training_that_was_killed_is_resumed_not_begun_anew(real_data: Path, tmp_path: Path):
    """Both the pipeline's process and that of the run are killed in the middle."""
    leaves = real_data / "bean-leaves"
    for split in ("train", "val", "test"):
        for name in kinds(leaves / split):
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for file in sorted((leaves / split / name).iterdir())[:12]:
                shutil.copy(file, tmp_path / "photos" / split / name)
    (tmp_path / "pipeline.yaml").write_text(
        FILE.replace("data: leaves", "data: photos/").replace("number_of_epochs: 1", "number_of_epochs: 3")
    )
    workspace = tmp_path / "workspace"
    command = [sys.executable, "-c", "from automl_vision.cli.main import main; main()", "pipeline", "run"]
    command += [str(tmp_path / "pipeline.yaml"), "--workspace", str(workspace)]
    begun = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(lambda: any(workspace.glob("runs/*/trials/0/checkpoint.pt")), 900)
    (run,) = workspace.glob("runs/*")
    os.kill(begun.pid, signal.SIGKILL)
    os.kill(Workspace(workspace).run_folder(run.name).record().pid, signal.SIGKILL)
    begun.wait()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "is resumed" in again.stdout and "(done " in again.stdout
    assert [each.name for each in workspace.glob("runs/*")] == [run.name]
    assert Workspace(workspace).models.get("leaves@champion").lineage.run == run.name

"""A workspace with real small runs, the studio's server on it, and a page in Chromium that must not complain."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from automl_vision import (
    AutoMLVisionConfig,
    Dataset,
    Experiment,
    GridParameterSampling,
    Run,
    Workspace,
    choice,
    register,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from starlette.testclient import TestClient

    from studio_browser import Complaints


@dataclass(frozen=True)
class StudioWorkspace:
    """A workspace of the tests, which all of them share: what a test changes it does under names of its own.

    Attributes:
        workspace: its files.
        sweep: id of a classification sweep of three trials on drawn shapes, whose data set is registered as "shapes".
        detection: id of a detection run of one trial, whose data set is registered as "boxes".
        model: address of the registered model of the sweep.
        photos: folder of the sweep's images, one folder a class.
    """

    workspace: Workspace
    sweep: str
    detection: str
    model: str
    photos: Path

    @property
    def root(self) -> Path:
        """The folder of this and all other tests' files, in which the studio may look for data."""
        return self.workspace.path.parents[1]

    def run(self, run_id: str) -> Run:
        """A run by its id."""
        return Run(self.workspace, run_id)


def _made(root: Path) -> StudioWorkspace:
    """Train the runs, which takes about twenty seconds."""
    import conftest as small
    from runs_here import work_here

    workspace = Workspace(root / "workspace")
    photos = small.write_shape_folders(root / "shapes", per_class=14)
    shapes = workspace.datasets.register(Dataset.open(photos), "shapes", split_ratio=0.4)
    sweep = AutoMLVisionConfig(
        task="image-classification",
        training_data=str(shapes),
        model_name=small.SMALL_MODEL,
        hyperparameter_sampling=GridParameterSampling({"learning_rate": choice(0.0001, 0.02, 0.05)}),
        iterations=3,
        arguments={
            name: value
            for name, value in _changed(small.small_hyperparameters(number_of_epochs=4)).items()
            if name != "learning_rate"
        },
    )
    first = work_here(Experiment(workspace, "shapes"), sweep)
    boxes = workspace.datasets.register(Dataset.open(small.write_objects(root / "boxes")), "boxes", split_ratio=0.4)
    task = "image-object-detection"
    detector = AutoMLVisionConfig(
        task=task,
        training_data=str(boxes),
        model_name=small.SMALL_DETECTORS[task],
        arguments=_changed(small.small_detector(task, small.SMALL_DETECTORS[task])),
    )
    second = work_here(Experiment(workspace, "boxes"), detector)
    for run in (first, second):
        assert run.get_status() == "Completed", run.get_details()
    model = register(first, "shapes")
    return StudioWorkspace(workspace, first.id, second.id, model.id, photos)


def _changed(hyperparameters: Any) -> dict[str, Any]:
    """The values that differ from the defaults."""
    values: dict[str, Any] = hyperparameters.model_dump(exclude_unset=True)
    return values


@pytest.fixture(scope="session")
def studio_workspace(tmp_path_factory: pytest.TempPathFactory) -> StudioWorkspace:
    """The workspace; of several test processes the first one makes it."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "studio"
    root.mkdir(exist_ok=True)
    done = root / "done.json"
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            made = _made(root)
            done.write_text(json.dumps([made.sweep, made.detection, made.model]))
    sweep, detection, model = json.loads(done.read_text())
    return StudioWorkspace(Workspace(root / "workspace"), sweep, detection, model, root / "shapes")


@pytest.fixture(scope="session")
def client(studio_workspace: StudioWorkspace) -> Iterator[TestClient]:
    """The API as a program calls it."""
    from starlette.testclient import TestClient

    from automl_vision.studio.app import create_app
    from automl_vision.studio.places import NewData

    data = NewData(roots=(studio_workspace.root,))
    app = create_app([studio_workspace.workspace], new_data=data)
    with TestClient(app, base_url="http://127.0.0.1") as found:
        found.headers["X-Studio"] = "1"
        yield found


@pytest.fixture(scope="session")
def studio_address(studio_workspace: StudioWorkspace) -> Iterator[str]:
    """The address of the studio on the workspace, with a slash at its end."""
    from studio_browser import served

    with served([studio_workspace.workspace.path], "--data-root", str(studio_workspace.root)) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, where there is one."""
    from studio_browser import BROWSER, chromium

    if BROWSER is None:
        pytest.skip("no Chromium is installed; on Debian: apt-get install chromium")
    with chromium() as found:
        yield found


@pytest.fixture
def complaints(page: Page) -> Complaints:
    """What the page's console says; a test that provokes complaints adds their patterns to `expected`."""
    found: Complaints = page.complaints  # type: ignore[attr-defined]
    return found


@pytest.fixture
def page(browser: Browser, studio_address: str) -> Iterator[Page]:
    """A page with a browser's memory of its own, at 1280 x 800; addresses are relative to the studio."""
    from playwright.sync_api import expect

    from studio_browser import Complaints

    size = {"width": 1280, "height": 800}
    context = browser.new_context(base_url=studio_address, viewport=size, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    expect.set_options(timeout=30_000)  # the first question about models loads MLflow
    found = context.new_page()
    found.complaints = Complaints(found, studio_address)  # type: ignore[attr-defined]
    yield found
    unexpected = found.complaints.unexpected  # type: ignore[attr-defined]
    context.close()
    assert not unexpected, unexpected

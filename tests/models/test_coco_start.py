"""Detectors that start from COCO weights in an installed package."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import compare_coco_ssd as compare
from automl_vision import Workspace
from automl_vision.core.errors import WeightsUnavailableError
from automl_vision.core.files import read_json
from automl_vision.core.records import Evaluation
from automl_vision.core.tasks import INSTANCE_SEGMENTATION, OBJECT_DETECTION, TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.experiment.environment import environment
from automl_vision.models.model import Model
from automl_vision.models.networks import load_torch
from automl_vision.models.registry import create_model
from automl_vision.packaging.package import package
from automl_vision.recipes.catalog import automode_models, describe_model
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.network import read_network
from automl_vision.training.trial import train
from coco_ssd import convert
from conftest import RecordingReporter, small_detector, small_detector_trial

MODULE = "automl_vision_coco_weights"
DETECTORS = {
    OBJECT_DETECTION: "fasterrcnn_tf_mobilenetv2_100_fpn",
    INSTANCE_SEGMENTATION: "maskrcnn_tf_mobilenetv2_100_fpn",
}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as pip installs it, but with invented weights."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "weights" / "package" / MODULE, folder / MODULE)
    save_file(convert(compare.invented_graph()), folder / MODULE / "mobilenetv2_100.safetensors")
    described = folder / f"{MODULE}-1.0.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.4\nName: automl-vision-coco-weights\nVersion: 1.0.0\n")
    (described / "RECORD").write_text(f"{MODULE}/mobilenetv2_100.safetensors,,\n")
    return folder


@pytest.fixture(autouse=True)
def own_modules() -> Iterator[None]:
    """What is installed elsewhere neither counts here nor is lost."""
    before = sys.modules.pop(MODULE, None)
    yield
    sys.modules.pop(MODULE, None)
    if before is not None:
        sys.modules[MODULE] = before


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is installed."""
    monkeypatch.syspath_prepend(site)


def uninstall() -> None:
    sys.modules[MODULE] = None  # type: ignore[assignment]


def detector(task: str) -> Model:
    settings = small_detector(task, DETECTORS[task], pretrained=True)
    geometry = Geometry(96, 96, lowest=3, highest=5)
    return create_model(DETECTORS[task], task=task, classes=2, hyperparameters=settings, geometry=geometry)


@pytest.mark.parametrize("task", DETECTORS)
@pytest.mark.usefixtures("installed")
def test_a_detector_starts_from_the_package(task: str):
    model = detector(task)
    assert (model.weights.source, model.weights.name) == ("package", "automl-vision-coco-weights")
    assert model.weights.licence == "apache-2.0"
    assert model.normalization.mean == model.normalization.std == (0.5, 0.5, 0.5)
    state = convert(compare.invented_graph())
    body = {name.removeprefix("backbone.body."): value for name, value in model.network.state_dict().items()}
    taken = [name for name in state if name in body]
    assert all(np.array_equal(body[name].numpy(), state[name]) for name in taken)
    assert {name for name in state if name not in body} == {
        name for name in state if name.startswith(("conv_head", "bn2"))
    }


@pytest.mark.usefixtures("installed")
def test_an_installed_package_is_listed(tmp_path: Path):
    assert describe_model(DETECTORS[OBJECT_DETECTION]).weights == "package"
    listed = {each.name: each for each in environment(Workspace(tmp_path), ask_hub=False).weights}
    assert (listed["tf_mobilenetv2_100"].source, listed["tf_mobilenetv2_100"].bytes > 8e6) == ("installed", True)


def test_without_the_package_the_way_to_it_is_told():
    uninstall()
    assert describe_model(DETECTORS[OBJECT_DETECTION]).weights == "none"
    with pytest.raises(WeightsUnavailableError, match=r"automl-vision-coco-weights \(make weights && pip install"):
        detector(OBJECT_DETECTION)


@pytest.mark.parametrize("task", DETECTORS)
def test_automode_tries_it_first_where_it_is_installed(task: str, installed: None):
    found = automode_models(task)
    assert found[:2] == [DETECTORS[task], TASKS[task].default_model]  # whichever of the two starts is not the default
    uninstall()
    assert automode_models(task) == found[1:]


class _Killed(RecordingReporter):
    """Ends the process of a trial, as far as the trial can tell, at its second evaluation."""

    def evaluation(self, evaluation: Evaluation) -> None:
        super().evaluation(evaluation)
        if len(self.evaluations) == 2:
            raise KeyboardInterrupt


def test_it_trains_resumes_elsewhere_and_is_packaged(boxes: Dataset, installed: None, tmp_path: Path):
    """A resumed trial needs neither the package nor what it was created with: its description names the network."""
    spec = small_detector_trial(
        tmp_path, boxes, model_name=DETECTORS[OBJECT_DETECTION], pretrained=True, number_of_epochs=1
    )
    with pytest.raises(KeyboardInterrupt):
        train(spec, _Killed())
    described = read_network(Path(spec.folder))
    assert described.architecture == "tf_mobilenetv2_100"
    uninstall()
    reporter = RecordingReporter()
    train(spec, reporter)
    assert [each.epoch for each in reporter.evaluations] == [1]
    folder = package(spec.folder, tmp_path / "model")
    assert read_json(folder / "model.json")["parity"]["equal_share"] >= 0.99
    assert type(load_torch(folder).backbone.body.conv_stem).__name__ == "Conv2dSame"
    assert read_network(folder).weights == described.weights

"""A network is described once, by the trial that trains it, and rebuilt from that description alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from automl_vision import AutoMLVisionConfig, Experiment, Predictor, Workspace, load_torch
from automl_vision.core.errors import ModelFolderError, ParityError, TrialError, WeightsUnavailableError
from automl_vision.core.files import read_json, write_json
from automl_vision.data.dataset import Dataset
from automl_vision.models.networks import build_network
from automl_vision.models.registry import create_model
from automl_vision.packaging.package import package
from automl_vision.recipes.detector_input import decide_geometry, detector_geometry, kept_size
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.network import NETWORK_FILE, differences, read_network
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.trial import train
from conftest import (
    SMALL_MODEL,
    RecordingReporter,
    small_detector,
    small_detector_trial,
    small_hyperparameters,
    small_trial,
)
from runs_here import work_here

DETECTION = "image-object-detection"
FRCNN = "fasterrcnn_test_efficientnet_fpn"
FCOS = "fcos_test_efficientnet_fpn"


def write_boxes(root: Path, boxes: dict[int, list[float]], sizes: dict[int, tuple[int, int]] | None = None) -> Path:
    """18 drawn images with a box of 16 pixels in a corner each; some have boxes of other sides, or another size."""
    root.mkdir(parents=True)
    lines = []
    for number in range(18):
        random = np.random.default_rng(number)
        width, height = (sizes or {}).get(number, (96, 80))
        pixels = random.integers(90, 150, (height, width, 3), dtype=np.uint8)
        objects = []
        for side in boxes.get(number, [16.0]):
            pixels[: int(side), : int(side)] = (220, 50, 40)
            corners = {"topX": 0.0, "topY": 0.0, "bottomX": side / width, "bottomY": side / height}
            objects.append({"label": "square", "isCrowd": 0, **corners})
        Image.fromarray(pixels).save(root / f"{number}.png")
        lines.append(json.dumps({"image_url": f"{number}.png", "label": objects}))
    (root / "data.jsonl").write_text("\n".join(lines) + "\n")
    return root / "data.jsonl"


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> TrialSpec:
    """A trained detector; the one image with large boxes vanished after its geometry was decided."""
    root = tmp_path_factory.mktemp("lost")
    data = write_boxes(root / "data", {3: [72.0] * 6})
    splits = np.array(["train"] * 12 + ["val"] * 6, "<U8")
    dataset = Dataset.open(data).with_splits(splits)
    settings = small_detector(DETECTION, FRCNN)
    geometry = decide_geometry(dataset, settings)
    spec = small_detector_trial(root, dataset, model_name=FRCNN, geometry=geometry, number_of_epochs=2)
    (data.parent / "3.png").unlink()
    train(spec, RecordingReporter())
    return spec


@pytest.fixture(scope="module")
def model(lost: TrialSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of that detector."""
    return package(lost.folder, tmp_path_factory.mktemp("packaged") / "model")


def test_an_image_that_is_lost_before_training_moves_no_anchors(lost: TrialSpec, model: Path):
    dataset = Dataset.load(lost.manifest)
    derived_again = decide_geometry(dataset.excluding({3: "lost"}), lost.hyperparameters)
    assert lost.geometry is not None
    assert derived_again is not None
    assert derived_again.anchor_scale != lost.geometry.anchor_scale
    assert read_network(Path(lost.folder)).geometry == read_network(model).geometry == lost.geometry
    trained = create_model(
        FRCNN, task=DETECTION, classes=1, hyperparameters=lost.hyperparameters, geometry=lost.geometry
    ).network
    assert torch.equal(load_torch(model).shapes, trained.shapes)


def test_a_model_folder_alone_becomes_the_trained_network(model: Path, tmp_path: Path):
    folder = shutil.copytree(model, tmp_path / "elsewhere")
    network, predictor = load_torch(folder), Predictor(folder)
    assert not network.training
    height, width = predictor.description.preprocessing.input_size
    images = np.random.default_rng(0).normal(size=(2, 3, height, width)).astype(np.float32)
    with torch.inference_mode():
        found = network(torch.from_numpy(images))
    for mine, exported in zip(found, predictor.run(images), strict=True):
        np.testing.assert_allclose(mine.numpy()[:, :3], exported[:, :3], rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.unlink(), r"has no network\.json, so its network cannot be built again"),
        (lambda file: write_json(file, {**read_json(file), "format_version": 2}), "has format version 2, this program"),
        (lambda file: write_json(file, {**read_json(file), "classes": 0}), "classes: input should be greater than 0"),
        (lambda file: write_json(file, {**read_json(file), "geometry": None}), "without a geometry"),
        (lambda file: write_json(file, {**read_json(file), "classes": 3}), "have another shape, such as roi_heads"),
        (lambda file: file.write_text("{"), "cannot be read"),
    ],
)
def test_a_model_folder_that_does_not_describe_its_network_is_told(
    model: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
):
    folder = shutil.copytree(model, tmp_path / "model")
    spoil(folder / NETWORK_FILE)
    with pytest.raises(ModelFolderError, match=message) as told:
        load_torch(folder)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("name", "value"), [("anchor_scale", 3.3), ("height", 160)])
def test_the_gate_refuses_another_geometry_than_the_trained_one(
    lost: TrialSpec, tmp_path: Path, name: str, value: float
):
    trial = shutil.copytree(lost.folder, tmp_path / "trial")
    described = read_json(trial / NETWORK_FILE)
    assert described["geometry"][name] != value
    described["geometry"][name] = value
    write_json(trial / NETWORK_FILE, described)
    with pytest.raises(ParityError, match=r"does not reproduce what the trial recorded.* boxes up to \d+\.\d px away"):
        package(trial, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_gate_refuses_a_classifier_whose_weights_changed(tmp_path: Path, shapes: Dataset):
    from safetensors.torch import load_file, save_file

    spec = small_trial(tmp_path, shapes, number_of_epochs=1)
    train(spec, RecordingReporter())
    trial = Path(spec.folder)
    write_json(trial / "spec.json", spec.model_dump())
    weights = load_file(trial / "weights.safetensors")
    weights["classifier.bias"][0] += 1.0
    save_file(weights, trial / "weights.safetensors")
    with pytest.raises(ParityError, match=r"does not reproduce .* probabilities differ by up to 0\.\d+"):
        package(trial, tmp_path / "model")


def test_controller_and_trial_decode_at_one_size(tmp_path: Path):
    """The shapes of the images decide the canvas, and of all images others are typical than of those that train."""
    splits_differ = None
    for odd in range(18):
        tall = {number: (60, 96) for number in range(18) if (number * 7 + odd) % 18 < 9}
        data = write_boxes(tmp_path / f"data-{odd}", {}, tall)
        opened = Dataset.open(data)
        settings = small_detector(DETECTION, FCOS, number_of_epochs=1)
        before = detector_geometry(opened, settings)
        after = detector_geometry(opened.with_validation(settings.split_ratio, seed=0), settings)
        if before.size != after.size:
            splits_differ = data
            break
    assert splits_differ is not None
    arguments = {name: value for name, value in settings.model_dump().items() if name in (
        "pretrained", "precision", "augmentation", "number_of_epochs", "training_batch_size", "min_size"
    )}  # fmt: skip
    config = AutoMLVisionConfig(
        task=DETECTION, training_data=splits_differ, model_name=FCOS, arguments=arguments, threads=1, seed=0
    )
    workspace = Workspace(tmp_path / "workspace")
    run = work_here(Experiment(workspace, "boxes"), config)
    run.wait_for_completion()
    files = [file.name for file in workspace.cache_path.glob("*.index")]
    assert len(files) == 1
    network = read_network(run.get_best_child().path)
    trial, packaged = (
        read_json(file) for file in (run.get_best_child().path / "spec.json", run.model_path / NETWORK_FILE)
    )
    assert trial["geometry"] == packaged["geometry"]
    assert network.geometry is not None
    assert f"fit{network.geometry.height}x{network.geometry.width}-" in files[0]


def test_a_trial_whose_spec_has_no_geometry_decides_it_before_it_decodes(tmp_path: Path):
    data = write_boxes(tmp_path / "data", {})
    dataset = Dataset.open(data).with_splits(np.array(["train"] * 12 + ["val"] * 6, "<U8"))
    spec = small_detector_trial(tmp_path, dataset, model_name=FRCNN, number_of_epochs=1)
    assert spec.geometry is None
    train(spec, RecordingReporter())
    geometry = read_network(Path(spec.folder)).geometry
    assert geometry == decide_geometry(dataset, spec.hyperparameters)
    (index,) = Path(spec.cache).glob("*.index")
    assert "fit{}x{}-".format(*kept_size(spec.hyperparameters, geometry)) in index.name


def test_a_checkpoint_of_another_network_or_format_is_refused(tmp_path: Path, lost: TrialSpec):
    trial = Path(shutil.copytree(lost.folder, tmp_path / "trial"))
    spec = lost.model_copy(update={"folder": str(trial)})
    described = read_json(trial / NETWORK_FILE)
    trained = described["geometry"]["anchor_scale"]
    described["geometry"]["anchor_scale"] = 3.3
    write_json(trial / NETWORK_FILE, described)
    with pytest.raises(TrialError, match=rf"belongs to another network \(geometry\.anchor_scale: {trained}, not 3\.3"):
        train(spec, RecordingReporter())
    torch.save({"model": {}, "seconds": 1.0}, trial / "checkpoint.pt")
    with pytest.raises(TrialError, match=r"format version 1, this program reads 2: resume the trial with the version"):
        train(spec, RecordingReporter())


def test_weights_that_do_not_fit_say_how_their_network_differs(lost: TrialSpec, boxes: Dataset, tmp_path: Path):
    earlier = str(Path(lost.folder) / "weights.safetensors")
    spec = small_detector_trial(tmp_path, boxes, model_name=FRCNN, start_from=earlier, number_of_epochs=1)
    with pytest.raises(WeightsUnavailableError, match=r"have another shape.*classes: 2, not 1"):
        train(spec, RecordingReporter())


CLASSIFIERS = [("image-classification", SMALL_MODEL), ("image-classification-multi-label", "test_vit")]
DETECTORS = [
    (DETECTION, FRCNN),
    (DETECTION, "retinanet_test_efficientnet_fpn"),
    (DETECTION, "fcos_test_efficientnet_fpn"),
    (DETECTION, "tood"),
    ("image-instance-segmentation", "maskrcnn_test_efficientnet_fpn"),
]


@pytest.mark.parametrize(("task", "name"), CLASSIFIERS + DETECTORS)
def test_a_description_builds_the_same_network(task: str, name: str, tmp_path: Path):
    settings = small_hyperparameters(drop_rate=0.3) if (task, name) in CLASSIFIERS else small_detector(task, name)
    geometry = Geometry(64, 96, lowest=3, highest=6, anchor_scale=2.5) if (task, name) in DETECTORS else None
    made = create_model(name, task=task, classes=3, hyperparameters=settings, geometry=geometry)
    made.description.save(tmp_path)
    again = build_network(read_network(tmp_path))
    assert again.description == made.description
    assert differences(again.description, made.description) == []
    again.network.load_state_dict(made.network.state_dict())
    assert str(again.network) == str(made.network)
    images = torch.rand(1, 3, *(geometry.size if geometry else (32, 32)))
    with torch.inference_mode():
        outputs = [model.network.eval()(images) for model in (made, again)]
    for first, second in zip(*([each] if torch.is_tensor(each) else each for each in outputs), strict=True):
        assert torch.equal(first, second)
    assert {"automl-vision", "torch", "timm"} <= made.description.versions.keys()

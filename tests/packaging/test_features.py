"""The features that an exported network returns, and what packaging keeps of validation images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from automl_vision.core.files import write_json
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.models.featured import FeaturedNetwork, has_features
from automl_vision.models.model import Model
from automl_vision.models.registry import create_model
from automl_vision.packaging.exporters import EXPORTERS, Exported
from automl_vision.packaging.formats import FORMATS, Source
from automl_vision.packaging.package import package
from automl_vision.recipes.catalog import family_of
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.observations import Observer, Reference
from automl_vision.serving.runtimes import FEATURES, RUNTIMES, OnnxRuntime
from automl_vision.training.trial import train
from conftest import RecordingReporter

NETWORKS = [
    ("image-classification", "test_efficientnet", None, 1),
    ("image-object-detection", "fasterrcnn_test_efficientnet_fpn", Geometry(64, 96, highest=5, detections=20), 3),
    ("image-object-detection", "retinanet_test_efficientnet_fpn", Geometry(64, 96, highest=5, detections=20), 3),
]


def made(task: str, name: str, geometry: Geometry | None) -> Model:
    torch.manual_seed(0)
    typed = family_of(task, name).model_validate({"pretrained": False})
    model = create_model(name, task=task, classes=3, hyperparameters=typed, geometry=geometry)
    model.network.eval()
    return model


@pytest.mark.parametrize(("task", "name", "geometry", "outputs"), NETWORKS, ids=[name for _, name, *_ in NETWORKS])
def test_features_are_exported_beside_what_predictions_need(
    tmp_path: Path, task: str, name: str, geometry: Geometry | None, outputs: int
) -> None:
    network = made(task, name, geometry).network
    size = (64, 64) if geometry is None else geometry.size
    names = ["logits"] if geometry is None else ["boxes", "scores", "labels"]
    file = EXPORTERS["onnx"].export(Exported(name, network, size, names), tmp_path)
    inputs = torch.randn(3, 3, *size)
    with torch.inference_mode():
        *_, wanted = FeaturedNetwork(network)(inputs)
    *predicted, features = OnnxRuntime().open_with_features(tmp_path, threads=1)(inputs.numpy())
    np.testing.assert_allclose(features, wanted.numpy(), atol=1e-4)
    assert features.ndim == 2 and features.std(axis=0).max() > 0
    assert len(predicted) == outputs
    for runtime in RUNTIMES.values():
        if runtime.precision == "fp32" and runtime.reads(tmp_path):
            assert len(runtime.open(tmp_path, threads=1)(inputs.numpy())) == outputs
    small = tmp_path / "model.int8.onnx"
    next(FORMATS["onnx-int8"].attempts(Source(file, [inputs[:1].numpy()]), small))
    assert [output.name for output in onnx.load(small).graph.output] == names


def test_a_network_without_a_linear_head_is_exported_without_features(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()).eval()
    assert not has_features(network)
    EXPORTERS["onnx"].export(Exported("small", network, (8, 8), ["logits"]), tmp_path)
    logits, features = OnnxRuntime().open_with_features(tmp_path, threads=1)(np.zeros((2, 3, 8, 8), np.float32))
    assert (logits.shape, features.shape) == ((2, 4), (2, 0))
    assert FEATURES not in [output.name for output in onnx.load(tmp_path / "model.onnx").graph.output]


def test_packaging_keeps_what_was_seen_of_validation_images(
    shapes: Dataset, make_spec: Callable[..., TrialSpec], tmp_path: Path
) -> None:
    spec = make_spec(shapes.with_validation(0.4), number_of_epochs=1)
    train(spec, RecordingReporter())
    write_json(Path(spec.folder) / "spec.json", spec.model_dump())
    folder = package(spec.folder, tmp_path / "model")
    reference = Reference.load(folder)
    recorded = Predictions.load(Path(spec.folder) / PREDICTIONS_FILE).of_split("val")
    dataset = Dataset.load(spec.manifest)
    assert len(reference.observations) == len(recorded.rows) == (dataset.splits == "val").sum()
    assert reference.answers.tolist() == [1] * len(recorded.rows)
    logits = np.stack(recorded.table["logits"].to_pylist())
    truth = dataset.targets[recorded.rows].argmax(axis=1)
    assert reference.right.sum() == (logits.argmax(axis=1) == truth).sum()
    assert reference.confidence == pytest.approx(reference.observations.confidence, abs=1e-3)
    assert ModelDescription.load(folder).labeling is None  # of a whole image people see the answer in any case
    thresholds = ModelDescription.load(folder).precision_thresholds
    score = reference.confidence
    for entry in thresholds:
        assert reference.right[score >= entry.threshold - 1e-6].mean() >= entry.precision - 1e-6
        assert entry.fitted_on == len(recorded.rows)
    observer = Observer(folder)
    row = int(recorded.rows[np.random.default_rng(0).permutation(len(recorded.rows))[0]])
    again, _ = observer.observe(observer.processor.preprocess(dataset[row].read()))
    np.testing.assert_allclose(again.features[0], reference.observations.features[0], atol=1e-3)
    np.testing.assert_allclose(again.figures[0], reference.observations.figures[0], atol=1e-5)

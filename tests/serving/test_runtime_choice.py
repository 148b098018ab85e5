"""Which runtime predicts: measured among proven ones, remembered per machine and model, or as asked."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from automl_vision.core.errors import ImageError, ModelFolderError
from automl_vision.core.tasks import TASKS
from automl_vision.models.registry import create_model
from automl_vision.packaging.exporters import EXPORTERS, Exported
from automl_vision.recipes.catalog import family_of
from automl_vision.recipes.deployment import create_deployment
from automl_vision.recipes.geometry import Geometry
from automl_vision.serving import device
from automl_vision.serving.agreement import disagreement
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.runtimes import RUNTIMES, Network, OnnxRuntime, register_runtime
from conftest import CLASSES
from model_folders import CANVAS, write_classifier, write_detector

HAS_OPENVINO = RUNTIMES["openvino"].absent() is None
needs_openvino = pytest.mark.skipif(not HAS_OPENVINO, reason="OpenVINO is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOML_VISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(RUNTIMES)
    yield
    RUNTIMES.clear()
    RUNTIMES.update(before)


def pictures(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (40, 50, 3), dtype=np.uint8) for _ in range(count)]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_runtimes_are_measured_once_and_the_choice_is_kept_outside_the_folder(tmp_path: Path, own_cache: Path):
    folder = write_classifier(tmp_path / "model")
    before = contents(folder)
    predictor = Predictor(folder)
    predictor(pictures(1))
    predictor(pictures(15))
    assert (predictor.choice.runtime, predictor.choice.measured) == ("onnx", ())
    assert "when 16 images come at once" in str(predictor.choice)
    found = predictor(pictures(16))
    assert len(found) == 16
    measured = {timing.runtime for timing in predictor.choice.measured}
    assert measured == ({"onnx", "openvino"} if HAS_OPENVINO else {"onnx"})
    fastest = max(predictor.choice.measured, key=lambda timing: timing.images_per_second)
    assert predictor.choice.runtime == fastest.runtime
    assert contents(folder) == before
    if HAS_OPENVINO:
        assert len(list((own_cache / "runtimes").iterdir())) == 1
        again = Predictor(folder)
        assert again.choice == predictor.choice
        assert f"runtime='{fastest.runtime}'" in repr(again)


@needs_openvino
@pytest.mark.parametrize("change", ["model", "threads", "damage", "foreign"])
def test_a_choice_is_only_used_where_it_was_measured(tmp_path: Path, own_cache: Path, change: str):
    folder = write_classifier(tmp_path / "model")
    Predictor(folder).choose(pictures(2))
    (file,) = (own_cache / "runtimes").iterdir()
    if change == "model":
        folder = write_classifier(tmp_path / "other", task="image-classification-multi-label")
    elif change == "damage":
        file.write_bytes(file.read_bytes()[:40])
    elif change == "foreign":
        file.write_text(json.dumps({**json.loads(file.read_text()), "runtime": "os.system"}))
    assert Predictor(folder, threads=1 if change == "threads" else 0).choice.measured == ()


@needs_openvino
def test_a_server_measures_when_it_starts(tmp_path: Path):
    predictor = Predictor(write_detector(tmp_path / "model"), threads=1)
    choice = predictor.choose()
    assert {timing.runtime for timing in choice.measured} == {"onnx", "openvino"}
    assert {timing.threads for timing in choice.measured} == {1}
    assert predictor.choose() is choice


ENTRIES: list[tuple[dict[str, Any], str | None]] = [
    ({}, "never compared with single precision; do it with: automl-vision export MODEL --format onnx-int8"),
    ({"onnx-int8": {"file": "model.int8.onnx", "refused": "it loses 3 %", "difference": {}}}, "refused: it loses 3 %"),
    ({"onnx-int8": {"file": "model.int8.onnx", "difference": {"low": 0.0}}}, None),
]


@pytest.mark.parametrize(("formats", "reason"), ENTRIES)
def test_only_a_proven_precision_takes_part(tmp_path: Path, formats: dict[str, Any], reason: str | None):
    folder = write_classifier(tmp_path / "model")
    shutil.copyfile(folder / "model.onnx", folder / "model.int8.onnx")
    replace(ModelDescription.load(folder), formats=formats).save(folder)
    choice = Predictor(folder).choose()
    if reason is None and not device.sums_8_bit_exactly():
        reason = "this processor has no VNNI instructions, without which sums of 8-bit integers may saturate"
    assert choice.left_out.get("onnx-int8") == reason
    assert ("onnx-int8" in {timing.runtime for timing in choice.measured}) == (reason is None)
    assert Predictor(folder, precision="int8").choice.runtime == "onnx-int8"  # who asks for it gets it


class Wrong(OnnxRuntime):
    """Answers that are off by a little more than single precision explains."""

    name = "wrong"

    def open(self, folder: Path, *, threads: int) -> Network:
        right = super().open(folder, threads=threads)
        return lambda inputs: [output + np.linspace(0, 0.1, output.shape[1], dtype="f") for output in right(inputs)]


class Failing(OnnxRuntime):
    name = "failing"

    def open(self, folder: Path, *, threads: int) -> Network:
        def run(inputs: np.ndarray) -> list[np.ndarray]:
            raise RuntimeError("no memory on the device")

        return run


def test_a_runtime_that_answers_otherwise_or_fails_is_left_out(tmp_path: Path):
    register_runtime(Wrong)
    register_runtime(Failing)
    choice = Predictor(write_classifier(tmp_path / "model")).choose(pictures(4))
    assert "its probabilities differ by up to 0.0" in choice.left_out["wrong"]
    assert choice.left_out["failing"] == "it failed (no memory on the device)"
    assert choice.runtime in ("onnx", "openvino")


MISTAKES = [
    ({"runtime": "cudo"}, 'no runtime is named "cudo". Did you mean "cuda"'),
    ({"precision": "int4"}, 'no precision is named "int4". Did you mean "int8"'),
    ({"precision": "int8"}, "has no model.int8.onnx, because it was refused: it loses 3 %; use the runtime onnx"),
    ({"runtime": "onnx", "precision": "int8"}, "because it was refused: it loses 3 %; use the runtime onnx"),
    ({"runtime": "onnx", "precision": "bf16"}, "the runtime onnx computes in fp32, int8, fp16, not in bf16"),
    ({"runtime": "openvino-int8", "precision": "bf16"}, "the runtime openvino-int8 computes in int8, not in bf16"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_names_the_way_out(tmp_path: Path, arguments: dict[str, str], message: str):
    folder = write_classifier(tmp_path / "model")
    replace(ModelDescription.load(folder), formats={"onnx-int8": {"refused": "it loses 3 %"}}).save(folder)
    with pytest.raises(ModelFolderError) as raised:
        Predictor(folder, **arguments)
    assert message in str(raised.value)


@pytest.mark.skipif(bool(device.gpu_names()), reason="this machine has a GPU")
@pytest.mark.parametrize("runtime", ["cuda", "tensorrt"])
@pytest.mark.parametrize("precision", [None, "fp16"])
def test_a_gpu_runtime_without_a_gpu_says_what_to_use(tmp_path: Path, runtime: str, precision: str | None):
    folder = write_classifier(tmp_path / "model")
    with pytest.raises(ModelFolderError, match=r"needs an NVIDIA GPU, .*; use the runtime onnx, or name none"):
        Predictor(folder, runtime=runtime, precision=precision)


@needs_openvino
def test_a_family_and_a_precision_are_one_runtime(tmp_path: Path):
    folder = write_classifier(tmp_path / "model")
    assert Predictor(folder, runtime="openvino").choice.precision == "fp32"
    if device.computes_bfloat16():
        predictor = Predictor(folder, runtime="openvino", precision="bf16", threads=1)
        assert (predictor.choice.runtime, predictor.choice.threads) == ("openvino-bf16", 1)


@needs_openvino
def test_openvino_answers_several_threads_at_once(tmp_path: Path):
    predictor = Predictor(write_classifier(tmp_path / "model"), runtime="openvino")
    images = pictures(32)
    wanted = [predictor(image)[0].logits for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: predictor(image)[0].logits, images))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


NETWORKS = [
    ("image-classification", "test_efficientnet", {}),
    ("image-classification-multi-label", "test_efficientnet", {}),
    ("image-object-detection", "fasterrcnn_test_efficientnet_fpn", {"min_size": 80}),
    ("image-instance-segmentation", "maskrcnn_test_efficientnet_fpn", {"min_size": 80}),
]


@needs_openvino
@pytest.mark.parametrize(("task", "name", "settings"), NETWORKS, ids=[task for task, *_ in NETWORKS])
def test_runtimes_in_single_precision_agree(tmp_path: Path, task: str, name: str, settings: dict[str, Any]):

    torch.manual_seed(0)
    typed = family_of(task, name).model_validate({"pretrained": False, **settings})
    geometry = Geometry(64, 96, highest=5, detections=20) if TASKS[task].labels_objects else None
    model = create_model(name, task=task, classes=3, hyperparameters=typed, geometry=geometry)
    network = model.network.eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:  # heads start from nearly nothing, and equal scores have no order
                parameter.normal_(0, parameter[0].numel() ** -0.5)
    deployment = create_deployment(task, typed, model.description.geometry)
    preprocessing = deployment.preprocessing(model.normalization)
    EXPORTERS["onnx"].export(Exported(name, network, preprocessing.input_size, deployment.output_names), tmp_path)
    objects = deployment.object_settings
    thresholds = (0.25,) * 3 if objects is not None or TASKS[task].kind == "labels" else ()
    description = ModelDescription(task, CLASSES, preprocessing, 1.0, thresholds, name, name, objects=objects)
    inputs = np.random.default_rng(0).normal(size=(3, 3, *preprocessing.input_size)).astype(np.float32)
    one, other = (RUNTIMES[each].open(tmp_path, threads=1)(inputs) for each in ("onnx", "openvino"))
    if objects is not None:
        assert (one[1] >= 0.25).any()  # there is something to compare
    assert disagreement(one, other, description) is None
    moved = [other[0] + (40 if objects is not None else np.arange(3, dtype="f")), *other[1:]]
    assert disagreement(one, moved, description) is not None


def test_objects_are_compared_by_class_place_and_mask(tmp_path: Path):
    folder = write_detector(tmp_path / "model", masks=True)
    description = ModelDescription.load(folder)
    outputs = RUNTIMES["onnx"].open(folder, threads=1)(np.zeros((2, 3, *CANVAS), np.float32))
    boxes, scores, labels, masks = outputs
    assert disagreement(outputs, outputs, description) is None
    order = [1, 0, 2]
    assert disagreement(outputs, [each[:, order] for each in outputs], description) is None
    for changed in (
        [boxes + 9, scores, labels, masks],
        [boxes, scores, (labels + 1) % 3, masks],
        [boxes, scores, labels, 1 - masks],
        [boxes[:, :2], scores[:, :2], labels[:, :2], masks[:, :2]],
    ):
        assert disagreement(outputs, changed, description) is not None
    assert disagreement(outputs, [boxes + 9, scores * 0, labels, masks], description) is not None


@pytest.mark.parametrize("write", [write_classifier, write_detector])
def test_an_image_is_the_same_as_array_picture_and_file(tmp_path: Path, write: Any):
    predictor = Predictor(write(tmp_path / "model"))
    (pixels,) = pictures(1)
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "a.png")
    inputs = [predictor.preprocess(each) for each in (pixels, picture, tmp_path / "a.png", picture.convert("RGBA"))]
    for each in inputs[1:]:
        np.testing.assert_array_equal(each, inputs[0])
    for bad in (np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8)):
        with pytest.raises(ImageError, match="an array must be"):
            predictor.preprocess(bad)


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "20000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({}, None),
    ],
)
def test_cores_are_those_of_the_affinity_and_the_control_group(tmp_path: Path, files: dict[str, str], most: int | None):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    allowed = len(os.sched_getaffinity(0))
    assert device.usable_cores(tmp_path) == (allowed if most is None else min(most, allowed))

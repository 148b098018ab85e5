"""Features through OpenVINO: those of PyTorch, from a network that is converted once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.models.frozen import TOLERANCE, Features, frozen_file, open_frozen
from automl_vision.models.image_model import ImageModel
from automl_vision.models.registry import create_model
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.recipes.network import WeightsOrigin

pytest.importorskip("openvino")
ORIGIN = WeightsOrigin("package", "small weights", None)
SIZE = (64, 64)


@pytest.fixture
def model() -> ImageModel:
    torch.manual_seed(0)
    settings = ClassificationHyperparameters.model_validate({"pretrained": False})
    made = create_model("test_efficientnet", task=CLASSIFICATION, classes=3, hyperparameters=settings)
    return ImageModel(made.network, made.normalization).eval()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_VISION_CACHE", str(tmp_path / "cache"))


def photos(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_features_are_those_of_pytorch_for_any_number_of_images(model: ImageModel, precision: str) -> None:
    file = frozen_file("test_efficientnet", ORIGIN, SIZE)
    assert file is not None
    extract = open_frozen(Features(model), file, photos(4), precision=precision)
    assert extract is not None
    for count in (1, 3, 8):
        images = photos(count)
        with torch.inference_mode():
            wanted = model.features(images)
        apart = (extract(images) - wanted).abs().mean() / wanted.std()
        assert apart <= TOLERANCE["f32" if precision == "fp32" else "bf16"]
    layout = photos(4).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(extract(layout), extract(photos(4)))


def test_a_network_is_converted_once_and_compared_each_time(model: ImageModel) -> None:
    file = frozen_file("test_efficientnet", ORIGIN, SIZE)
    assert file is not None
    assert open_frozen(Features(model), file, photos(2), precision="fp32") is not None
    written = file.stat().st_mtime_ns
    assert open_frozen(Features(model), file, photos(2), precision="fp32") is not None
    assert file.stat().st_mtime_ns == written
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    # another network under the same name
    assert open_frozen(Features(model), file, photos(2), precision="fp32") is None


def test_files_differ_by_what_the_features_depend_on() -> None:
    files = {
        frozen_file("resnet18", ORIGIN, SIZE),
        frozen_file("resnet34", ORIGIN, SIZE),
        frozen_file("resnet18", WeightsOrigin("hub", "small weights", None), SIZE),
        frozen_file("resnet18", ORIGIN, (64, 96)),
        frozen_file("resnet18", ORIGIN, SIZE, part="conv1 bn1"),
    }
    assert len(files) == 5
    assert frozen_file("resnet18", WeightsOrigin("file", "x", None), SIZE) is None

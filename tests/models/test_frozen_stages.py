"""Frozen stages through OpenVINO: what PyTorch would compute, for the stages after them and for their gradients."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.models.frozen_stages import FrozenStages, frozen_chain, open_frozen_stages
from automl_vision.models.image_model import ImageModel
from automl_vision.models.model import Model
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.network import WeightsOrigin
from conftest import small_detector, small_hyperparameters

pytest.importorskip("openvino")
ORIGIN = WeightsOrigin("package", "small weights", None)
DETECTION, DETECTOR = "image-object-detection", "fasterrcnn_test_efficientnet_fpn"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_VISION_CACHE", str(tmp_path / "cache"))


def photos(count: int, size: tuple[int, int] = (64, 64)) -> Tensor:
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def made(name: str, stages: int, *, origin: WeightsOrigin = ORIGIN) -> tuple[Model, ImageModel]:
    """A classifier that claims to have its random weights from a package."""
    torch.manual_seed(0)
    source = create_model(name, task=CLASSIFICATION, classes=3, hyperparameters=small_hyperparameters())
    return frozen(source, stages, origin)


def frozen(source: Model, stages: int, origin: WeightsOrigin = ORIGIN) -> tuple[Model, ImageModel]:
    source = Model(source.network, source.description.model_copy(update={"weights": origin}))
    model = ImageModel(source.network, source.normalization)
    freeze_stages(model.network, stages)
    return source, model


def opened(source: Model, model: ImageModel, images: Tensor) -> FrozenStages:
    stages = open_frozen_stages(source, model, images, precision="fp32")
    assert stages is not None
    return stages


def gradients(model: ImageModel, images: Tensor) -> list[Tensor]:
    model.zero_grad()
    model(images).logsumexp(1).sum().backward()
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(
    ("name", "stages", "chain"),
    [
        ("test_efficientnet", 0, ()),
        ("test_efficientnet", 2, ("conv_stem", "bn1", "blocks.0.0")),
        ("resnet18", 2, ("conv1", "bn1", "act1", "maxpool", "layer1.0", "layer1.1")),
        ("test_convnext", 2, ("stem.0", "stem.1", "stages.0")),
    ],
)
def test_the_chain_is_what_is_frozen_in_the_order_of_its_calls(name: str, stages: int, chain: tuple[str, ...]) -> None:
    _, model = made(name, stages)
    assert frozen_chain(model, photos(2)) == chain


def test_a_chain_ends_before_what_draws_random_numbers() -> None:
    _, model = made("resnet18", 3)
    model.network.layer1[1].drop_path = nn.Dropout(0.5)
    assert frozen_chain(model, photos(2))[-1] == "layer1.0"


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_outputs_and_gradients_are_those_of_pytorch(layout: torch.memory_format) -> None:
    source, model = made("test_efficientnet", 3)
    model.to(memory_format=layout)
    stages = opened(source, model, photos(4))
    for count in (1, 5):
        images = photos(count).contiguous(memory_format=layout)
        wanted, wanted_gradients = model(images), gradients(model, images)
        with stages.within(model):
            found, found_gradients = model(images), gradients(model, images)
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
        assert len(found_gradients) == len(wanted_gradients) > 0
        for one, other in zip(found_gradients, wanted_gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3)


def test_a_copy_takes_the_same_stages_and_keeps_nothing_of_them() -> None:
    source, model = made("test_efficientnet", 3)
    stages, averaged = opened(source, model, photos(4)), copy.deepcopy(model)
    with torch.no_grad():
        averaged.network.conv_stem.weight.zero_()  # it is not computed
        wanted = model.eval()(photos(3))
        with stages.within(averaged.eval()):
            torch.testing.assert_close(averaged(photos(3)), wanted, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(averaged(photos(3)), wanted, atol=1e-2)
    assert averaged.state_dict().keys() == model.state_dict().keys()


def test_images_of_another_size_are_left_to_pytorch() -> None:
    source, model = made("test_efficientnet", 3)
    stages = opened(source, model, photos(4))
    larger = photos(2, (96, 64))
    with torch.no_grad(), stages.within(model.eval()):
        found = model(larger)
    torch.testing.assert_close(found, model(larger))


def test_weights_that_are_no_longer_those_of_their_name_stay_with_pytorch() -> None:
    source, model = made("test_efficientnet", 3)
    opened(source, model, photos(4))
    with torch.no_grad():
        model.network.conv_stem.weight.add_(0.3 * torch.randn_like(model.network.conv_stem.weight))
    assert open_frozen_stages(source, model, photos(4), precision="fp32") is None
    unknown = made("test_efficientnet", 3, origin=WeightsOrigin())
    assert open_frozen_stages(*unknown, photos(4), precision="fp32") is None
    assert open_frozen_stages(*made("test_efficientnet", 0), photos(4), precision="fp32") is None


def test_what_saves_less_than_it_takes_is_not_converted() -> None:
    source, model = made("test_efficientnet", 3)
    assert open_frozen_stages(source, model, photos(4), precision="fp32", saved=4.0) is None
    assert open_frozen_stages(source, model, photos(4), precision="fp32", saved=6.0) is not None
    assert open_frozen_stages(source, model, photos(4), precision="fp32", saved=4.0) is not None  # it is kept
    assert open_frozen_stages(source, model, photos(4), precision="fp32", saved=1.0) is None


@pytest.mark.parametrize(("lowest", "last"), [(3, "blocks.2.0"), (2, "blocks.1.0")])
def test_stages_end_where_a_pyramid_takes_a_map(lowest: int, last: str) -> None:
    geometry = Geometry(96, 128, lowest=lowest, highest=6, detections=20)
    source = create_model(
        DETECTOR, task=DETECTION, classes=2, hyperparameters=small_detector(DETECTION, DETECTOR), geometry=geometry
    )
    source, model = frozen(source, 4)
    images = photos(2, (96, 128))
    stages = opened(source, model, images)
    assert stages.names[-1] == last
    with torch.no_grad():
        wanted = model.features(images)
        with stages.within(model):
            torch.testing.assert_close(model.features(images), wanted, rtol=1e-3, atol=1e-4)

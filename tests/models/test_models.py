"""Algorithms by name, and where their weights come from."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from automl_vision.core.errors import HubUnreachableError, UnknownModelError, WeightsUnavailableError
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.models.image_model import ImageModel
from automl_vision.models.registry import create_model
from automl_vision.models.weights import read_state_dict
from automl_vision.recipes.catalog import BACKBONES, BUNDLED_WEIGHTS, architecture_of, describe_model, list_models
from conftest import SMALL_MODEL, small_hyperparameters


@pytest.mark.parametrize(("name", "architecture"), BACKBONES.items())
def test_every_name_has_an_architecture(name: str, architecture: str):
    assert timm.is_model(architecture)
    assert architecture_of(name, "image-classification") == architecture
    description = describe_model(name)
    assert description.parameters > 1e6
    assert description.licence == "apache-2.0"
    assert description.weights == ("package" if architecture in BUNDLED_WEIGHTS else "hub")


def test_models_are_listed_by_pattern():
    assert list_models("resnet*")[:5] == ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    assert "convnext_tiny" in list_models("convnext_*")
    assert list_models("*", task="image-classification")[0] == "efficientnet_lite0"
    assert list_models("nothing-like-this*") == []


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(UnknownModelError, match='Did you mean "resnet50"'):
        architecture_of("resnet5O", "image-classification")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"])
def test_bundled_weights_are_loaded(name: str):
    hyperparameters = small_hyperparameters(pretrained=True)
    model = create_model(name, task=CLASSIFICATION, classes=3, hyperparameters=hyperparameters)
    assert model.weights.source == "package"
    random = create_model(name, task=CLASSIFICATION, classes=3, hyperparameters=small_hyperparameters())
    assert not torch.equal(model.network.conv_stem.weight, random.network.conv_stem.weight)
    assert model.network.bn1.running_mean.abs().sum() > 0
    assert model.network(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_without_a_hub_one_sentence_names_the_ways_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    start = time.monotonic()
    with pytest.raises(HubUnreachableError) as caught:
        create_model("resnet18", task=CLASSIFICATION, classes=3, hyperparameters=small_hyperparameters(pretrained=True))
    assert time.monotonic() - start < 10
    for way in ("weights=PATH", "efficientnet_lite0", "pretrained=0"):
        assert way in str(caught.value)


@pytest.mark.parametrize("kind", ["file.safetensors", "file.pth", "checkpoint.pt", "folder"])
def test_local_weights_are_loaded(tmp_path: Path, kind: str):
    source = create_model(SMALL_MODEL, task=CLASSIFICATION, classes=7, hyperparameters=small_hyperparameters()).network
    state = source.state_dict()
    path = tmp_path / (kind if kind != "folder" else "model.safetensors")
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state} if kind == "checkpoint.pt" else state, path)
    given = tmp_path if kind == "folder" else path
    hyperparameters = small_hyperparameters(pretrained=True, weights=str(given))
    model = create_model(SMALL_MODEL, task=CLASSIFICATION, classes=3, hyperparameters=hyperparameters)
    assert torch.equal(model.network.conv_stem.weight, source.conv_stem.weight)
    assert model.network.classifier.weight.shape[0] == 3
    assert model.weights.source == "file"


@pytest.mark.parametrize(("size", "weights_size"), [(96, None), (160, None), (96, 128)])
def test_a_vision_transformer_takes_weights_of_another_size(tmp_path: Path, size: int, weights_size: int | None):
    """Its position embedding is resampled, whether its weights are of the published size or of a third one."""
    source = timm.create_model("test_vit", num_classes=7, **({"img_size": weights_size} if weights_size else {}))
    torch.nn.init.normal_(source.pos_embed, std=0.02, generator=torch.Generator().manual_seed(0))
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    hyperparameters = small_hyperparameters(
        pretrained=True, weights=str(tmp_path), validation_crop_size=size, validation_resize_size=size
    )
    network = create_model("test_vit", task=CLASSIFICATION, classes=7, hyperparameters=hyperparameters).network
    assert torch.equal(network.patch_embed.proj.weight, source.patch_embed.proj.weight)
    corners = [embedding[0, [-1]] for embedding in (network.pos_embed, source.pos_embed)]  # of the last patch
    assert torch.cosine_similarity(*corners).item() > 0.5
    assert network.eval()(torch.zeros(1, 3, size, size)).shape == (1, 7)


def test_weights_of_another_transformer_are_told_apart(tmp_path: Path):
    torch.save({"blocks.0.norm1.weight": torch.zeros(3), "pos_embed": torch.zeros(1, 5, 3)}, tmp_path / "w.pth")
    hyperparameters = small_hyperparameters(
        pretrained=True, weights=str(tmp_path), validation_crop_size=96, validation_resize_size=96
    )
    with pytest.raises(WeightsUnavailableError, match="do not fit test_vit at 96 px"):
        create_model("test_vit", task=CLASSIFICATION, classes=3, hyperparameters=hyperparameters)


class _Payload:
    """Would run code when unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/executed"),))


def test_weights_never_execute_code(tmp_path: Path):
    torch.save({"w": _Payload()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsUnavailableError, match="no weights can be read"):
        read_state_dict(tmp_path / "evil.pth")
    assert not Path("/tmp/executed").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "neither a weights file nor a folder"),
        ({"conv_stem.weight": torch.zeros(1)}, "do not fit this model"),
        ({"a": 1}, "does not hold a state dict"),
    ],
)
def test_unusable_local_weights_are_told(tmp_path: Path, content: object, message: str):
    path = tmp_path / "w.pth"
    if content is not None:
        torch.save(content, path)
    hyperparameters = small_hyperparameters(pretrained=True, weights=str(path if content else tmp_path))
    with pytest.raises(WeightsUnavailableError, match=message):
        create_model(SMALL_MODEL, task=CLASSIFICATION, classes=3, hyperparameters=hyperparameters)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_vit", "test_convnext", "test_byobnet"])
def test_features_and_head_give_the_logits(name: str):
    """What a probe is fitted on is what the head sees, for every family."""
    hyperparameters = small_hyperparameters(validation_crop_size=160, validation_resize_size=160)
    model = create_model(name, task=CLASSIFICATION, classes=4, hyperparameters=hyperparameters)
    image_model = ImageModel(model.network, model.normalization).eval()
    images = torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8)
    with torch.no_grad():
        assert image_model.head is not None
        torch.testing.assert_close(image_model.head(image_model.features(images)), image_model(images))


def test_pixels_are_normalised():
    model = create_model(SMALL_MODEL, task=CLASSIFICATION, classes=2, hyperparameters=small_hyperparameters())
    image_model = ImageModel(model.network, model.normalization).eval()
    pixels = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (model.normalization.mean, model.normalization.std))
    with torch.no_grad():
        torch.testing.assert_close(image_model(pixels), model.network((pixels / 255 - mean) / std))

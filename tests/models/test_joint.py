"""One network of several classifiers: the mean of their calibrated logits, also where their inputs differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from automl_vision.core.errors import WeightsUnavailableError
from automl_vision.core.tasks import CLASSIFICATION
from automl_vision.models.image_model import linear_head, pooled_features
from automl_vision.models.joint import Trained, joined
from automl_vision.models.model import Model
from automl_vision.models.networks import load_model, start_from
from automl_vision.models.registry import create_model
from automl_vision.packaging.exporters import EXPORTERS, Exported
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.recipes.joint_input import joint_input
from automl_vision.recipes.network import read_network
from automl_vision.recipes.normalization import Normalization

CLASSES = 3


def trained(
    seed: int, side: int, temperature: float, *, name: str = "test_efficientnet", share: float = 0.5
) -> Trained:
    torch.manual_seed(seed)
    settings = ClassificationHyperparameters.model_validate({"pretrained": False})
    made = create_model(name, task=CLASSIFICATION, classes=CLASSES, hyperparameters=settings)
    nn.init.normal_(linear_head(made.network).weight)  # type: ignore[union-attr]
    made.network.eval()
    return Trained(made, side, temperature, share)


def logits(member: Trained, images: Tensor) -> Tensor:
    """As the member alone gives them; before its head is taken away."""
    with torch.inference_mode():
        return member.model.network(images) / member.temperature


def images(side: int, count: int = 4) -> Tensor:
    return torch.randn((count, 3, side, side), generator=torch.Generator().manual_seed(0))


def answered(model: Model, shown: Tensor) -> Tensor:
    with torch.inference_mode():
        return model.network(shown)


def test_logits_are_the_mean_of_the_calibrated_ones():
    members = [
        trained(0, 64, 1.0, share=0.5), trained(1, 64, 2.5, share=0.2), trained(2, 64, 0.7, share=0.3, name="resnet18"),
    ]  # fmt: skip
    shown = images(64)
    alone = torch.stack([member.share * logits(member, shown) for member in members]).sum(dim=0)
    joint = joined(members, joint_input([(72, 64)] * 3), CLASSIFICATION)
    torch.testing.assert_close(answered(joint, shown), alone, rtol=1e-4, atol=1e-4)
    assert joint.description.algorithm == "test_efficientnet + test_efficientnet + resnet18"


def test_each_member_sees_the_same_part_of_an_image_at_its_own_size():
    small, large = trained(0, 56, 1.0), trained(1, 96, 1.0)
    shown = joint_input([(64, 56), (96, 96)])
    assert (shown.resize, shown.crop, shown.crops) == (96, 96, (84, 96))
    picture = images(96)
    its_part = F.interpolate(picture[:, :, 6:90, 6:90], size=(56, 56), mode="bilinear", align_corners=False)
    alone = (logits(small, its_part) + logits(large, picture)) / 2
    torch.testing.assert_close(
        answered(joined([small, large], shown, CLASSIFICATION), picture), alone, rtol=1e-4, atol=1e-4
    )


def test_a_member_sees_the_mirror_image_too_where_that_is_wanted():
    first, second = trained(0, 64, 1.5, share=0.7), trained(1, 64, 1.0, share=0.3)
    shown = images(64)
    plain, mirrored, other = logits(first, shown), logits(first, shown.flip(3)), logits(second, shown)
    joint = joined([replace(first, views="both"), second], joint_input([(64, 64)] * 2), CLASSIFICATION)
    mean = 0.7 * (plain + mirrored) / 2 + 0.3 * other
    torch.testing.assert_close(answered(joint, shown), mean, rtol=1e-4, atol=1e-4)
    alone = joined([replace(trained(0, 64, 1.5), views="mirror image")], joint_input([(64, 64)]), CLASSIFICATION)
    torch.testing.assert_close(answered(alone, shown), 0.5 * mirrored, rtol=1e-4, atol=1e-4)


def test_each_member_gets_its_own_normalisation():
    first, second = trained(0, 64, 1.0), trained(1, 64, 1.0)
    other = Normalization((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    second = Trained(
        Model(second.model.network, second.model.description.model_copy(update={"normalization": other})), 64, 1.0, 0.5
    )
    pixels = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(0))

    def normalized(by: Normalization) -> Tensor:
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (by.mean, by.std))
        return (pixels - mean) / std

    own = first.model.normalization
    alone = (logits(first, normalized(own)) + logits(second, normalized(other))) / 2
    joint = joined([first, second], joint_input([(64, 64)] * 2), CLASSIFICATION)
    torch.testing.assert_close(answered(joint, normalized(own)), alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sizes", [[(256, 224), (256, 224)], [(256, 224), (288, 288)], [(230, 224), (300, 261)]])
def test_no_part_is_larger_than_the_input_and_all_are_in_its_middle(sizes: list[tuple[int, int]]):
    shown = joint_input(sizes)
    for (resize, crop), part in zip(sizes, shown.crops, strict=True):
        assert part <= shown.crop <= shown.resize
        assert (shown.crop - part) % 2 == 0
        assert part == pytest.approx(crop * shown.resize / resize, abs=1.5)


def test_it_is_built_again_from_its_description_and_exported(tmp_path: Path):
    import onnxruntime as ort

    shown = joint_input([(64, 56), (96, 96)])
    mirrored = replace(trained(0, 56, 1.5), views="both")
    joint = joined([mirrored, trained(1, 96, 1.0, name="resnet18")], shown, CLASSIFICATION)
    joint.description.save(tmp_path)
    save_file(joint.network.state_dict(), tmp_path / "weights.safetensors")
    assert read_network(tmp_path) == joint.description
    again = load_model(tmp_path)
    picture = images(96)
    wanted = answered(joint, picture)
    torch.testing.assert_close(answered(again, picture), wanted)
    with torch.inference_mode():
        features = pooled_features(again.network, picture)
        torch.testing.assert_close(linear_head(again.network)(features), wanted)  # type: ignore[misc]
    exporter = EXPORTERS["onnx"]
    file = exporter.export(Exported("joint", again.network, (96, 96), ("logits",)), tmp_path)
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    for count in (1, 4):
        found = session.run(None, {session.get_inputs()[0].name: picture[:count].numpy()})
        np.testing.assert_allclose(found[0], wanted[:count].numpy(), rtol=1e-3, atol=1e-3)
        assert found[1].shape == (count, again.network.num_features)


def test_training_goes_on_from_the_member_of_the_same_architecture(tmp_path: Path):
    members = [trained(0, 64, 2.0, name="resnet18", share=0.7), trained(1, 64, 0.5, share=0.3)]
    shown = images(64)
    alone = logits(members[1], shown)
    joint = joined(members, joint_input([(64, 64)] * 2), CLASSIFICATION)
    joint.description.save(tmp_path)
    save_file(joint.network.state_dict(), tmp_path / "weights.safetensors")
    new = trained(2, 64, 1.0)
    assert "starts from all" in start_from(new.model, tmp_path / "weights.safetensors")
    apart = answered(new.model, shown) - alone  # the bias is that of all members, so the same for every image
    torch.testing.assert_close(apart, apart[:1].expand_as(apart), rtol=1e-3, atol=1e-3)
    with pytest.raises(WeightsUnavailableError, match="does not fit resnet34"):
        start_from(trained(3, 64, 1.0, name="resnet34").model, tmp_path / "weights.safetensors")

"""One classifier of several: their features side by side under one linear layer, so that their logits are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl_vision.models.image_model import linear_head, pooled_features
from automl_vision.models.model import Model
from automl_vision.recipes.joint_input import BETWEEN, JointInput
from automl_vision.recipes.network import Member, NetworkDescription, Views, WeightsOrigin, library_versions
from automl_vision.recipes.normalization import Normalization


class JointNetwork(nn.Module):
    """Several classifiers of timm that share an input and a linear head.

    The logits of linear heads are averaged by one head on the features of all: its weights are theirs side by side,
    each multiplied by its share.

    Args:
        members: whose own heads are taken away.
        parts: what each sees of the input.
        normalization: of the input; each member gets its own.
        classes: outputs of the head.
    """

    def __init__(
        self, members: Sequence[nn.Module], parts: Sequence[Member], normalization: Normalization, classes: int
    ) -> None:
        super().__init__()
        views = [View(part, normalization) for part in parts]
        self.views, self.members = nn.ModuleList(views), nn.ModuleList(members)
        self.num_features = sum(_head(member).in_features for member in members)
        for member in members:
            member.reset_classifier(0)  # type: ignore[operator]
        self.head = nn.Linear(self.num_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of normalised images (n, 3, height, width)."""
        logits: Tensor = self.head(self.forward_features(images))
        return logits

    def forward_features(self, images: Tensor) -> Tensor:
        """The pooled features of all members, (n, features); the mean of two for those that see two views."""
        pairs = zip(self.members, self.views, strict=True)
        parts = [[pooled_features(member, seen) for seen in view(images)] for member, view in pairs]
        return torch.cat([part[0] if len(part) == 1 else (part[0] + part[1]) / 2 for part in parts], dim=1)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits of pooled features, or with `pre_logits` these."""
        return features if pre_logits else self.head(features)

    def get_classifier(self) -> nn.Module:
        """The linear head, as timm's networks give theirs."""
        return self.head


class View(nn.Module):
    """What one member sees of normalised images: their middle, at its size and with its normalisation, or mirrored.

    Args:
        part: says how.
        normalization: of the images.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, part: Member, normalization: Normalization) -> None:
        super().__init__()
        self._crop, self._side, self._views = part.crop, part.side, part.views
        own = part.network.normalization
        (mean, std), (its_mean, its_std) = (
            (torch.tensor(each.mean).view(1, 3, 1, 1), torch.tensor(each.std).view(1, 3, 1, 1))
            for each in (normalization, own)
        )
        self._is_normalized = own == normalization
        self.register_buffer("scale", std / its_std, persistent=False)
        self.register_buffer("shift", (mean - its_mean) / its_std, persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (n, 3, height, width) as the member takes them, (n, 3, side, side) of each view."""
        cut = (images.shape[2] - self._crop) // 2
        if cut:
            images = images[:, :, cut : cut + self._crop, cut : cut + self._crop]
        if self._crop != self._side:
            images = F.interpolate(images, size=(self._side, self._side), mode="bilinear", align_corners=False)
        if not self._is_normalized:
            images = images * self.scale + self.shift
        if self._views == "image":
            return [images]
        mirrored = images.flip(3)
        return [images, mirrored] if self._views == "both" else [mirrored]


@dataclass(frozen=True)
class Trained:
    """A trained classifier that is to become a member.

    Attributes:
        model: with its head.
        side: pixels of its input's side.
        temperature: by which its logits are divided to be calibrated.
        share: of its calibrated logits in the mean.
        views: which of an image and its mirror image it sees.
    """

    model: Model
    side: int
    temperature: float
    share: float
    views: Views = "image"


def joined(trained: Sequence[Trained], shown: JointInput, task: str) -> Model:
    """Put trained classifiers into one network that averages their calibrated logits.

    Args:
        trained: of the same classes, with linear heads; at least one. Their shares add up to 1; their networks become
            parts of the new one.
        shown: its input, and what each of them sees of it.
        task: the product's name of the task.
    """
    parts = tuple(
        Member(network=each.model.description, crop=crop, side=each.side, share=each.share, views=each.views)
        for each, crop in zip(trained, shown.crops, strict=True)
    )
    first = trained[0].model
    heads = [(_head(each.model.network), each.share / each.temperature) for each in trained]
    weight = torch.cat([factor * head.weight.detach() for head, factor in heads], dim=1)
    bias = torch.stack([factor * head.bias.detach() for head, factor in heads]).sum(dim=0)
    network = JointNetwork(
        [each.model.network for each in trained], parts, first.normalization, first.description.classes
    )
    network.head.weight.data.copy_(weight)
    network.head.bias.data.copy_(bias)
    description = NetworkDescription(
        task=task,
        algorithm=BETWEEN.join(part.network.algorithm for part in parts),
        architecture=BETWEEN.join(part.network.architecture for part in parts),
        classes=first.description.classes,
        normalization=first.normalization,
        weights=_origin([part.network.weights for part in parts]),
        members=parts,
        versions=library_versions(),
    )
    return Model(network.eval(), description)


def rebuild_joint(description: NetworkDescription, members: Sequence[nn.Module]) -> nn.Module:
    """Build a described joint network.

    Args:
        description: with its members.
        members: their networks, with heads.
    """
    return JointNetwork(members, description.members, description.normalization, description.classes)


def member_weights(
    state: Mapping[str, Tensor], networks: Sequence[nn.Module], index: int, share: float
) -> dict[str, Tensor]:
    """The weights of a member as those of a network of its own, with its calibrated head; the bias is the mean of all.

    Args:
        state: of the joint network.
        networks: of all members in their order, with heads.
        index: of the member.
        share: of the member.
    """
    prefix = f"members.{index}."
    found = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    widths = [_head(network).in_features for network in networks]
    own = slice(sum(widths[:index]), sum(widths[: index + 1]))
    head = next(name for name, module in networks[index].named_modules() if module is _head(networks[index]))
    weight = state["head.weight"][:, own] / share
    return found | {f"{head}.weight": weight, f"{head}.bias": state["head.bias"].clone()}


def _head(network: nn.Module) -> nn.Linear:
    return cast(nn.Linear, linear_head(network))


def _origin(origins: Sequence[WeightsOrigin]) -> WeightsOrigin:
    """The origins of all members in one, each named once."""

    def listed(values: Sequence[str]) -> str:
        return ", ".join(dict.fromkeys(values))

    licences = [origin.licence for origin in origins if origin.licence is not None]
    return WeightsOrigin(
        listed([origin.source for origin in origins]),
        listed([origin.name for origin in origins]),
        listed(licences) or None,
    )

"""The frozen first stages of a network, computed by OpenVINO while the stages after them train in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from timm.layers import DropPath
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from automl_vision.models.detectors.detector import Detector
from automl_vision.models.frozen import Extract, frozen_file, open_frozen
from automl_vision.models.image_model import ImageModel
from automl_vision.models.model import Model

_OPENING_SECONDS, _CONVERTING_SECONDS = 2.0, 5.0  # at least; 1 and 2 to 3 were measured on one core
_EXAMPLES = 2  # images


@dataclass(frozen=True)
class FrozenStages:
    """A chain of modules of which each takes what the one before it made, and what computes them all at once.

    Attributes:
        names: of the modules, within the body of a network.
        size: height and width of the images.
        compute: from normalised images (n, 3, height, width) to what the last module makes of them.
    """

    names: tuple[str, ...]
    size: tuple[int, int]
    compute: Extract

    @contextmanager
    def within(self, model: ImageModel) -> Iterator[None]:
        """A context in which the model leaves these modules to what computes them, except of images of another size.

        Args:
            model: the one that they are of, or a copy of it.
        """
        with _as_one(model, self.names, self._computed):
            yield

    def _computed(self, own: Extract, images: Tensor) -> Tensor:
        if images.shape[2:] != self.size:
            return own(images)
        is_last = images.is_contiguous(memory_format=torch.channels_last)
        return self.compute(images).contiguous(
            memory_format=torch.channels_last if is_last else torch.contiguous_format
        )


@contextmanager
def _as_one(model: ImageModel, names: Sequence[str], compute: Callable[[Extract, Tensor], Tensor]) -> Iterator[None]:
    """A context in which the first module of a chain makes what the whole chain makes, and the others pass it on.

    Args:
        model: has the modules in its body.
        names: of the modules.
        compute: is given what the chain itself would do, and the images.
    """
    modules = [model.body.get_submodule(name) for name in names]
    steps = [module.forward for module in modules]

    def own(images: Tensor) -> Tensor:
        for step in steps:
            images = step(images)
        return images

    modules[0].forward = partial(compute, own)
    for module in modules[1:]:
        module.forward = _unchanged
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def _unchanged(images: Tensor) -> Tensor:
    return images


def open_frozen_stages(
    network: Model, model: ImageModel, images: Tensor, *, precision: str, saved: float = math.inf
) -> FrozenStages | None:
    """What computes a network's frozen first stages faster than PyTorch.

    Args:
        network: the network, with the origin of its weights.
        model: the same network, on the CPU, with frozen stages marked.
        images: a few, uint8 (n, 3, height, width), on which both are compared.
        precision: as for `open_frozen`.
        saved: seconds that they are expected to save.

    Returns:
        None where it would take longer than it saves, nothing is frozen, or the weights are of unknown origin or no
        longer those that they were.
    """
    if saved < _OPENING_SECONDS:
        return None
    examples = images[:_EXAMPLES]
    names = _between_maps(model, frozen_chain(model, examples), examples)
    size = (images.shape[2], images.shape[3])
    file = frozen_file(network.description.architecture, network.weights, size, part=" ".join(names))
    if not names or file is None or (saved < _CONVERTING_SECONDS and not file.exists()):
        return None
    chain = nn.Sequential(*(model.body.get_submodule(name) for name in names))
    with torch.inference_mode():
        compute = open_frozen(chain, file, model.normalized(images), precision=precision)
    return None if compute is None else FrozenStages(names, size, compute)


def frozen_chain(model: ImageModel, images: Tensor) -> tuple[str, ...]:
    """The names of the frozen modules at the start of the body, in the order in which they are called.

    They end before the first one that trains, that draws random numbers, or that takes something else than what the one
    before it made.

    Args:
        model: with frozen stages marked.
        images: a few, uint8 (n, 3, height, width).
    """
    if all(parameter.requires_grad for parameter in model.body.parameters()):
        return ()
    calls: list[tuple[str, nn.Module, Any, Any]] = []

    def called(name: str, module: nn.Module, given: Any, made: Any) -> None:
        calls.append((name, module, given, made))

    handles = [module.register_forward_hook(partial(called, name)) for name, module in _parts(model.body)]
    try:
        with torch.inference_mode():
            _seen(model.eval(), images)
    finally:
        for handle in handles:
            handle.remove()
    chain: list[str] = []
    learnt, last = 0, None
    for name, module, given, made in calls:
        follows = len(given) == 1 and (last is None or given[0] is last)
        if not follows or not isinstance(made, Tensor) or not _is_fixed(module):
            break
        chain.append(name)
        last = made
        if any(True for _ in module.parameters()):
            learnt = len(chain)
    return tuple(chain[:learnt])


def _seen(model: ImageModel, images: Tensor) -> Tensor:
    """What depends on all that the body makes: a classifier's logits, the maps of a detector's pyramid as means."""
    made: Tensor = model.features(images) if isinstance(model.network, Detector) else model(images)
    return made


def _parts(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules that a body consists of, with their names; sequences count as what they consist of."""
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential):
            yield from _parts(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _is_fixed(module: nn.Module) -> bool:
    """Whether a module always makes the same of the same images, in training too."""
    rates = [part.p for part in module.modules() if isinstance(part, _DropoutNd)]
    rates += [part.drop_prob for part in module.modules() if isinstance(part, DropPath)]
    is_random = any(rate > 0 for rate in rates)
    return not is_random and not any(parameter.requires_grad for parameter in module.parameters())


def _between_maps(model: ImageModel, names: tuple[str, ...], images: Tensor) -> tuple[str, ...]:
    """The longest part of a chain, from its start, within which a pyramid takes no map."""
    with torch.inference_mode():
        wanted = _seen(model, images)
        for count in range(len(names), 0, -1):
            try:
                with _as_one(model, names[:count], lambda own, given: own(given)):
                    found = _seen(model, images)
            except RuntimeError:  # the pyramid is given maps of other sizes
                continue
            if torch.equal(found, wanted):
                return names[:count]
    return ()

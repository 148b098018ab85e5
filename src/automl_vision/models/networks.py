"""Networks from their descriptions: with random weights, or with those of a trial's or a model's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from automl_vision.core.errors import ModelFolderError, WeightsUnavailableError
from automl_vision.core.late import load
from automl_vision.models.joint import member_weights, rebuild_joint
from automl_vision.models.model import Model, Rebuilder
from automl_vision.models.other_classes import tensors_of_classes, with_other_classes
from automl_vision.models.weights import read_state_dict
from automl_vision.recipes.catalog import usable_algorithm
from automl_vision.recipes.network import NETWORK_FILE, NetworkDescription, differences, read_network
from automl_vision.serving.model_folder import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription


def build_network(description: NetworkDescription) -> Model:
    """Build a network with random weights.

    Args:
        description: as the trial that trained the network wrote it.

    Raises:
        UnknownModelError: the catalogue has no such algorithm, or the package that has it is not installed.
        ModelFolderError: the description is of a detector and has no geometry.
    """
    if description.members:
        members = [build_network(member.network).network for member in description.members]
        return Model(rebuild_joint(description, members), description)
    rebuild: Rebuilder = load(usable_algorithm(description.algorithm, description.task).rebuilder)
    return Model(rebuild(description), description)


def load_model(folder: Path) -> Model:
    """The trained network of a trial's or a model's folder, in evaluation mode, built from the folder alone.

    No dataset is read and no code in the folder is executed.

    Raises:
        ModelFolderError: the folder lacks `network.json`, or the weights are another network's.
        WeightsUnavailableError: the weights cannot be read.
    """
    model = build_network(read_network(folder))
    state = read_state_dict(folder / WEIGHTS_FILE)
    problem = _misfit(model.network, state)
    if problem is not None:
        raise ModelFolderError(f"{folder / WEIGHTS_FILE} are not weights of the network in {NETWORK_FILE}: {problem}")
    model.network.load_state_dict(state)
    model.network.eval()
    return model


def load_torch(folder: str | Path) -> nn.Module:
    """The trained network of a model folder, as a PyTorch module in evaluation mode.

    It takes what `model.onnx` takes: images (n, 3, height, width), float32, scaled to [0, 1] and normalised by the mean
    and standard deviation in `model.json`; the size is stated there too. It returns logits (n, classes); a detector
    returns boxes (n, d, 4) in pixels of the canvas, scores (n, d) and labels (n, d), and with masks (n, d, 28, 28).

    Args:
        folder: of a model, or of a finished trial.

    Raises:
        ModelFolderError: the folder lacks `network.json`, or the weights are another network's.
        WeightsUnavailableError: the weights cannot be read.
    """
    return load_model(Path(folder)).network


def start_from(model: Model, file: Path, classes: Sequence[str] = ()) -> str:
    """Load the weights of an earlier model into a network; all of them must fit, except those of other classes.

    Where the description of the earlier model stands beside its weights and names other classes, the weights of a class
    that both have are kept, and those of a new class start anew. Of layers that hold several values a class, such as a
    detector's boxes, all start anew. Of an average of several networks the member is taken that has the same
    architecture.

    Args:
        model: gets the weights.
        file: of the weights; the descriptions of their network and model are read beside it, where there are any.
        classes: that the network is to tell apart; empty if they are the earlier ones.

    Returns:
        A sentence for the user.

    Raises:
        WeightsUnavailableError: the weights cannot be read, or do not fit.
    """
    state = read_state_dict(file)
    earlier_network = read_network(file.parent) if (file.parent / NETWORK_FILE).exists() else None
    if earlier_network is not None and earlier_network.members:
        state, earlier_network = _member(state, earlier_network, model.description.architecture)
    others = differences(model.description, earlier_network) if earlier_network is not None else []
    earlier = _earlier_classes(file.parent)
    note = ""
    if classes and earlier and earlier != tuple(classes):
        of_classes = _tensors_of_classes(model)
        state, anew = with_other_classes(state, model.network.state_dict(), of_classes, earlier, classes)
        note = _classes_sentence(earlier, classes, anew)
    changed = f" ({'; '.join(others)} of the earlier network)" if others else ""
    problem = _misfit(model.network, state)
    if problem is not None:
        raise WeightsUnavailableError(f"{file} does not fit {model.description.algorithm}: {problem}{changed}")
    model.network.load_state_dict(state)
    return f"the network starts from all {len(state)} tensors of {file}{changed}{note}"


def _member(
    state: dict[str, Tensor], joint: NetworkDescription, architecture: str
) -> tuple[dict[str, Tensor], NetworkDescription]:
    """Weights and description of the first member of an architecture; of the whole where there is none."""
    for index, member in enumerate(joint.members):
        if member.network.architecture == architecture:
            networks = [build_network(each.network).network for each in joint.members]
            return member_weights(state, networks, index, member.share), member.network
    return state, joint


def _tensors_of_classes(model: Model) -> list[str]:
    """The tensors whose shape depends on the number of classes, found with a second network that has one more."""
    description = model.description
    more = build_network(description.model_copy(update={"classes": description.classes + 1}))
    return tensors_of_classes(model.network.state_dict(), more.network.state_dict())


def _earlier_classes(folder: Path) -> tuple[str, ...]:
    """The classes of the model that a folder holds; empty if it is not the folder of a model."""
    if not (folder / DESCRIPTION_FILE).exists():
        return ()
    return ModelDescription.load(folder).classes


def _classes_sentence(earlier: Sequence[str], classes: Sequence[str], anew: int) -> str:
    kept = [name for name in classes if name in earlier]
    new = [name for name in classes if name not in earlier]
    gone = [name for name in earlier if name not in classes]
    parts = [f"{len(kept)} classes are kept"]
    parts += [f"new: {', '.join(new)}"] if new else []
    parts += [f"gone: {', '.join(gone)}"] if gone else []
    parts += [f"{anew} tensors start anew"] if anew else []
    return f"; {'; '.join(parts)}"


def _misfit(network: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """Why weights do not fit a network, or None."""
    own = network.state_dict()
    missing, surplus = [name for name in own if name not in state], [name for name in state if name not in own]
    shapes = [name for name in own if name in state and own[name].shape != state[name].shape]
    parts = [f"{len(missing)} tensors are missing, such as {missing[0]}"] if missing else []
    parts += [f"{len(surplus)} are unknown, such as {surplus[0]}"] if surplus else []
    if shapes:
        name = shapes[0]
        parts.append(
            f"{len(shapes)} have another shape, such as {name}, {tuple(state[name].shape)} instead of "
            f"{tuple(own[name].shape)}"
        )
    return ", ".join(parts) or None

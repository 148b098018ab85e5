"""Networks of the transformers library: where their configurations and weights come from."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import RemoteEntryNotFoundError
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.utils import logging

from automl_vision.core.errors import HubUnreachableError, WeightsUnavailableError
from automl_vision.models.detectors.settings import detector_settings
from automl_vision.models.model import NetworkRequest, describe_network
from automl_vision.models.weights import read_state_dict
from automl_vision.recipes.catalog import find_algorithm
from automl_vision.recipes.hyperparameters import DetectorHyperparameters, TrainingHyperparameters
from automl_vision.recipes.network import NetworkDescription, WeightsOrigin
from automl_vision.recipes.normalization import Normalization
from automl_vision.storage.hub import hub_answers

CONFIG, WEIGHTS, PIXELS = "config.json", "model.safetensors", "preprocessor_config.json"

C = TypeVar("C", bound=PreTrainedConfig)


@dataclass(frozen=True)
class LibraryNetwork(Generic[C]):
    """A kind of network of the library.

    Attributes:
        name: of its algorithm.
        task: of the algorithm.
        config: class of its configurations.
        backbone: the library's name of its backbone.
        pixels: normalization of its input, unless the weights have their own.
        installed: algorithms whose first weights are installed, to choose instead.
    """

    name: str
    task: str
    config: type[C]
    backbone: str
    pixels: Normalization
    installed: tuple[str, ...]


@dataclass(frozen=True)
class LibrarySource(Generic[C]):
    """A network before it is built.

    Attributes:
        config: its architecture, with the classes of its weights.
        normalization: of its input.
        origin: of its weights.
        folder: with its weights; None for random ones.
    """

    config: C
    normalization: Normalization
    origin: WeightsOrigin
    folder: Path | None

    @property
    def config_values(self) -> dict[str, Any]:
        """The configuration as JSON values, as a network's description keeps it."""
        values: dict[str, Any] = json.loads(self.config.to_json_string(use_diff=False))
        return values


def described_source(network: LibraryNetwork[C], description: NetworkDescription) -> LibrarySource[C]:
    """A network of random weights from its description."""
    config = network.config.from_dict(copy.deepcopy(description.config or {}))
    return LibrarySource(cast(C, config), description.normalization, WeightsOrigin(), None)


def description_of(
    request: NetworkRequest, hyperparameters: DetectorHyperparameters, source: LibrarySource[C]
) -> NetworkDescription:
    """The description of a network that is to be built from a source."""
    return describe_network(
        request,
        request.algorithm.architecture or request.name,
        detector_settings(hyperparameters),
        normalization=source.normalization,
        weights=source.origin,
        libraries=("torchvision", "transformers"),
        config=source.config_values,
    )


def loaded(
    kind: Any, name: str, config: C, state: Mapping[str, Tensor], folder: Path, may_be_new: Callable[[str], bool]
) -> Any:
    """A network of the library with weights, in evaluation mode.

    Args:
        kind: its class.
        name: of the detector, as it is written.
        config: its architecture.
        state: tensors by name.
        folder: that they come from.
        may_be_new: whether a tensor, by its name, may be missing.

    Raises:
        WeightsUnavailableError: tensors do not fit, or are missing.
    """
    with quiet():
        try:
            network, report = kind.from_pretrained(
                None, config=config, state_dict=state, output_loading_info=True, dtype=torch.float32
            )
        except Exception as error:  # the library raises its own kinds for tensors that do not fit
            raise WeightsUnavailableError(f"no {name} can be read from {folder} ({error})") from error
    missing = [tensor for tensor in report["missing_keys"] if not may_be_new(tensor)]
    if missing:
        raise WeightsUnavailableError(
            f"the weights in {folder} do not fit the {name} that its {CONFIG} describes: {len(missing)} tensors are "
            f"missing, such as {min(missing)}"
        )
    return network


def find_source(
    network: LibraryNetwork[C], hyperparameters: TrainingHyperparameters, repository: str, published: Callable[[], C]
) -> LibrarySource[C]:
    """The network that hyperparameters ask for.

    A folder decides the architecture; without one it is the published one, with the hub's weights if pretrained.

    Args:
        network: which kind.
        hyperparameters: with `weights` and `pretrained`.
        repository: of the hub, which has the weights.
        published: makes the configuration of what the repository has.

    Raises:
        WeightsUnavailableError: the folder holds no such network, or no hub answers and no cache has it.
    """
    pretrained = hyperparameters.pretrained
    if hyperparameters.weights is not None:
        folder = Path(hyperparameters.weights)
        folder = folder if folder.is_dir() else folder.parent
        origin = WeightsOrigin("file", folder.name, None)
    elif pretrained:
        folder = _hub_folder(network, repository)
        origin = WeightsOrigin("hub", repository, find_algorithm(network.name, network.task).licence)
    else:
        return LibrarySource(published(), network.pixels, WeightsOrigin(), None)
    source = LibrarySource(_read_config(network, folder), _read_normalization(network, folder), origin, folder)
    return source if pretrained else LibrarySource(source.config, source.normalization, WeightsOrigin(), None)


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of a folder by name.

    Raises:
        WeightsUnavailableError: there are none, or a file cannot be read.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise WeightsUnavailableError(f"{folder} has no {WEIGHTS}; save_pretrained writes it")
    return {name: value for file in files for name, value in read_state_dict(file).items()}


def _read_config(network: LibraryNetwork[C], folder: Path) -> C:
    """The architecture of a folder as `save_pretrained` writes it.

    Raises:
        WeightsUnavailableError: there is none, or it is another network's.
    """
    file = folder / CONFIG
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        kinds = (values["model_type"], values["backbone_config"]["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsUnavailableError(
            f"weights of {network.name} are a folder with {CONFIG} and {WEIGHTS}, as save_pretrained writes it; "
            f"{file} cannot be read ({error!r})"
        ) from error
    wanted = (network.config.model_type, network.backbone)
    if kinds != wanted:
        raise WeightsUnavailableError(
            f"{file} describes {kinds[0]} on {kinds[1]}, and {network.name} is {wanted[0]} on {wanted[1]}"
        )
    with quiet():
        return cast(C, network.config.from_dict(values))


def _read_normalization(network: LibraryNetwork[C], folder: Path) -> Normalization:
    """What the folder's preprocessing does after scaling pixels to [0, 1]; the network's own where it does not say."""
    file = folder / PIXELS
    if not file.exists():
        return network.pixels
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if not values.get("do_normalize"):
            return Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        return Normalization(tuple(map(float, values["image_mean"])), tuple(map(float, values["image_std"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsUnavailableError(f"{file} does not tell how pixels are normalised ({error!r})") from error


def _hub_folder(network: LibraryNetwork[C], repository: str) -> Path:
    """The local copy of a hub's repository; fetched unless it is in the cache.

    Raises:
        WeightsUnavailableError: no hub answers, or it does not have them.
    """
    cached = [try_to_load_from_cache(repository, name) for name in (CONFIG, WEIGHTS)]
    if all(isinstance(file, str) for file in cached):
        return Path(str(cached[0])).parent
    if not hub_answers():
        raise HubUnreachableError(f"no hub answers, so {_not_fetched(network, repository)}")
    try:
        with suppress(RemoteEntryNotFoundError):  # then pixels are the network's own
            hf_hub_download(repository, PIXELS)
        hf_hub_download(repository, WEIGHTS)
        return Path(hf_hub_download(repository, CONFIG)).parent
    except Exception as error:  # the client raises its own kinds and those of the library below it
        reason = f"the hub does not answer as it should, so {_not_fetched(network, repository)}"
        raise WeightsUnavailableError(reason) from error


def _not_fetched(network: LibraryNetwork[C], repository: str) -> str:
    return (
        f"the COCO weights of {network.name} ({repository}) cannot be fetched; give a folder that holds them as "
        "save_pretrained writes it (weights=FOLDER), choose a detector whose first weights are installed "
        f"({', '.join(network.installed)}), or train from random weights (pretrained=0)"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """The library neither logs what it loads nor shows its progress."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

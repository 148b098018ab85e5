"""From a trained network to the file that a runtime loads: one contract, and a table of its implementations."""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from automl_vision.core.errors import PackagingError
from automl_vision.models.featured import FeaturedNetwork, has_features
from automl_vision.serving.runtimes import FEATURES, ONNX_FILE


@dataclass(frozen=True)
class Exported:
    """A network to export.

    Attributes:
        name: of the algorithm, for messages.
        network: in evaluation mode, on the CPU.
        input_size: height and width in pixels.
        outputs: names of its outputs.
        exact: whether to avoid operators that the runtime only approximates, though others take longer.
    """

    name: str
    network: nn.Module
    input_size: tuple[int, int]
    outputs: Sequence[str]
    exact: bool = False


class Exporter(ABC):
    """Writes one kind of file. What it writes is compared with the trained network through its runtime.

    Attributes:
        runtime: name of the runtime in `serving.runtimes` that loads the file.
    """

    runtime: ClassVar[str]

    @abstractmethod
    def export(self, exported: Exported, folder: Path) -> Path:
        """Write the network into a model folder, for any number of images per batch, and return the file.

        Raises:
            PackagingError: the network has an operation that the format does not know.
        """


EXPORTERS: dict[str, Exporter] = {}
"""The exporters by the name of their runtime, in the order in which they write."""


def register_exporter(exporter: type[Exporter]) -> type[Exporter]:
    """Add the decorated exporter to the table."""
    EXPORTERS[exporter.runtime] = exporter()
    return exporter


@register_exporter
class OnnxExporter(Exporter):
    """ONNX in single precision; where the network has features, they are its last output."""

    runtime = "onnx"

    def export(self, exported: Exported, folder: Path) -> Path:
        """Write `model.onnx`."""
        example = torch.zeros(2, 3, *exported.input_size)
        network, file, names = exported.network, folder / ONNX_FILE, list(exported.outputs)
        featured = FeaturedNetwork(network).eval() if has_features(network) else None
        exporter_log = logging.getLogger("torch.onnx")
        level = exporter_log.level
        exporter_log.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings(), _out_of_place(network):
                # the exporter warns of its own deprecated internals, about which a user can do nothing
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    network if featured is None else featured.traced(example),
                    (example,),
                    str(file),
                    dynamo=True,
                    input_names=["images"],
                    output_names=names if featured is None else [*names, FEATURES],
                    dynamic_shapes=({0: torch.export.Dim("batch")},),
                    external_data=False,
                    verbose=False,
                )
        except Exception as error:  # the exporter raises many kinds for operators that it does not know
            raise PackagingError(f"{exported.name} cannot be exported to ONNX ({error})") from error
        finally:
            exporter_log.setLevel(level)
        if exported.exact:
            _write_sigmoids_out(file)
        return file


@contextmanager
def _out_of_place(network: nn.Module) -> Iterator[None]:
    """Let activations return new tensors for a while.

    The exporter undoes operations in place one by one, which took 28 % of EfficientNet-Lite0's export (8.4 s, 6.0 s
    without them), and writes the same file.
    """
    in_place = [module for module in network.modules() if getattr(module, "inplace", False) is True]
    for module in in_place:
        vars(module)["inplace"] = False
    try:
        yield
    finally:
        for module in in_place:
            vars(module)["inplace"] = True


def _write_sigmoids_out(file: Path) -> None:
    """Replace each Sigmoid of an ONNX file by 1 / (1 + exp(-x)).

    ONNX Runtime's operator is right to 6e-8, so of a small value few digits are: sigmoid(-14) may be off by 7 %.
    Networks with extreme weights were seen to amplify that (logits off by 0.001 instead of 0.00001).
    """
    import onnx

    model = onnx.load(file)
    nodes: list[onnx.NodeProto] = []
    one = "one_of_sigmoids"
    for node in model.graph.node:
        if node.op_type != "Sigmoid":
            nodes.append(node)
            continue
        (result,) = node.output
        negative, exponential, total = (f"{result}_{part}" for part in ("negative", "exponential", "total"))
        nodes += [
            onnx.helper.make_node("Neg", list(node.input), [negative]),
            onnx.helper.make_node("Exp", [negative], [exponential]),
            onnx.helper.make_node("Add", [exponential, one], [total]),
            onnx.helper.make_node("Div", [one, total], [result]),
        ]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1, np.float32), one))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, file)

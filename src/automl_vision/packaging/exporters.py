"""From a trained network to the file that a runtime loads: one contract, and a table of its implementations."""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from automl_vision.core.errors import PackagingError
from automl_vision.models.detectors.detector import Detector
from automl_vision.serving.runtimes import ONNX_FILE


@dataclass(frozen=True)
class Exported:
    """A network to export.

    Attributes:
        name: of the algorithm, for messages.
        network: in evaluation mode, on the CPU.
        input_size: height and width in pixels.
        outputs: names of its outputs.
    """

    name: str
    network: nn.Module
    input_size: tuple[int, int]
    outputs: Sequence[str]


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
    """ONNX in single precision."""

    runtime = "onnx"

    def export(self, exported: Exported, folder: Path) -> Path:
        """Write `model.onnx`."""
        example = torch.zeros(2, 3, *exported.input_size)
        network, file = exported.network, folder / ONNX_FILE
        exporter_log = logging.getLogger("torch.onnx")
        level = exporter_log.level
        exporter_log.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                # the exporter warns of its own deprecated internals, about which a user can do nothing
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    network.traced(example) if isinstance(network, Detector) else network,
                    (example,),
                    str(file),
                    dynamo=True,
                    input_names=["images"],
                    output_names=list(exported.outputs),
                    dynamic_shapes=({0: torch.export.Dim("batch")},),
                    external_data=False,
                    verbose=False,
                )
        except Exception as error:  # the exporter raises many kinds for operators that it does not know
            raise PackagingError(f"{exported.name} cannot be exported to ONNX ({error})") from error
        finally:
            exporter_log.setLevel(level)
        return file

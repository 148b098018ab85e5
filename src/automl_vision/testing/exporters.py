"""What every exporter and its runtime have to do."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from automl_vision.core.errors import ModelFolderError
from automl_vision.packaging.exporters import EXPORTERS, Exported
from automl_vision.packaging.formats import FORMATS, Source
from automl_vision.serving.runtimes import RUNTIMES

_SIZE = (24, 32)
_NEAR = 1e-4


class _Network(nn.Module):
    """Two outputs, of which each depends on all pixels of its image."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.head = nn.Linear(4, 5)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (n, 5) and features (n, 4)."""
        features = self.convolution(images).relu().mean(dim=(2, 3))
        return self.head(features), features


class ExporterConformance:
    """The behaviour of an `Exporter` and the `Runtime` of the same name. Give the attribute `runtime`.

    Attributes:
        runtime: name of both.
    """

    runtime: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def exported(cls) -> Exported:
        """A small network with random weights."""
        torch.manual_seed(0)
        return Exported("small", _Network().eval(), _SIZE, ("logits", "features"))

    @pytest.fixture(scope="class")
    @classmethod
    def file(cls, exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The network as it was exported."""
        return EXPORTERS[cls.runtime].export(exported, tmp_path_factory.mktemp("model"))

    def test_they_are_registered_under_one_name(self) -> None:
        """The exporter's file is loaded by the runtime of its name."""
        assert EXPORTERS[self.runtime].runtime == self.runtime
        assert RUNTIMES[self.runtime].name == self.runtime

    def test_the_file_lies_in_the_folder(self, file: Path) -> None:
        """A model folder is moved as a whole, so nothing may lie beside it."""
        assert file.is_file()
        assert RUNTIMES[self.runtime].reads(file.parent)

    def test_a_folder_without_the_file_is_not_read(self, tmp_path: Path) -> None:
        """Then another runtime is used."""
        assert not RUNTIMES[self.runtime].reads(tmp_path)

    @pytest.mark.parametrize("images", [1, 2, 5])
    def test_outputs_are_those_of_the_network(self, exported: Exported, file: Path, images: int) -> None:
        """In its order, for any number of images, with one row for each image."""
        run = RUNTIMES[self.runtime].open(file.parent, threads=1)
        inputs = np.random.default_rng(images).normal(size=(images, 3, *_SIZE)).astype(np.float32)
        with torch.inference_mode():
            wanted = exported.network(torch.from_numpy(inputs))
        found = run(inputs)
        assert len(found) == len(exported.outputs)
        for mine, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(mine, theirs.numpy(), atol=_NEAR)

    def test_the_network_is_left_as_it_was(self, exported: Exported, file: Path) -> None:
        """Its weights are saved after it was exported, in evaluation mode."""
        torch.manual_seed(0)
        assert file
        assert not exported.network.training
        for mine, theirs in zip(exported.network.parameters(), _Network().parameters(), strict=True):
            assert torch.equal(mine, theirs)

    def test_a_damaged_file_is_named(self, file: Path, tmp_path: Path) -> None:
        """By a `ModelFolderError`."""
        (tmp_path / file.name).write_bytes(b"nothing of this kind")
        with pytest.raises(ModelFolderError):
            RUNTIMES[self.runtime].open(tmp_path, threads=1)


class ModelFormatConformance:
    """The behaviour of a `Format` and the `Runtime` of the same name. Give the attribute `name`.

    Attributes:
        name: of both.
    """

    name: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def single(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A small network with random weights in single precision."""
        torch.manual_seed(0)
        exported = Exported("small", _Network().eval(), _SIZE, ("logits", "features"))
        return EXPORTERS["onnx"].export(exported, tmp_path_factory.mktemp("single"))

    @pytest.fixture(scope="class")
    @classmethod
    def file(cls, single: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The network in the format, first attempt."""
        if (absent := RUNTIMES[cls.name].absent()) is not None:
            pytest.skip(absent)
        target = tmp_path_factory.mktemp("model") / FORMATS[cls.name].file
        next(FORMATS[cls.name].attempts(Source(single, [_inputs(1, seed) for seed in range(8)]), target))
        return target

    def test_they_are_registered_under_one_name(self) -> None:
        """The format's file is loaded by the runtime of its name."""
        assert FORMATS[self.name].name == RUNTIMES[self.name].name == self.name

    def test_only_a_folder_with_the_file_is_read(self, file: Path, tmp_path: Path) -> None:
        """In any other folder another runtime is used."""
        assert RUNTIMES[self.name].reads(file.parent)
        assert not RUNTIMES[self.name].reads(tmp_path)

    @pytest.mark.parametrize("images", [1, 3])
    def test_outputs_are_near_those_in_single_precision(self, single: Path, file: Path, images: int) -> None:
        """In their order, for any number of images, within a tenth of their spread."""
        inputs = _inputs(images, 100)
        wanted = RUNTIMES["onnx"].open(single.parent, threads=1)(inputs)
        found = RUNTIMES[self.name].open(file.parent, threads=1)(inputs)
        for mine, theirs in zip(found, wanted, strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_allclose(mine, theirs, atol=0.1 * float(np.ptp(theirs)))

    def test_a_damaged_file_is_named(self, file: Path, tmp_path: Path) -> None:
        """Truncated, by a `ModelFolderError`."""
        (tmp_path / file.name).write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(ModelFolderError, match=file.name):
            RUNTIMES[self.name].open(tmp_path, threads=1)


def _inputs(images: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(images, 3, *_SIZE)).astype(np.float32)

"""A packaged model in further formats: for other runtimes, or its weights for PyTorch."""

from __future__ import annotations

import shutil
from os import PathLike
from pathlib import Path

from automl_vision.core.errors import DataError, ModelFolderError, PackagingError
from automl_vision.data.dataset import Dataset
from automl_vision.deployment.triton import export_triton
from automl_vision.packaging.formats import MAX_LOSS, add_format, find_format
from automl_vision.recipes.network import NETWORK_FILE
from automl_vision.serving.model_folder import WEIGHTS_FILE, ModelDescription
from automl_vision.workspace.run_folder import RunFolder

SAFETENSORS, TRITON = "safetensors", "triton"
_HELD_OUT = 0.2  # of data without validation images


def export(
    model: str | PathLike[str],
    format: str,
    *,
    data: Dataset | str | PathLike[str] | None = None,
    out: str | PathLike[str] | None = None,
    max_loss: float = MAX_LOSS,
) -> Path:
    """Add a format to a model folder, judged on image files; or copy the network for PyTorch.

    Args:
        model: the model folder.
        format: one of `packaging.formats.FORMATS`, such as "onnx-int8" or "openvino-int8", which
            `Predictor(folder, runtime=...)` loads; or "safetensors", or "triton" for model repositories.
        data: a dataset, or what `Dataset.open` takes, with images that calibrate and judge the format. None takes the
            images of the run that the folder lies in. Where it has no validation images, a fifth is held out.
        out: folder for safetensors or repositories, which need one; other formats are written into the model folder.
        max_loss: share of the primary metric's range that may be lost.

    Returns:
        The file, or the folder of what was copied.

    Raises:
        PackagingError: no format has the name, or the network cannot be converted.
        ParityError: the format loses too much; no file is written.
        ModelFolderError: the folder is not a usable model folder, or a runtime is not installed.
        DataError: there are no images to calibrate and judge with.
    """
    folder = Path(model)
    if format == SAFETENSORS:
        return _copy_weights(folder, out)
    if format == TRITON:
        if out is None:
            raise PackagingError("repositories are written into a folder of their own; name one with: --out FOLDER")
        return export_triton(folder, out)
    find_format(format)
    if out is not None:
        raise PackagingError(f"{format} is written into the model folder; only {SAFETENSORS} and {TRITON} take --out")
    description = ModelDescription.load(folder)
    return add_format(folder, format, _dataset(folder, description, data), max_loss=max_loss)


def _copy_weights(folder: Path, out: str | PathLike[str] | None) -> Path:
    """Copy weights and the description of the network, which was written when the model was packaged."""
    if out is None:
        raise PackagingError(f"{SAFETENSORS} are copied into a folder of their own; name one with: --out FOLDER")
    ModelDescription.load(folder)
    missing = [name for name in (WEIGHTS_FILE, NETWORK_FILE) if not (folder / name).exists()]
    if missing:
        raise ModelFolderError(f"{folder} has no {' and no '.join(missing)}; package the trial again")
    place = Path(out)
    place.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_FILE, NETWORK_FILE):
        shutil.copyfile(folder / name, place / name)
    return place


def _dataset(folder: Path, description: ModelDescription, data: Dataset | str | PathLike[str] | None) -> Dataset:
    """The images to calibrate and judge with."""
    if isinstance(data, Dataset):
        dataset = data
    elif data is not None:
        dataset = Dataset.open(data, task=description.task)
    else:
        manifest = RunFolder(folder.resolve().parent).manifest
        if not manifest.exists():
            raise DataError(f"{folder} does not lie in a run, so its images are not known; name some with: --data DATA")
        dataset = Dataset.load(manifest)
    return dataset.with_validation(_HELD_OUT)

"""The data of a trial, as its specification names it."""

from __future__ import annotations

from pathlib import Path

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import Pixels, open_pixels
from automl_vision.recipes.detector_input import decide_geometry, kept_size
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.network import read_network
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.reporter import Reporter


def open_data(spec: TrialSpec, reporter: Reporter, *, resumed: bool) -> tuple[Dataset, Pixels, Geometry | None]:
    """The dataset without images that cannot be decoded, the decoded images, and a detector's geometry.

    The geometry comes from the trial's `network.json`, its spec, or, if neither has one, the dataset.

    Raises:
        DataError: the dataset is not the one that the spec names.
    """
    dataset = Dataset.load(spec.manifest)
    if dataset.fingerprint != spec.fingerprint:
        raise DataError(f"{spec.manifest} changed since the trial was planned (its fingerprint differs)")
    geometry = read_network(Path(spec.folder)).geometry if resumed else spec.geometry
    if geometry is None:
        geometry = decide_geometry(dataset, spec.hyperparameters)
    pixels = open_pixels(
        dataset,
        kept_size(spec.hyperparameters, geometry),
        Path(spec.cache),
        progress=lambda done, total: reporter.progress("decoding", done, total),
    )
    return dataset.excluding(pixels.problems), pixels, geometry

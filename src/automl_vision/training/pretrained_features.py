"""Pretrained features of the training images for the probe: kept from an earlier trial, or computed the fastest way."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.models.frozen import Extract, Features, frozen_file, open_frozen
from automl_vision.models.model import Model
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.training.features import features_file, keep_features
from automl_vision.training.loop import Loop
from automl_vision.training.reporter import Reporter
from automl_vision.training.time_budget import Pace

_FROZEN_GAIN = 0.6  # share of the time of a forward pass that OpenVINO saves, at least
_OPENING_SECONDS, _CONVERTING_SECONDS = 2.0, 12.0  # that must be saved for a network to be opened, or converted first


@dataclass(frozen=True)
class PretrainedFeatures:
    """Where a trial gets the features of its probe.

    Attributes:
        spec: of the trial.
        network: that the trial began with, with the origin of its weights.
        loop: has the same network on its device, unchanged so far, and computes features with all processes.
        pace: of the trial; decides how many images there is time for.
        reporter: receives progress and messages.
    """

    spec: TrialSpec
    network: Model
    loop: Loop
    pace: Pace
    reporter: Reporter

    def of(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The rows of the images that there is time for, and their features, (images, features).

        Args:
            rows: of the training images.
        """
        for frozen in (True, False):
            kept = self._kept(rows, frozen=frozen)
            if kept is not None:
                return rows, kept
        extract, forward_seconds = self._extract(rows)
        fitting = self._fitting(rows, forward_seconds)
        kept = self._kept(fitting, frozen=extract is not None) if len(fitting) < len(rows) else None
        return fitting, self._computed(fitting, extract) if kept is None else kept

    def _extract(self, rows: NDArray[np.intp]) -> tuple[Extract | None, float]:
        """What computes features faster than the model, if it is worth opening; and seconds of a forward pass an image.

        Converting a network takes seconds, so few images are left to the model.
        """
        seconds = self.pace.forward_seconds
        size = self.loop.task.deployment.preprocessing(self.network.normalization).input_size
        file = frozen_file(self.network.description.architecture, self.network.weights, size)
        if file is None or self.loop.processes.device.type != "cpu" or self.loop.processes.count > 1:
            return None, seconds
        saved = 2 * len(rows) * seconds * _FROZEN_GAIN
        if saved < (_OPENING_SECONDS if file.exists() else _CONVERTING_SECONDS):
            return None, seconds
        batch = self.loop.task.evaluation_batch(self.loop.pixels, rows[: self.loop.plan.validation_batch].tolist())
        precision = "fp32" if self.spec.hyperparameters.precision == "fp32" else "bf16"  # whatever training takes
        extract = open_frozen(Features(self.loop.model), file, batch.images, precision=precision)
        if extract is None:
            return None, seconds
        start = time.monotonic()
        extract(batch.images)
        return extract, (time.monotonic() - start) / len(batch.images)

    def _fitting(self, rows: NDArray[np.intp], forward_seconds: float) -> NDArray[np.intp]:
        """All images, or a random subset that fits into the probe's share of the time."""
        fitting = self.pace.probed(forward_seconds)
        if fitting is None:
            return rows
        self.reporter.message(f"the probe uses {fitting} of {len(rows)} training images, to leave time for training")
        return np.sort(np.random.default_rng(self.spec.seed).permutation(rows)[:fitting])

    def _computed(self, rows: NDArray[np.intp], extract: Extract | None) -> NDArray[np.float32]:
        """Features, which are kept for all trials of an algorithm on the same images."""
        features = self.loop.features(
            rows.tolist(), lambda done: self.reporter.progress("features", done, len(rows)), extract
        )
        if self.loop.processes.is_main:
            keep_features(self._file(rows, frozen=extract is not None), features)
        return features

    def _kept(self, rows: NDArray[np.intp], *, frozen: bool) -> NDArray[np.float32] | None:
        """Features of an earlier trial, or None.

        The main process alone looks for them, so that either all processes compute them or none does; the others get
        an empty array, for the main process alone fits the probe.
        """
        file = self._file(rows, frozen=frozen)
        if file is None or not self.loop.processes.decides(file.exists):
            return None
        return np.load(file) if self.loop.processes.is_main else np.zeros((0, 0), np.float32)

    def _file(self, rows: NDArray[np.intp], *, frozen: bool) -> Path | None:
        """Where features are kept, by everything that they depend on; None where the weights are not known."""
        seen = self.loop.task.deployment.preprocessing(self.network.normalization)
        key = f"{self.spec.model_name} {seen} {self.loop.precision}{' frozen' if frozen else ''}"
        return features_file(Path(self.spec.cache), self.spec.fingerprint, rows, key, self.network.weights)

"""How long the parts of a trial take, and how many epochs fit into its time budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

from automl_vision.training.loop import Stopwatch

_FORWARD_SHARE = 1 / 3  # of a training step; backward takes twice as long as forward
_FORWARD_SHARE_FROZEN = 0.6  # the same with frozen stages, which have no backward pass; 0.53 to 0.62 were measured
_FINAL_RESERVE = 3.0  # seconds for writing results, on top of the last predictions
_SLOWER = 1.1  # than measured, for a machine that slows down
_PROBE_SHARE = 0.4  # of the time that is left, at most, for features of images and of their mirror images
_HEAD_SHARE = 0.8  # the same where nothing but the head is trained
_LEAST_PROBED = 200  # images
_VALIDATION_SHARE = 0.1  # of an epoch's training, where not all epochs fit
_PARTS = 4  # of an epoch, in which they are counted: where few fit, whole ones would leave much time unused
_LEAST_VALIDATIONS = 4  # of the epochs that fit, so that there is something to choose from


@dataclass
class Pace:
    """The measured speed of a trial.

    Attributes:
        watch: of the whole trial.
        budget: of the trial in seconds; None: no limit.
        training_images, validation_images, final_images: of an epoch, of a validation, of the final predictions.
        validations_at_end: predictions of the validation images at the end, besides the final ones.
        final_slowness: time of a final prediction, which is in fp32, over that of one in a validation.
        packaged_images: predictions of an image in packaging, which comes after the trial and within its budget.
        is_partly_frozen: whether stages of the network do not train.
        step_seconds: of training, per image; of a forward pass where nothing but the head is trained.
        head_only: whether nothing but the head is trained.
        validation_seconds: of the last validation.
    """

    watch: Stopwatch
    budget: float | None
    training_images: int
    validation_images: int
    final_images: int
    validations_at_end: int
    final_slowness: float
    step_seconds: float
    packaged_images: int = 0
    is_partly_frozen: bool = False
    head_only: bool = False
    validation_seconds: float = 0.0

    @property
    def left(self) -> float:
        """Seconds of the budget that are neither used nor reserved for the end and for packaging."""
        if self.budget is None:
            return math.inf
        packaging = self.packaged_images * self._predicted_seconds
        return self.budget - self.watch.seconds - self.final_seconds - packaging

    @property
    def final_seconds(self) -> float:
        """Seconds to reserve for the end: choosing weights, and predictions in fp32 on validation and test images."""
        return _FINAL_RESERVE + self.validation_seconds * self.validations_at_end + self.prediction_seconds

    @property
    def prediction_seconds(self) -> float:
        """Seconds of that for the last predictions."""
        return self.final_images * self._predicted_seconds

    @property
    def _predicted_seconds(self) -> float:
        """Time of a prediction in fp32, per image."""
        return self.final_slowness * self.validation_seconds / max(1, self.validation_images)

    @property
    def training_seconds(self) -> float:
        """Time of an epoch without validation."""
        return self.training_images * self.step_seconds

    def epoch_seconds(self, frequency: int) -> float:
        """Seconds per epoch, including its share of a validation every `frequency` epochs."""
        return self.training_seconds + self.validation_seconds / frequency

    def fit(self, done: int, wanted: float, frequency: int) -> tuple[float, int]:
        """How many epochs fit into the time left.

        Args:
            done: epochs so far.
            wanted: total epochs.
            frequency: epochs between validations that were asked for.

        Returns:
            Total epochs, the last of which may be partial, and epochs between validations, which are validated less
            often than asked for if that leaves time for more epochs.
        """
        if self._fitting(done, frequency) >= wanted:
            return wanted, frequency
        rare = max(1, math.ceil(self.validation_seconds / (_VALIDATION_SHARE * self.training_seconds)))
        most = int(self._fitting(done, rare)) // _LEAST_VALIDATIONS
        frequency = max(frequency, min(rare, most))
        return min(wanted, math.floor(_PARTS * self._fitting(done, frequency)) / _PARTS), frequency

    def _fitting(self, done: int, frequency: int) -> float:
        if self.budget is None:
            return math.inf
        return done + max(0.0, self.left / (_SLOWER * self.epoch_seconds(frequency)))

    @property
    def forward_seconds(self) -> float:
        """Time of a forward pass, per image."""
        if self.head_only:
            return self.step_seconds
        return (_FORWARD_SHARE_FROZEN if self.is_partly_frozen else _FORWARD_SHARE) * self.step_seconds

    def probed(self, forward_seconds: float) -> int | None:
        """The number of training images whose features the probe has time for; None: all of them.

        Args:
            forward_seconds: of a forward pass, per image.
        """
        if self.budget is None:
            return None
        left = self.budget - self.watch.seconds
        share = _HEAD_SHARE if self.head_only else _PROBE_SHARE
        fitting = max(_LEAST_PROBED, int(share * left / (2 * forward_seconds)))
        return None if fitting >= self.training_images else fitting

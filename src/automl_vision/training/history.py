"""The history of a trial: its validations, the best of them, and why it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from automl_vision.core.records import Evaluation
from automl_vision.training.early_stopping import EarlyStopping


@dataclass
class Best:
    """The validation whose weights are kept.

    Attributes:
        epoch: after which it was made.
        score: primary metric, higher is better; -inf while none was a number.
        loss: of the validation images, which decides among equal scores.
    """

    epoch: int = 0
    score: float = float("-inf")
    loss: float = float("inf")


@dataclass
class Record:
    """The course of a trial, kept over a resume.

    Attributes:
        early_stopping: decides when the validation metric has stopped improving.
        evaluations: in order; the first is that of epoch 0.
        best: of them.
        last: total epochs of a schedule that was shortened when validation stopped improving; None before that.
        stopped: why the trial ended before its last planned epoch.
    """

    early_stopping: EarlyStopping
    evaluations: list[Evaluation] = field(default_factory=list)
    best: Best = field(default_factory=Best)
    last: float | None = None
    stopped: str | None = None

    @property
    def epoch(self) -> int:
        """The last one that was validated."""
        return self.evaluations[-1].epoch

    @property
    def reason(self) -> str | None:
        """Why the trial trained fewer epochs than first planned."""
        return self.early_stopping.reason if self.stopped is None and self.last is not None else self.stopped

    def add(self, evaluation: Evaluation, score: float, loss: float) -> bool:
        """Add the next validation, and return whether it is the best so far, as the last is while no score is a number.

        Args:
            evaluation: of the averaged model.
            score: its primary metric, higher is better.
            loss: of the validation images.
        """
        self.evaluations.append(evaluation)
        if math.isnan(score) and self.best.score == -math.inf:
            self.best = Best(evaluation.epoch)
            return True
        better = (score, -loss) > (self.best.score, -self.best.loss)
        if better:
            self.best = Best(evaluation.epoch, score, loss)
        return better

    def kept_epochs(self, frequency: int | None) -> set[int]:
        """Epochs whose weights stay on disk: the first, the best and every `frequency`-th."""
        checkpoints = {e.epoch for e in self.evaluations if frequency and e.epoch % frequency == 0}
        return {0, self.best.epoch} | checkpoints

    def to_json(self) -> dict[str, Any]:
        """The record as plain values."""
        plain: dict[str, Any] = _RECORD.dump_python(self)
        return plain

    @staticmethod
    def from_json(value: dict[str, Any]) -> Record:
        """The record back from plain values."""
        return _RECORD.validate_python(value)


_RECORD = TypeAdapter(Record)

"""A run as it stands now, kept up to date from its files: what the terminal and machines are shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from automl_vision.core.numbers import finite
from automl_vision.workspace.run_folder import FINAL, WITH_RESULT, RunFolder, TrialFolder

_BARS = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 12  # characters; of a longer curve every so many values
ENDED = FINAL | WITH_RESULT


@dataclass
class TrialLine:
    """One trial in the live view.

    Attributes:
        trial: its number.
        model_name: of the algorithm.
        status: as in the run folder.
        phase: what it does now.
        epoch: last validated; 0 is the probe.
        epochs: planned.
        value: of the primary metric, the best so far.
        curve: the metric over the validations.
        seconds_left: as the trial estimates it.
        reason: why it ended early or failed.
    """

    trial: int
    model_name: str = ""
    status: str = "NotStarted"
    phase: str = ""
    epoch: int | None = None
    epochs: int | None = None
    value: float | None = None
    curve: list[float] = field(default_factory=list)
    seconds_left: float | None = None
    reason: str | None = None


class LiveRun:
    """What is known of a run.

    Attributes:
        metric: the primary metric.
        lines: by trial.
        status: of the run.
        phase: progress event of the run itself, such as decoding or packaging.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        spec = folder.spec()
        self.folder = folder
        self.metric = str(spec["primary_metric"])
        self.lines: dict[int, TrialLine] = {}
        self.status = "NotStarted"
        self.phase: dict[str, Any] = {}
        self._budget = float(spec["budget_seconds"])
        self._seconds, self._seconds_at = 0.0, time.time()
        self._offset = 0
        self._offsets: dict[int, int] = {}
        self._values: dict[int, dict[int, float]] = {}  # of the metric, by trial and epoch: a resumed one repeats some

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.status in FINAL or self.status == "Interrupted"

    @property
    def best(self) -> TrialLine | None:
        """The best trial so far."""
        scored = [line for line in self.lines.values() if line.value is not None]
        return max(scored, key=lambda line: line.value or 0.0, default=None)

    @property
    def budget_left(self) -> float:
        """Seconds to the run's deadline."""
        return max(0.0, self._budget - self._seconds - (0.0 if self.has_ended else time.time() - self._seconds_at))

    def update(self) -> list[dict[str, Any]]:
        """Read what is new; gives the events in order, those of a trial with its number as `trial`."""
        record = self.folder.status()
        self.status = record["status"]
        self._seconds, self._seconds_at = record.get("seconds", 0.0), record.get("seconds_at", time.time())
        events, self._offset = self.folder.events(self._offset)
        for trial in self.folder.trials():
            line = self.lines.setdefault(trial.number, TrialLine(trial.number))
            if line.status not in ENDED or line.epoch is None:
                events += self._read_trial(trial, line)
        for event in events:
            if event["event"] == "progress" and "trial" not in event:
                self.phase = event
        return sorted(events, key=lambda event: float(event["time"]))

    def _read_trial(self, trial: TrialFolder, line: TrialLine) -> list[dict[str, Any]]:
        record = trial.status()  # before the events, so that none is missed of a trial that has ended
        events, self._offsets[trial.number] = trial.events(self._offsets.get(trial.number, 0))
        line.model_name = line.model_name or str(trial.plan().get("model_name", ""))
        line.status, line.reason = record["status"], record.get("reason")
        for event in events:
            self._take(line, event)
        if line.status in ENDED:
            line.seconds_left, line.phase = None, ""
            result = trial.result()
            line.value = line.value if result is None else finite(result["score"])
        return [{**event, "trial": trial.number} for event in events]

    def _take(self, line: TrialLine, event: dict[str, Any]) -> None:
        if event["event"] == "evaluation":
            line.epoch = event["epoch"]
            values = self._values.setdefault(line.trial, {})
            value = finite(event["metrics"].get(self.metric))
            if value is not None:
                values[event["epoch"]] = value
            line.curve = [values[epoch] for epoch in sorted(values)]
            line.value = max(values.values(), default=None)
        elif event["event"] == "progress":
            line.phase, line.seconds_left = event["phase"], finite(event.get("seconds_left"))
            _, _, epochs = event["phase"].partition("/")
            if epochs.isdigit():
                line.epochs = int(epochs)

    def to_json(self) -> dict[str, Any]:
        """The run in one object: status, best, budget."""
        best = self.best
        return {
            "event": "run",
            "status": self.status,
            "trials": len(self.lines),
            "best": None if best is None else {"trial": best.trial, self.metric: best.value},
            "budget_left": round(self.budget_left, 1),
        }


def line_to_json(line: TrialLine) -> dict[str, Any]:
    """A trial's line as JSON values."""
    return {"event": "trial", **asdict(line)}


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """A curve as text, scaled so that trials can be compared.

    Args:
        values: the curve.
        low, high: values of the lowest and the highest bar.
    """
    step = max(1, -(-len(values) // _SPARK_WIDTH))
    shown = list(values)[::-1][::step][::-1]  # the last value is always shown
    span = high - low
    return "".join(_BARS[min(7, max(0, int(8 * (value - low) / span)))] if span > 0 else _BARS[0] for value in shown)


def duration(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    return f"{minutes}:{rest:02d}" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d}"

"""How fast and how large an exported network is."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from automl_vision.core.files import write_json
from automl_vision.core.records.record import Record

SPEED_FILE = "speed.json"

MEGABYTE = 1e6  # bytes


class BatchLatency(Record):
    """How long a network takes for a batch of images."""

    median_ms: float = Field(description="milliseconds of the whole batch")
    p95_ms: float = Field(description="95th percentile, milliseconds of the whole batch")
    repetitions: int = Field(description="measured, without those that warmed up")


class Speed(Record):
    """What was measured of a trial's exported network, `speed.json` in its folder."""

    runtime: str = Field(default="", description="that ran the exported file")
    threads: int = Field(default=1, description="of the runtime")
    batches: dict[int, BatchLatency] = Field(default_factory=dict, description="by number of images per batch")
    bytes: int | None = Field(default=None, description="of the exported file")
    cpu: str = Field(default="", description="model name of the processor")
    cores: int = Field(default=0, description="that the process was allowed to use")
    measured_of: int | None = Field(
        default=None, description="the trial whose export was measured, where another one has the same network"
    )
    problem: str | None = Field(default=None, description="why nothing could be measured, in a sentence")

    def save(self, trial: Path) -> None:
        """Write `speed.json` into a trial's folder."""
        write_json(trial / SPEED_FILE, self.model_dump(mode="json", exclude_none=True))

    def image_ms(self, batch: int) -> float | None:
        """Median milliseconds per image in batches of a size; None if that was not measured."""
        measured = self.batches.get(batch)
        return None if measured is None else measured.median_ms / batch

    @property
    def megabytes(self) -> float | None:
        """Size of the exported file in units of 10^6 bytes."""
        return None if self.bytes is None else self.bytes / MEGABYTE

    @property
    def text(self) -> str:
        """Latency and size in a few words; empty where they were not measured."""
        return cost_text(self.image_ms(1), self.megabytes)

    @property
    def conditions(self) -> str | None:
        """Runtime, threads and machine in a few words; None if nothing was measured."""
        if not self.batches:
            return None
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}" if self.threads else "all threads"
        return f"{self.runtime}, {threads}, {self.cpu} ({self.cores} core{'s' if self.cores > 1 else ''})"


def cost_text(latency_ms: float | None, size_mb: float | None) -> str:
    """Latency and size, such as "7.1 ms per image, 4.3 MB"; empty where one of them is not known."""
    if latency_ms is None or size_mb is None:
        return ""
    return f"{latency_ms:.3g} ms per image, {size_mb:.3g} MB"

"""What a server counts, for Prometheus; its worker processes are added up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from automl_vision.core.system import is_running
from automl_vision.deployment.online.live import Stages

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32)
_PREFIX = "automl_vision"


class Metrics:
    """The counts of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()

        def made(kind: Callable[..., Any], name: str, text: str, labels: list[str], **options: Any) -> Any:
            return kind(f"{_PREFIX}_{name}", text, labels, registry=self._registry, **options)

        by = ["deployment"]
        self.requests = made(Counter, "requests", "Answers, by status.", [*by, "status"])
        self.images = made(Counter, "images", "Images that were predicted.", by)
        self.seconds = made(
            Histogram, "stage_seconds", "Seconds of requests, by stage.", [*by, "stage"], buckets=_SECONDS
        )
        self.batch = made(Histogram, "batch_views", "Views per pass of the network.", by, buckets=_SIZES)
        self.waiting = made(Gauge, "waiting_images", "Images that wait for an answer.", by, multiprocess_mode="livesum")
        self.refused = made(Counter, "refused", "Requests that were refused before they were read.", ["reason"])
        self.mirrored = made(Counter, "mirrored", "Mirrored requests: answered, failed or dropped.", [*by, "outcome"])
        self.definition = made(
            Gauge, "definition_is_usable", "0 while the newest definition cannot be used.", [], multiprocess_mode="min"
        )

    def count(self, deployment: str, images: int, read: float, total: float, stages: Stages) -> None:
        """Count a request that was answered.

        Args:
            deployment: its name.
            images: of the request.
            read: seconds until its body was there.
            total: seconds from its first byte to its answer.
            stages: of its work.
        """
        self.images.labels(deployment).inc(images)
        parts = {"decode": stages.decode, "queue": stages.queue, "network": stages.network, "answer": stages.answer}
        for stage, seconds in {"read": read, **parts, "total": total}.items():
            self.seconds.labels(deployment, stage).observe(seconds)
        self.batch.labels(deployment).observe(stages.batch)

    def text(self) -> bytes:
        """All counts in the format of Prometheus."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:
            return generate_latest(self._registry)
        from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

        for file in Path(folder).glob("gauge_live*_*.db"):
            process = int(file.stem.rpartition("_")[2])
            if not is_running(process):
                mark_process_dead(process)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

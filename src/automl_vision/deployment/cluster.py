"""Scoring parts as jobs of a compute target, such as a Ray cluster; the work of a lost node is done elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from automl_vision.compute.compute import Compute, Failure, Job, RunningJob, Slot
from automl_vision.core.errors import ScoringError
from automl_vision.deployment.parts import Parts, Plan

PRELOADED = ("automl_vision.deployment.parts", "onnxruntime")
"""Modules that a node imports once for all jobs."""

_FUNCTION = "automl_vision.deployment.parts:score_parts"
_MOST_SLOTS = 256
_MOST_PARTS = 16  # per job; a job loads the model once, and a lost job is what is done again
_MOST_TRIES = 4
_POLL = 1.0  # seconds


@dataclass(frozen=True)
class _Shard:
    """Some parts that one job scores."""

    parts: tuple[int, ...]
    number: int
    tries: int = 0


def score_on(
    compute: Compute, parts: Parts, plan: Plan, *, threads: int = 0, progress: Callable[[int], None] | None = None
) -> None:
    """Score the missing parts with as many jobs at a time as the target has room for.

    The folder of the parts, the model and the images must be where all nodes can read them.

    Args:
        compute: where jobs run.
        parts: of the scoring.
        plan: of the scoring.
        threads: cores per job; 0 divides the cores among the jobs.
        progress: called with the number of missing parts that are done.

    Raises:
        ScoringError: a job failed for a reason of its own, or was lost again and again.
    """
    missing = parts.missing(plan)
    slots = compute.slots(min(_MOST_SLOTS, max(1, len(missing))), threads=threads)
    size = max(1, min(_MOST_PARTS, len(missing) // (2 * len(slots))))
    chunks = [tuple(missing[start : start + size]) for start in range(0, len(missing), size)]
    waiting = deque(_Shard(chunk, number) for number, chunk in enumerate(chunks))
    free, running = deque(slots), dict[int, tuple[RunningJob, _Shard, Slot]]()
    try:
        while waiting or running:
            while waiting and free:
                shard, slot = waiting.popleft(), free.popleft()
                running[shard.number] = compute.submit(_job(parts, shard, slot), slot), shard, slot
            compute.wait([job for job, _, _ in running.values()], _POLL)
            for number, (job, shard, slot) in list(running.items()):
                if not job.is_running():
                    del running[number]
                    free.append(slot)
                    waiting.extend(_again(shard, job.failure(), parts))
            if progress is not None:
                progress(len(missing) - len(parts.missing(plan)))
    finally:
        for job, _, _ in running.values():
            job.cancel()


def _job(parts: Parts, shard: _Shard, slot: Slot) -> Job:
    arguments = {"folder": str(parts.folder), "parts": list(shard.parts), "threads": slot.threads}
    return Job(_FUNCTION, arguments, parts.folder / "jobs" / f"{shard.number:06d}-{shard.tries}")


def _again(shard: _Shard, failure: Failure | None, parts: Parts) -> list[_Shard]:
    """The shard once more with the parts that it still lacks, where its job was lost or killed.

    Raises:
        ScoringError: it failed for a reason of its own, or too often.
    """
    if failure is None:
        return []
    if (failure.lost or not failure.error) and shard.tries + 1 < _MOST_TRIES:
        left = tuple(part for part in shard.parts if not parts.path(part).exists())
        return [replace(shard, parts=left, tries=shard.tries + 1)] if left else []
    times = f" {shard.tries + 1} times" if shard.tries else ""
    log = f"\n{failure.log}" if failure.log else ""
    raise ScoringError(
        f"the parts {shard.parts[0]} to {shard.parts[-1]} could not be scored{times}: {failure.reason}; what is "
        f"finished is kept, so the same command goes on from there{log}"
    )

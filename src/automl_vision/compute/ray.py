"""Runs jobs as tasks of a Ray cluster: a running one, or one that is started here and ends with this process.

A task reserves its share of a node and runs the job through that node's `LocalCompute`, so there, too, a job has its
own process group and log and cannot harm others. A job of several processes gets a placement group with one task per
process. The job's folder must be on storage that all nodes share.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from automl_vision.compute.compute import Failure, Job, RunningJob, Slot
from automl_vision.compute.local import LOCK_FILE, LocalCompute
from automl_vision.compute.multiprocess import first_cause
from automl_vision.core.errors import ComputeError
from automl_vision.core.locks import is_locked

LOCAL_CLUSTER = {
    # every port that Ray opens for a cluster of one machine listens on loopback
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
"""Environment of a cluster that is started here."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no usage statistics are sent
}
"""Environment whenever Ray is used."""

_OBJECT_STORE = 128 * 1024**2  # bytes; jobs travel through files, not through Ray
_CANCEL_SECONDS = 15.0


def require_ray() -> None:
    """Check that Ray is installed, without loading it.

    Raises:
        ComputeError: it is not installed.
    """
    if find_spec("ray") is None:
        raise ComputeError('Ray is not installed. Install it with: pip install "automl-vision[ray]"')


@dataclass(frozen=True)
class Node:
    """Resources of a node of the cluster."""

    cpus: int
    gpus: int

    def __str__(self) -> str:
        return f"{self.cpus} cores and {self.gpus} GPUs"


class RayJob:
    """A job's tasks, one per process."""

    def __init__(self, job: Job, tasks: list[Any], group: Any = None) -> None:
        self.job = job
        self.tasks = tasks
        self._group = group
        self._failures: dict[int, Failure | None] = {}
        self._canceled = False

    def is_running(self) -> bool:
        """Whether a task is running or waiting to start; if one has failed, the others are stopped."""
        import ray

        done, left = ray.wait(self.tasks, num_returns=len(self.tasks), timeout=0)
        for task in done:
            number = self.tasks.index(task)
            if number not in self._failures:
                outcome = _outcome(task)
                if self._canceled and outcome is not None and outcome.lost:  # it was canceled by force
                    outcome = Failure("the job was canceled", "", _CANCELED)
                self._failures[number] = outcome
        if left and any(self._failures.values()):
            self._end_tasks()
        if not left:
            self._release()
        return bool(left)

    @property
    def pending(self) -> list[Any]:
        """The tasks that have not been seen to end."""
        return [task for number, task in enumerate(self.tasks) if number not in self._failures]

    def failure(self) -> Failure | None:
        """Why the ended job failed: the first cause among its processes."""
        failures = [failure for failure in self._failures.values() if failure is not None]
        lost = [failure for failure in failures if failure.lost]
        if not failures or lost:
            return lost[0] if lost else None
        causes = [failure for failure in failures if failure.error != _CANCELED] or failures
        reason = first_cause([failure.reason for failure in causes])
        return next(failure for failure in causes if failure.reason == reason)

    def cancel(self) -> None:
        """Stop the tasks and the processes that they started."""
        import ray

        self._end_tasks()
        ray.wait(self.tasks, num_returns=len(self.tasks), timeout=_CANCEL_SECONDS)
        deadline = time.monotonic() + _CANCEL_SECONDS
        folders = [_process_folder(self.job.folder, number) for number in range(len(self.tasks))]
        while not all(map(_is_free, folders)) and time.monotonic() < deadline:
            time.sleep(0.05)
        self._release()

    def _end_tasks(self) -> None:
        import ray

        if not self._canceled:
            for task in self.tasks:
                ray.cancel(task, force=True)
        self._canceled = True

    def _release(self) -> None:
        if self._group is not None:
            from ray.util import remove_placement_group

            remove_placement_group(self._group)
        self._group = None


class RayCompute:
    """Runs jobs on a Ray cluster.

    Args:
        address: `ray://host:port` or `host:port` of a running cluster; none: the one that `RAY_ADDRESS` names, or one
            that is started on this machine and ends with this process.
        preload: modules that a node imports once, for all jobs of a worker.

    Raises:
        ComputeError: Ray is not installed.
    """

    device = "auto"

    def __init__(self, address: str | None = None, preload: Sequence[str] = ()) -> None:
        self.address = address or os.environ.get("RAY_ADDRESS")
        self._preload = list(preload)
        settings = SETTINGS if self.address else SETTINGS | LOCAL_CLUSTER
        os.environ |= {name: os.environ.get(name, value) for name, value in settings.items()}
        require_ray()

    def warm_up(self) -> None:
        """Connect to the cluster, or start it.

        Raises:
            ComputeError: no cluster answers at the address.
        """
        import ray

        if ray.is_initialized():
            return
        local = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
        options: dict[str, Any] = {"address": self.address} if self.address else {"address": "local", **local}
        try:
            ray.init(**options, logging_level="warning", log_to_driver=False)
        except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
            raise ComputeError(f"no Ray cluster answers at {self.address or 'this machine'}: {error}") from error

    def slots(self, wanted: int, *, threads: int = 0, processes: int = 1) -> list[Slot]:
        """One GPU per process if nodes have GPUs; otherwise the cores of the nodes are divided."""
        import ray

        self.warm_up()
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        nodes = [Node(int(found.get("CPU", 0)), int(found.get("GPU", 0))) for found in alive]
        return divide(nodes, wanted, threads=threads, processes=processes)

    def submit(self, job: Job, slot: Slot | None = None) -> RayJob:
        """Queue a job; it starts as soon as nodes have room for it."""
        import ray

        self.warm_up()
        job.folder.mkdir(parents=True, exist_ok=True)
        slot = slot or Slot(0, threads=1)
        if slot.processes > 1:
            return self._submit_group(job, slot)
        options = {**_resources(slot), "max_retries": 0}  # the caller decides whether to try again
        work = ray.remote(run_task).options(**options)
        return RayJob(job, [work.remote(job, {}, self._preload)])

    def wait(self, jobs: Sequence[RunningJob], timeout: float) -> None:
        """Sleep until a task ends."""
        import ray

        pending = [task for job in jobs if isinstance(job, RayJob) for task in job.pending]
        if pending:
            ray.wait(pending, timeout=timeout)
        else:
            time.sleep(timeout)

    def close(self) -> None:
        """Leave the cluster; a cluster that was started here is shut down."""
        import ray

        ray.shutdown()

    def _submit_group(self, job: Job, slot: Slot) -> RayJob:
        """Start one task per process, all at once; the node of the first one is the rendezvous."""
        import ray
        from ray.util import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        options = _resources(slot)
        bundle = {"CPU": options["num_cpus"], "GPU": options["num_gpus"]}
        bundles = [{name: count for name, count in bundle.items() if count}] * slot.processes
        group = placement_group(bundles, strategy="PACK")

        def remote(function: Any, rank: int, **options: int) -> Any:
            place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank)
            return ray.remote(function).options(**options, max_retries=0, scheduling_strategy=place)

        meeting_point = remote(_meeting_point, 0, num_cpus=0).remote()
        tasks = []
        for rank in range(slot.processes):
            # each task sees only its own GPU
            numbers = {"RANK": rank, "WORLD_SIZE": slot.processes, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
            environment = {name: str(number) for name, number in numbers.items()}
            own = replace(job, folder=_process_folder(job.folder, rank))
            tasks.append(remote(run_task, rank, **options).remote(own, environment, self._preload, meeting_point))
        return RayJob(job, tasks, group)


def divide(nodes: Sequence[Node], wanted: int, *, threads: int = 0, processes: int = 1) -> list[Slot]:
    """Slots for at most `wanted` concurrent trials; a process stays on one node, a trial may span several.

    Args:
        nodes: of the cluster.
        wanted: maximum number of concurrent trials.
        threads: cores per trial; 0: as many as possible while all wanted trials run at once.
        processes: of each trial.

    Raises:
        ComputeError: not even one trial fits.
    """
    gpus = sum(node.gpus for node in nodes)
    max_cores = max((node.cpus for node in nodes), default=0)
    wanted_cores = -(-threads // processes)
    if gpus:
        cores = wanted_cores or min(max(1, node.cpus // node.gpus) for node in nodes if node.gpus)
        room = sum(min(node.gpus, node.cpus // cores) for node in nodes) // processes
    else:
        choices = [wanted_cores] if threads else list(range(max_cores, 0, -1)) or [1]
        rooms = {each: sum(node.cpus // each for node in nodes) // processes for each in choices}
        cores = next((each for each in choices if rooms[each] >= wanted), choices[-1])
        room = rooms[cores]
    if cores > max_cores or not room:
        kind = "cores and a GPU" if gpus else "cores"
        raise ComputeError(
            f"a trial needs room for {processes} processes with {cores} {kind} each, and the cluster has none: "
            f"{', '.join(map(str, nodes)) or 'no nodes'}"
        )
    names = ("GPU",) * (processes if gpus else 0)
    return [Slot(number, processes * cores, names, processes) for number in range(min(wanted, room))]


def run_task(
    job: Job, environment: dict[str, str], preload: list[str], meeting_point: tuple[str, int] | None = None
) -> dict[str, Any] | None:
    """The main function of a task: run the job as a process of this node; returns its failure."""
    import ray

    shared = job.folder.parent
    if not shared.exists():
        reason = f"node {socket.gethostname()} has no folder {shared}; it must be on storage that all nodes share"
        return asdict(Failure(reason, ""))
    if meeting_point is not None:
        address, port = meeting_point
        environment = environment | {"MASTER_ADDR": address, "MASTER_PORT": str(port)} | _network()
    # the fork server may have been started by a task with other devices
    gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    environment = environment | {"CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))}
    compute = _node_compute(tuple(preload))
    running = compute.submit(job, environment=environment)
    while running.is_running():
        compute.wait([running], 60.0)
    failure = running.failure()
    return None if failure is None else asdict(failure)


@cache
def _node_compute(preload: tuple[str, ...]) -> LocalCompute:
    """The worker's fork server, kept for its next tasks."""
    return LocalCompute(preload)


def _meeting_point() -> tuple[str, int]:
    """The address of this node and a free port."""
    import ray

    with socket.socket() as listener:
        listener.bind(("", 0))
        return ray.util.get_node_ip_address(), listener.getsockname()[1]


def _network() -> dict[str, str]:
    """Environment that names the network interface with this node's cluster address, for gloo."""
    import psutil
    import ray

    address = ray.util.get_node_ip_address()
    found = [name for name, all_ in psutil.net_if_addrs().items() if any(each.address == address for each in all_)]
    return {"GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", found[0])} if found else {}


_CANCELED = "TaskCancelledError"


def _outcome(task: Any) -> Failure | None:
    """How an ended task ended."""
    import ray
    from ray import exceptions

    try:
        failure = ray.get(task)
    except exceptions.TaskCancelledError:
        return Failure("the job was canceled", "", _CANCELED)
    except exceptions.OutOfMemoryError:
        return Failure("its node ran out of memory", "", "OutOfMemoryError", lost=True)
    except exceptions.RayTaskError as error:
        return Failure(f"its node cannot run it: {error.cause}", str(error), type(error.cause).__name__)
    except exceptions.RayError as error:
        return Failure(f"its node was lost ({type(error).__name__})", "", type(error).__name__, lost=True)
    return None if failure is None else Failure(**failure)


def _resources(slot: Slot) -> dict[str, int]:
    """The resources of each process of a slot's trial."""
    return {"num_cpus": max(1, slot.threads // slot.processes), "num_gpus": len(slot.gpus) // slot.processes}


def _process_folder(folder: Path, number: int) -> Path:
    return folder if number == 0 else folder / f"process-{number}"


def _is_free(folder: Path) -> bool:
    """Whether no process holds a job's folder."""
    if not (folder / LOCK_FILE).exists():
        return True
    return not is_locked(folder / LOCK_FILE)

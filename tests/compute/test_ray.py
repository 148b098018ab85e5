"""Jobs on a real Ray cluster of two nodes on this machine, and what happens when one of them goes away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from automl_vision import AutoMLVisionConfig, Experiment, GridParameterSampling, Workspace, choice
from automl_vision.compute.compute import Compute, Failure, Job, Slot
from automl_vision.compute.ray import LOCAL_CLUSTER, SETTINGS, Node, RayCompute, RayJob, divide, run_task
from automl_vision.compute.targets import check_target, create_compute
from automl_vision.core.errors import ComputeError
from automl_vision.core.files import read_json
from automl_vision.core.records import EvaluationEvent, Message
from automl_vision.data.dataset import Dataset
from automl_vision.deployment.parts import PART_IMAGES
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.testing import ComputeConformance
from conftest import CLASSES, SMALL_MODEL, draw_shapes
from model_folders import write_classifier
from processes import is_alive, wait_for

MakeSpec = Callable[..., TrialSpec]
ONE = Slot(0, threads=1)
SMALL = {
    "pretrained": False, "training_crop_size": 32, "validation_resize_size": 32, "validation_crop_size": 32,
    "precision": "fp32", "training_batch_size": 8,
}  # fmt: skip


def work(behaviour: str, path: str = "") -> None:
    """A job's function for these tests."""
    print("working", flush=True)
    if behaviour == "raise":
        raise ValueError("a bad value")
    if behaviour == "where":
        Path(path).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    if behaviour == "sleep":
        child = subprocess.Popen(["sleep", "60"])
        Path(path).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(60)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that runs no jobs and two nodes of one core each; all of it on loopback."""
    environment = pytest.MonkeyPatch()
    tests = str(Path(__file__).parents[1])
    for name, value in {**SETTINGS, **LOCAL_CLUSTER, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}.items():
        environment.setenv(name, value)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    complete(cluster)
    yield cluster
    cluster.shutdown()
    environment.undo()


def complete(cluster: Any) -> None:
    """Add nodes until there are two."""
    while len(cluster.worker_nodes) < 2:
        cluster.add_node(num_cpus=1)


@pytest.fixture
def mortal(cluster: Any) -> Iterator[Any]:
    """The cluster for a test that loses a node; afterwards there are two again."""
    yield cluster
    complete(cluster)


def processes_of(node: Any) -> list[psutil.Process]:
    """All that a node runs."""
    (raylet,) = node.all_processes["raylet"]
    return psutil.Process(raylet.process.pid).children(recursive=True)


def writes_below(folder: Path, process: psutil.Process) -> bool:
    """Whether a process has a file of a folder open."""
    with suppress(psutil.NoSuchProcess):
        return any(Path(file.path).is_relative_to(folder) for file in process.open_files())
    return False


def lose_a_node(cluster: Any, working_in: Path) -> None:
    """Kill a node that has a file of a folder open, with all that it runs, which stops first: it would work on."""
    running = {node: processes_of(node) for node in cluster.worker_nodes}
    node = next(node for node in running if any(writes_below(working_in, process) for process in running[node]))
    for process in running[node]:
        process.suspend()
    cluster.remove_node(node, allow_graceful=False)
    for process in running[node]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.fixture(scope="module")
def compute(cluster: Any) -> Iterator[RayCompute]:
    compute = RayCompute(cluster.address)  # a job that is ended by force costs a new process what it has preloaded
    compute.warm_up()
    yield compute
    compute.close()


def finish(compute: RayCompute, job: RayJob, seconds: float = 90) -> Failure | None:
    end = time.monotonic() + seconds
    while job.is_running():
        assert time.monotonic() < end, "waited in vain"
        compute.wait([job], 1.0)
    return job.failure()


def sleeping(folder: Path, number: int) -> Job:
    """A job that writes its processes' numbers and sleeps."""
    arguments = {"behaviour": "sleep", "path": str(folder / f"{number}.pids")}
    return Job("test_ray:work", arguments, folder / str(number))


class TestRayComputeConforms(ComputeConformance):
    @pytest.fixture
    def target(self, compute: RayCompute) -> Compute:
        return compute


def test_a_job_sees_only_the_gpus_that_are_its_own(compute: RayCompute, tmp_path: Path):
    arguments = {"behaviour": "where", "path": str(tmp_path / "devices")}
    assert finish(compute, compute.submit(Job("test_ray:work", arguments, tmp_path / "job"), ONE)) is None
    assert (tmp_path / "devices").read_text() == ""


def test_jobs_run_on_all_nodes_and_cancel_ends_what_they_started(compute: RayCompute, tmp_path: Path):
    slots = compute.slots(5)
    assert [slot.threads for slot in slots] == [1, 1]
    jobs = [compute.submit(sleeping(tmp_path, slot.number), slot) for slot in slots]
    wait_for(lambda: len(list(tmp_path.glob("*.pids"))) == 2)
    time.sleep(0.1)
    pids = [int(pid) for file in tmp_path.glob("*.pids") for pid in file.read_text().split()]
    assert len(pids) == 4
    assert all(map(is_alive, pids))
    for job in jobs:
        job.cancel()
        assert not job.is_running()
        assert job.failure() is not None
    wait_for(lambda: not any(map(is_alive, pids)), 10)


def test_a_job_that_waits_for_room_can_be_canceled(compute: RayCompute, tmp_path: Path):
    job = compute.submit(Job("test_ray:work", {"behaviour": "succeed"}, tmp_path / "job"), Slot(0, threads=100))
    compute.wait([job], 0.5)
    assert job.is_running()
    job.cancel()
    assert not job.is_running()
    assert not (tmp_path / "job" / "log.txt").exists()


@pytest.mark.slow
def test_one_trial_on_two_nodes_gives_the_metrics_of_one_process(
    compute: RayCompute, shapes: Dataset, make_spec: MakeSpec
):
    settings = {"model_name": "test_efficientnet_gn", "number_of_epochs": 2, "mixup_alpha": 0.2, "cutmix_alpha": 1.0}
    (slot,) = compute.slots(1, threads=2, processes=2)
    assert (slot.threads, slot.processes) == (2, 2)
    specs = [make_spec(shapes, str(count), processes=count, **settings) for count in (2, 1)]
    for spec, where in zip(specs, (slot, ONE), strict=True):
        job = Job("automl_vision.training.job:run_trial", {"spec": spec.model_dump()}, Path(spec.folder))
        failure = finish(compute, compute.submit(job, where))
        assert failure is None, failure
    assert [read_json(Path(spec.folder) / "result.json")["processes"] for spec in specs] == [2, 1]
    outputs = [Predictions.load(Path(spec.folder) / PREDICTIONS_FILE).logits for spec in specs]
    np.testing.assert_allclose(*outputs, atol=1e-3)


def test_a_sweep_that_loses_a_node_ends_complete(mortal: Any, shapes_folder: Path, tmp_path: Path):
    """Three trials, two at once; when one has come to its second epoch, its node is killed with all that it runs."""
    sampling = GridParameterSampling({"learning_rate": choice(0.003, 0.01, 0.03)})
    config = AutoMLVisionConfig(
        task="image-classification",
        training_data=shapes_folder,
        compute_target=f"ray:{mortal.address}",
        model_name=SMALL_MODEL,
        hyperparameter_sampling=sampling,
        max_concurrent_iterations=2,
        arguments={**SMALL, "number_of_epochs": 60, "early_stopping": 0},
    )
    run = Experiment(Workspace(tmp_path), "ray").submit(config)
    trials = [run.folder.trial(number) for number in range(2)]
    in_its_middle: list[Path] = []
    wait_for(lambda: in_its_middle.extend(t.path for t in trials if 2 < len(t.evaluations()) < 40) or in_its_middle)
    lose_a_node(mortal, in_its_middle[0])
    assert run.wait_for_completion()["status"] == "Completed"
    rows = run.leaderboard()
    assert sorted(row.trial for row in rows) == [0, 1, 2]
    assert {row.status for row in rows} == {"Completed"}
    assert {row.epochs for row in rows} == {60}
    assert (run.model_path / "model.onnx").exists()
    events, _ = run.folder.events.read()
    again = [event.text for event in events if isinstance(event, Message) and "is started again" in event.text]
    assert len(again) == 1
    assert "node was lost" in again[0]
    for trial in trials:  # what was trained before the loss was not trained again
        events, _ = trial.events.read()
        epochs = [event.epoch for event in events if isinstance(event, EvaluationEvent)]
        assert len(epochs) <= 61 + 1


def test_a_scoring_that_loses_a_node_has_no_gap_and_no_duplicate(mortal: Any, tmp_path: Path):
    """The command on the cluster; a node is killed in the middle of its parts."""
    count, photos, out = 16 * PART_IMAGES + 7, tmp_path / "photos", tmp_path / "out.parquet"
    photos.mkdir()
    for i in range(count):
        if i < 10:
            draw_shapes((CLASSES[i % 3],), i, size=(320, 240)).save(photos / f"{i}.png")
        else:
            os.link(photos / f"{i % 10}.png", photos / f"{i}.png")
    (photos / "broken.png").write_bytes(b"")
    model, parts = write_classifier(tmp_path / "model"), tmp_path / "out.parquet.parts"
    options = ["--compute", f"ray:{mortal.address}", "--workspace", str(tmp_path / "ws")]
    program = Path(sys.executable).with_name("automl-vision")
    command = [program, "score", model, photos, "--out", out, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as scoring:
        try:
            wait_for(lambda: len(list(parts.glob("*.arrow"))) >= 2, 120)
            lose_a_node(mortal, tmp_path)
            there = len(list(parts.glob("*.arrow")))
            output, _ = scoring.communicate(timeout=180)
        finally:
            scoring.kill()
    assert there < 15, "the node was to be killed in the middle"
    assert scoring.returncode == 2, output
    assert f"{count:,} of {count + 1:,} images are scored" in output
    images = pq.read_table(out)["image"].to_pylist()
    assert len(images) == len(set(images)) == count
    assert not parts.exists()


@pytest.mark.slow
def test_a_job_whose_node_is_lost_is_lost_and_runs_again_elsewhere(mortal: Any, compute: RayCompute, tmp_path: Path):
    jobs = [compute.submit(sleeping(tmp_path, number), ONE) for number in range(2)]
    pids = [tmp_path / f"{number}.pids" for number in range(2)]
    wait_for(lambda: all(file.exists() for file in pids))
    time.sleep(0.1)
    running = [[int(pid) for pid in file.read_text().split()] for file in pids]
    lose_a_node(mortal, tmp_path)
    wait_for(lambda: any(not job.is_running() for job in jobs), 60)
    (lost,) = [number for number, job in enumerate(jobs) if not job.is_running()]
    failure = jobs[lost].failure()
    assert failure is not None
    assert failure.lost
    assert "node was lost" in failure.reason
    wait_for(lambda: not any(map(is_alive, running[lost])), 10)
    assert all(map(is_alive, running[1 - lost]))
    jobs[1 - lost].cancel()
    again = compute.submit(Job("test_ray:work", {"behaviour": "succeed"}, tmp_path / str(lost)), ONE)
    assert finish(compute, again) is None


@pytest.mark.parametrize(
    ("nodes", "wanted", "threads", "processes", "expected"),
    [
        ([Node(1, 0), Node(1, 0)], 5, 0, 1, [(1, 0), (1, 0)]),
        ([Node(8, 0), Node(4, 0)], 3, 0, 1, [(4, 0)] * 3),
        ([Node(8, 0), Node(4, 0)], 2, 0, 1, [(4, 0)] * 2),
        ([Node(8, 0), Node(8, 0)], 2, 0, 1, [(8, 0)] * 2),
        ([Node(8, 0)], 9, 4, 1, [(4, 0)] * 2),
        ([Node(4, 0), Node(4, 0)], 1, 0, 2, [(8, 0)]),
        ([Node(0, 0), Node(16, 4), Node(16, 4)], 9, 0, 1, [(4, 1)] * 8),
        ([Node(16, 4), Node(16, 4)], 9, 0, 3, [(12, 3)] * 2),
        ([Node(64, 0), Node(8, 2)], 1, 6, 2, [(6, 2)]),
    ],
)
def test_slots_divide_the_nodes(
    nodes: list[Node], wanted: int, threads: int, processes: int, expected: list[tuple[int, int]]
):
    slots = divide(nodes, wanted, threads=threads, processes=processes)
    assert [(slot.threads, len(slot.gpus)) for slot in slots] == expected
    assert {slot.processes for slot in slots} == {processes}


@pytest.mark.parametrize(
    ("nodes", "threads", "processes", "needed"),
    [
        ([], 0, 1, "1 processes with 1 cores each, and the cluster has none: no nodes"),
        ([Node(2, 0)], 0, 4, "4 processes with 1 cores each, and the cluster has none: 2 cores and 0 GPUs"),
        ([Node(2, 0), Node(4, 0)], 5, 1, "1 processes with 5 cores each"),
        ([Node(8, 2)], 0, 3, "3 processes with 4 cores and a GPU each"),
    ],
)
def test_a_trial_that_fits_nowhere_is_told(nodes: list[Node], threads: int, processes: int, needed: str):
    with pytest.raises(ComputeError, match=needed):
        divide(nodes, 1, threads=threads, processes=processes)


@pytest.mark.parametrize("name", ["ray", "ray://head:10001", "ray:10.0.0.1:6379", "local"])
def test_clusters_are_compute_targets(name: str):
    assert check_target(name) == name


@pytest.mark.parametrize("name", ["rai", "ray:", "ray://", "ray:10.0.0.1", "10.0.0.1:6379"])
def test_what_is_no_compute_target_is_told(name: str):
    with pytest.raises(ValueError, match="is not a compute target"):
        check_target(name)


def test_a_node_that_does_not_see_the_run_says_so():
    failure = run_task(Job("test_ray:work", {"behaviour": "succeed"}, Path("/nowhere/trials/0")), {}, [])
    assert failure is not None
    assert "has no folder /nowhere/trials; it must be on storage that all nodes share" in failure["reason"]


def test_choosing_a_cluster_keeps_its_address():
    targets = {"ray://head:10001": "ray://head:10001", "ray:10.0.0.1:6379": "10.0.0.1:6379"}
    for target, address in targets.items():
        compute = create_compute(target)
        assert isinstance(compute, RayCompute)
        assert compute.address == address


def test_nothing_of_ray_is_loaded_before_it_is_asked_for_and_a_missing_ray_is_told():
    code = (
        "import sys\n"
        "import automl_vision.compute, automl_vision.compute.ray, automl_vision.compute.targets\n"
        "assert 'ray' not in sys.modules\n"
        "sys.modules['ray'] = None\n"  # as if it were not installed
        "from automl_vision.core.errors import ComputeError\n"
        "try:\n"
        "    automl_vision.compute.targets.create_compute('ray')\n"
        "except ComputeError as error:\n"
        "    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'Ray is not installed. Install it with: pip install "automl-vision[ray]"\n'


CLIENT = """
import sys
from pathlib import Path
from automl_vision.compute.compute import Job, Slot
from automl_vision.compute.targets import create_compute

target, folder = sys.argv[1:]
compute = create_compute(target)
compute.warm_up()
print([slot.threads for slot in compute.slots(1, threads=1)])

def submit(behaviour):
    arguments = {"behaviour": behaviour, "path": f"{folder}/pids"}
    return compute.submit(Job("test_ray:work", arguments, Path(folder) / behaviour), Slot(0, threads=1))

for behaviour in ("succeed", "raise"):
    job = submit(behaviour)
    while job.is_running():
        compute.wait([job], 1.0)
    print(getattr(job.failure(), "reason", None))
job = submit("sleep")
while job.is_running():
    compute.wait([job], 1.0)
"""


@pytest.fixture
def client(cluster: Any, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a process that runs three jobs on a compute target, the last of which sleeps."""
    started = []

    def start(target: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", CLIENT, target, str(tmp_path)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[0]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _kill_and_see_all_end(process: subprocess.Popen[str], pids: Path) -> None:
    """The client prints what it should; when it is killed, its sleeping job and that one's child end too."""
    wait_for(pids.exists)
    time.sleep(0.1)
    job_and_its_child = [int(pid) for pid in pids.read_text().split()]
    assert all(map(is_alive, job_and_its_child))
    process.kill()
    output, _ = process.communicate()
    assert output.splitlines() == ["[1]", "None", "ValueError: a bad value"]
    wait_for(lambda: not any(map(is_alive, job_and_its_child)), 60)


@pytest.mark.slow
def test_a_cluster_that_was_started_here_ends_with_its_owner(client: Callable[[str], Any], tmp_path: Path):
    _kill_and_see_all_end(client("ray"), tmp_path / "pids")


@pytest.mark.slow
def test_a_running_cluster_ends_the_jobs_of_a_killed_client(cluster: Any, client: Callable[[str], Any], tmp_path: Path):
    _kill_and_see_all_end(client(f"ray:{cluster.address}"), tmp_path / "pids")


@pytest.mark.slow
def test_a_cluster_is_reached_through_its_client_port(cluster: Any, client: Callable[[str], Any], tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ray.util.client.server", "--address", cluster.address, "--host", "127.0.0.1"]
    server = subprocess.Popen([*command, "--port", str(port), "--mode", "proxy"], stderr=subprocess.DEVNULL)
    try:
        _kill_and_see_all_end(client(f"ray://127.0.0.1:{port}"), tmp_path / "pids")
    finally:
        server.kill()
        server.wait()

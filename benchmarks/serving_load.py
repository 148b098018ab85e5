"""Throughput and latency of endpoints under load, beside the limit of the machine and beside other servers.

    python benchmarks/serving_load.py MODEL IMAGES [--seconds 8] [--clients 1 8 32] [--servers ours litserve] [--json]
    python benchmarks/serving_load.py MODEL IMAGES --triton 127.0.0.1:8000/NAME
    python benchmarks/serving_load.py MODEL IMAGES --soak 600

One run on loopback: each server has the same model folder and image files, and the load comes from a process of its own
with keep-alive connections. "limit" is the endpoint's deployment in the process that asks, without HTTP, with as many
threads that ask as there are clients. "ours" is `automl-vision serve`, "litserve" a LitServe API around the same
predictor with its own batching, "mlflow" `mlflow models serve` on the folder, "triton" a server on loopback that was
started with the repository of `export --format triton`. A server that is not installed is left
out, and said. The load's own processor time is printed: with few cores it takes part of what the server could use.

The second form asks for so many seconds with 8 clients, and prints the memory of the server's processes by minute.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path

import psutil

from automl_vision.deployment.online.endpoint_folder import EndpointFolder

_PROGRAM = Path(sys.executable).with_name("automl-vision")
_WARM_SECONDS = 1.5


@dataclass(frozen=True)
class Load:
    """What a load of some clients measured.

    Attributes:
        server: whose answers.
        clients: that asked at once.
        per_second: images answered per second.
        p50, p95, p99: milliseconds from request to answer.
        errors: answers other than 200.
        client_cores: processor seconds of the load per second.
    """

    server: str
    clients: int
    per_second: float
    p50: float
    p95: float
    p99: float
    errors: int
    client_cores: float


def quantile(values: list[float], share: float) -> float:
    """A quantile of some values."""
    return (
        statistics.quantiles(values, n=1000, method="inclusive")[round(1000 * share) - 1]
        if len(values) > 1
        else values[0]
    )


def report(server: str, clients: int, seconds: list[float], elapsed: float, errors: int, cores: float) -> Load:
    """The figures of a load."""
    points = [1000 * quantile(seconds, share) for share in (0.5, 0.95, 0.99)]
    return Load(server, clients, len(seconds) / elapsed, *points, errors, cores)


@contextmanager
def process(command: list[str], ready: Callable[[], bool], environment: dict[str, str] | None = None) -> Iterator[int]:
    """A server in a process of its own, ended by its id."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            end = time.monotonic() + 120
            while not ready():
                if child.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise RuntimeError(log.read().decode(errors="replace")[-3000:])
                time.sleep(0.1)
            yield child.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int, path: str) -> bool:
    """Whether a server answers 200 to a GET."""
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False


@dataclass(frozen=True)
class Target:
    """Where a load goes.

    Attributes:
        name: of the server.
        port: of loopback.
        path: of the requests.
        headers: of the requests.
        form: "bytes" for the image itself, "v2", "litserve" or "mlflow".
    """

    name: str
    port: int
    path: str
    headers: dict[str, str]
    form: str = "bytes"

    def request(self, image: bytes) -> tuple[bytes, dict[str, str]]:
        """The body and the headers of a request."""
        if self.form == "bytes":
            return image, self.headers
        if self.form == "v2":
            tensor = struct.pack("<I", len(image)) + image
            given = {"name": "image", "datatype": "BYTES", "shape": [1, 1]}
            head = json.dumps({"inputs": [{**given, "parameters": {"binary_data_size": len(tensor)}}]}).encode()
            return head + tensor, {**self.headers, "Inference-Header-Content-Length": str(len(head))}
        text = base64.b64encode(image).decode()
        if self.form == "litserve":
            return json.dumps({"image": text}).encode(), self.headers
        return json.dumps({"dataframe_split": {"columns": ["image"], "data": [[text]]}}).encode(), self.headers


@contextmanager
def ours(model: Path) -> Iterator[Target]:
    """`automl-vision serve`."""
    with tempfile.TemporaryDirectory() as folder:
        endpoint = EndpointFolder(Path(folder) / "load")
        key = endpoint.deploy(model, "model").keys["primary"]
        port = free_port()
        command = [str(_PROGRAM), "serve", f"{endpoint.path}/", "--port", str(port)]
        with process(command, lambda: answers(port, "/health/ready")):
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/jpeg"}
            yield Target("ours", port, "/score", headers)


@contextmanager
def litserve(model: Path) -> Iterator[Target]:
    """A LitServe API around the same predictor."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "api.py"
        script.write_text(
            "import base64, sys, litserve\n"
            "from pathlib import Path\n"
            "from automl_vision.deployment.online.plan import open_planned\n"
            "class Api(litserve.LitAPI):\n"
            "    def setup(self, device):\n"
            "        self.predictor, _ = open_planned(Path(sys.argv[1]))\n"
            "    def decode_request(self, request):\n"
            "        return base64.b64decode(request['image'])\n"
            "    def batch(self, inputs):\n"
            "        return list(inputs)\n"
            "    def predict(self, images):\n"
            "        return self.predictor(images)\n"
            "    def unbatch(self, output):\n"
            "        return output\n"
            "    def encode_response(self, output):\n"
            "        return output.to_json()\n"
            "if __name__ == '__main__':\n"
            "    api = Api(max_batch_size=8, batch_timeout=0.005)\n"
            "    server = litserve.LitServer(api, accelerator='cpu')\n"
            "    server.run(host='127.0.0.1', port=int(sys.argv[2]), generate_client_file=False, log_level='warning')\n"
        )
        command = [sys.executable, str(script), str(model), str(port)]
        with process(command, lambda: answers(port, "/health")):
            yield Target("litserve", port, "/predict", {"Content-Type": "application/json"}, "litserve")


@contextmanager
def mlflow(model: Path) -> Iterator[Target]:
    """`mlflow models serve` on the model folder."""
    port = free_port()
    program = str(Path(sys.executable).with_name("mlflow"))
    command = [
        program,
        "models",
        "serve",
        "-m",
        str(model),
        "--env-manager",
        "local",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with process(command, lambda: answers(port, "/ping"), environment):
        yield Target("mlflow", port, "/invocations", {"Content-Type": "application/json"}, "mlflow")


SERVERS = {"ours": ours, "litserve": litserve, "mlflow": mlflow}


def ask_all(target: Target, files: list[Path], clients: int, seconds: float) -> tuple[list[float], float, int, float]:
    """Ask with some clients; returns the seconds of answers, the time, errors and processor seconds per second."""
    requests = [target.request(file.read_bytes()) for file in files]
    times: list[list[float]] = [[] for _ in range(clients)]
    errors = [0] * clients
    begin, end = time.perf_counter() + _WARM_SECONDS, time.perf_counter() + _WARM_SECONDS + seconds

    def client(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", target.port, timeout=60)
        chance = random.Random(number)
        while (asked := time.perf_counter()) < end:
            connection.request("POST", target.path, *chance.choice(requests))
            answer = connection.getresponse()
            answer.read()
            now = time.perf_counter()
            if asked >= begin and now <= end:
                if answer.status == 200:
                    times[number].append(now - asked)
                else:
                    errors[number] += 1
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    cores = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (
        list(chain.from_iterable(times)),
        seconds,
        sum(errors),
        (time.process_time() - cores) / (seconds + _WARM_SECONDS),
    )


def load(target: Target, images: Path, clients: int, seconds: float) -> Load:
    """A load from a process of its own."""
    command = [sys.executable, __file__, "--load", json.dumps(asdict(target)), str(images), str(clients), str(seconds)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Load(**found)


def limit(model: Path, files: list[Path], clients: int, seconds: float) -> Load:
    """Decoding and inference in this process, asked by threads, without HTTP."""
    from automl_vision.deployment.online.definition import DeploymentDefinition, RequestLimits
    from automl_vision.deployment.online.live import LiveDeployment

    definition = DeploymentDefinition(model="model", folder="")
    deployment = LiveDeployment("limit", definition, model, RequestLimits())
    processor = deployment.processor()
    bodies = [file.read_bytes() for file in files]
    times: list[list[float]] = [[] for _ in range(clients)]
    begin, end = time.perf_counter() + _WARM_SECONDS, time.perf_counter() + _WARM_SECONDS + seconds

    def client(number: int) -> None:
        chance = random.Random(number)
        while (asked := time.perf_counter()) < end:
            deployment.submit([chance.choice(bodies)], lambda outputs: outputs.predictions(processor)).result()
            now = time.perf_counter()
            if asked >= begin and now <= end:
                times[number].append(now - asked)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deployment.close()
    return report("limit", clients, list(chain.from_iterable(times)), seconds, 0, 0.0)


def family(pid: int) -> list[psutil.Process]:
    """A process and all its children."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def memory(target: Target) -> float:
    """MB of the processes that listen on a target's port, and of their children."""
    pids = {
        c.pid for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == target.port and c.status == "LISTEN"
    }
    return sum(each.memory_info().rss for pid in pids if pid for each in family(pid)) / 1e6


def soak(model: Path, images: Path, seconds: int) -> None:
    """Ask for a long time, and print the memory."""
    with ours(model) as target:
        for minute in range(max(1, seconds // 60)):
            found = load(target, images, 8, min(60, seconds))
            print(
                f"minute {minute + 1}: {found.per_second:.0f} images/s, {found.errors} errors, {memory(target):.0f} MB"
            )


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--load"]:
        target = Target(**json.loads(sys.argv[2]))
        files = sorted(file for file in Path(sys.argv[3]).rglob("*") if re.search(r"\.(jpe?g|png)$", file.name, re.I))[
            :200
        ]
        clients, seconds = int(sys.argv[4]), float(sys.argv[5])
        times, elapsed, errors, cores = ask_all(target, files, clients, seconds)
        print(json.dumps(asdict(report(target.name, clients, times or [float("nan")], elapsed, errors, cores))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--servers", nargs="+", default=list(SERVERS), choices=list(SERVERS))
    parser.add_argument("--triton", metavar="HOST:PORT/MODEL", help="a running Triton server with the same model")
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.soak:
        soak(given.model, given.images, given.soak)
        return
    files = sorted(file for file in given.images.rglob("*") if re.search(r"\.(jpe?g|png)$", file.name, re.I))[:200]
    found: list[Load] = []
    limits = {clients: limit(given.model, files, clients, given.seconds) for clients in given.clients}
    found += limits.values()
    for name in given.servers:
        try:
            with SERVERS[name](given.model) as target:
                found += [load(target, given.images, clients, given.seconds) for clients in given.clients]
        except (RuntimeError, FileNotFoundError) as error:
            print(f"{name} left out: {error}", file=sys.stderr)
    if given.triton:
        server, _, name = given.triton.partition("/")
        target = Target("triton", int(server.rpartition(":")[2]), f"/v2/models/{name}/infer", {}, "v2")
        found += [load(target, given.images, clients, given.seconds) for clients in given.clients]
    if given.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return
    print("server     clients  images/s  of limit   p50 ms   p95 ms   p99 ms  errors  load's cores")
    for each in found:
        share = each.per_second / limits[each.clients].per_second
        print(
            f"{each.server:10} {each.clients:7} {each.per_second:9.1f} {share:9.2f} {each.p50:8.1f} {each.p95:8.1f} "
            f"{each.p99:8.1f} {each.errors:7} {each.client_cores:13.2f}"
        )


if __name__ == "__main__":
    main()

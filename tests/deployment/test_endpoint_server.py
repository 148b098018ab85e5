"""The server as it runs: real processes on loopback, changed under load, killed, and asked by public clients."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import schemathesis
from endpoints import made_endpoint, photo
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from automl_vision import Predictor
from automl_vision.deployment.online.app import create_app
from automl_vision.deployment.online.definition import EndpointError
from automl_vision.deployment.online.endpoint_folder import EndpointFolder
from automl_vision.deployment.online.server import ServerSettings, serve
from model_folders import write_classifier, write_detector
from processes import wait_for
from serving_processes import serving

PHOTO = photo()


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], address: str) -> None:
        self.process = process
        self.address = address
        self.port = int(address.rpartition(":")[2])

    def ask(self, key: str, *, path: str = "/score", body: bytes | None = PHOTO, **headers: str) -> tuple[int, bytes]:
        """Status and body of an answer, on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET" if body is None else "POST", path, body, {"Authorization": f"Bearer {key}", **headers})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found


@contextmanager
def served(endpoint: EndpointFolder, *options: str, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """A server of an endpoint's folder, once it is ready."""
    with serving(endpoint, *options, environment=environment) as (process, address):
        yield Server(process, address)


def test_a_changed_definition_fails_no_request(tmp_path: Path) -> None:
    """Under load a deployment is added, takes all traffic, and the first one is removed; keys are renewed."""
    endpoint, key = made_endpoint(tmp_path)
    other = write_classifier(tmp_path / "other", seed=7)
    answers: list[tuple[int, str]] = []
    end = threading.Event()

    def ask(server: Server) -> None:
        while not end.is_set():
            status, body = server.ask(key)
            answers.append((status, body.decode()))

    with served(endpoint) as server:
        threads = [threading.Thread(target=ask, args=(server,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(answers) > 20)
        before = answers[-1][1]
        endpoint.deploy(other, "shapes:2", name="green", share=100)
        wait_for(lambda: answers[-1][1] != before)
        endpoint.remove_deployment("blue")
        wait_for(lambda: "blue" not in server.ask(key, path="/", body=None)[1].decode())
        served_until_now = len(answers)
        wait_for(lambda: len(answers) > served_until_now + 20)
        endpoint.definition_file.write_text("deployments: [")
        wait_for(lambda: "cannot be read" in server.ask(key, path="/", body=None)[1].decode())
        assert server.ask(key)[0] == 200
        end.set()
        for thread in threads:
            thread.join()
        new = endpoint.renew_key("primary")
        assert server.ask(key)[0] == 200  # the definition is broken still, so nothing changes
        definition = '{deployments: {green: {model: "shapes:2", folder: FOLDER}}, traffic: {green: 100}}'
        (folder,) = (each.name for each in (endpoint.path / "models").iterdir() if each.name.startswith("green"))
        endpoint.definition_file.write_text(definition.replace("FOLDER", f"models/{folder}"))
        wait_for(lambda: server.ask(new)[0] == 200)
        assert server.ask(key)[0] == 401
    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == 2


def test_what_was_accepted_is_answered_when_the_server_ends(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    head = f"POST /score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(PHOTO)}\r\n\r\n"
    with served(endpoint) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(head.encode() + PHOTO[:100])
            wait_for(lambda: server.ask(key)[0] == 200)  # answered after the other one came
            server.process.terminate()
            wait_for(lambda: not accepts(server.port))
            connection.sendall(PHOTO[100:])
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert server.process.wait(30) == -signal.SIGTERM  # uvicorn passes the signal on once it is done


def accepts(port: int) -> bool:
    """Whether a server takes connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def test_workers_share_the_work_and_one_that_dies_is_replaced(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    endpoint.limit_key("primary", per_second=None, per_day=60)
    with served(endpoint, "--workers", "2") as server:
        statuses = [server.ask(key)[0] for _ in range(20)]
        assert set(statuses) == {200}
        text = server.ask(key, path="/metrics", body=None)[1].decode()
        (images,) = re.findall(r'images_total\{deployment="blue"\} (\S+)', text)
        assert float(images) == 20
        workers = psutil.Process(server.process.pid).children()
        workers = [each for each in workers if "spawn_main" in " ".join(each.cmdline())]
        assert len(workers) == 2
        workers[0].kill()
        wait_for(
            lambda: len([each for each in psutil.Process(server.process.pid).children() if each.is_running()]) >= 2
        )
        late = [server.ask(key)[0] for _ in range(45)]
        assert late.count(429) == 45 - (60 - 21)  # a quota counts what any worker answered


def test_slow_senders_are_cut_off(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    definition = endpoint.definition()
    limits = definition.limits.model_copy(update={"body_timeout_s": 1})
    endpoint.change(definition.changed(limits=limits), "little patience")
    with served(endpoint) as server:

        def connect(head: bytes) -> socket.socket:
            found = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            found.sendall(head)
            return found

        lines = ["POST /score HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", "Content-Length: 1000", "", "abc"]
        slow_body = connect("\r\n".join(lines).encode())
        slow_head, silent = connect(b"POST /score HTTP/1.1\r\nHost:"), connect(b"")
        assert slow_body.recv(100).startswith(b"HTTP/1.1 408")
        begun = time.monotonic()
        assert slow_head.recv(100) == silent.recv(100) == b""  # closed without an answer
        assert time.monotonic() - begun < 40
        assert server.ask(key)[0] == 200
        for each in (slow_body, slow_head, silent):
            each.close()


def test_a_certificate_is_used(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    certificate, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(private), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    with served(endpoint, "--certificate", str(certificate), "--key", str(private)) as server:
        trusted = ssl.create_default_context(cafile=str(certificate))
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/png"}
        request = urllib.request.Request(f"{server.address}/score", PHOTO, headers)

        def status() -> int:
            try:
                with urllib.request.urlopen(request, context=trusted, timeout=30) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        wait_for(lambda: status() == 200, 60)


@pytest.mark.parametrize(
    ("auth_mode", "settings", "said"),
    [
        ("key", {}, "which needs TLS"),
        ("none", {}, "which needs a key (auth_mode: key) and TLS"),
        ("key", {"certificate": Path("c")}, "both a certificate and its key"),
    ],
)
def test_an_endpoint_is_not_open_to_everyone_by_accident(
    tmp_path: Path, auth_mode: str, settings: dict[str, Any], said: str
) -> None:
    endpoint, _ = made_endpoint(tmp_path)
    endpoint.change(endpoint.definition().changed(auth_mode=auth_mode), "for a test")
    with pytest.raises(EndpointError, match=re.escape(said)):
        serve(endpoint, ServerSettings("0.0.0.0", 0, **settings))


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for no key."""
    endpoint, _ = made_endpoint(tmp_path_factory.mktemp("open"))
    endpoint.change(endpoint.definition().changed(auth_mode="none"), "for generated requests")
    with served(endpoint) as server:
        yield server


def _operations(tmp: str) -> list[Any]:
    described = create_app(Path(tmp) / "shapes").openapi()
    return [found.ok() for found in schemathesis.openapi.from_dict(described).get_all_operations()]


@pytest.mark.parametrize("operation", _operations("/nowhere"), ids=lambda found: f"{found.method.upper()} {found.path}")
def test_no_generated_request_breaks_an_operation(operation: Any, open_server: Server) -> None:
    checks = (not_a_server_error, content_type_conformance, response_schema_conformance)

    @given(case=operation.as_strategy())
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def try_it(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=open_server.address, checks=checks)

    try_it()


def test_the_examples_of_the_description_run(open_server: Server) -> None:
    described = json.loads(open_server.ask("", path="/openapi.json", body=None)[1])
    ran = 0
    for path, operations in described["paths"].items():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" in content:
                address = path.replace("{model}", "shapes").replace("{version}", "blue")
                body = json.dumps(content["example"]).encode()
                status, answer = open_server.ask("", path=address, body=body, **{"Content-Type": "application/json"})
                assert status == 200, answer
                ran += 1
    assert ran == 3


@pytest.mark.parametrize("binary", [True, False])
def test_a_public_client_of_the_inference_protocol_gets_the_predictors_answer(tmp_path: Path, binary: bool) -> None:
    from tritonclient import http as triton

    photos = [photo(seed) for seed in range(3)]
    endpoint, key = made_endpoint(tmp_path)
    endpoint.deploy(write_detector(tmp_path / "detector"), "boxes:1", name="boxes")
    expected = Predictor(tmp_path / "model")(photos)
    headers = {"Authorization": f"Bearer {key}"}
    with served(endpoint) as server:
        client = triton.InferenceServerClient(server.address.removeprefix("http://"))
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("shapes", headers=headers)
        metadata = client.get_model_metadata("shapes", headers=headers)
        assert metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
        assert [each["name"] for each in metadata["outputs"]] == ["predictions", "probabilities", "label"]
        given = triton.InferInput("image", [3], "BYTES")
        given.set_data_from_numpy(np.array(photos, object))
        wanted = [
            triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label", "predictions")
        ]
        found = client.infer("shapes", [given], outputs=wanted, request_id="r1", headers=headers)
        np.testing.assert_allclose(found.as_numpy("probabilities"), [each.probs for each in expected], rtol=1e-6)
        texts = [text.decode() if isinstance(text, bytes) else text for text in found.as_numpy("label").tolist()]
        assert texts == [each.label for each in expected]
        assert found.get_response()["id"] == "r1"
        boxes = client.infer("shapes", [given], model_version="boxes", headers=headers).as_numpy("predictions")
        assert [len(json.loads(each)["boxes"]) for each in boxes] == [2, 2, 2]
        with pytest.raises(triton.InferenceServerException, match='no model is named "other"'):
            client.infer("other", [given], headers=headers)
        with pytest.raises(triton.InferenceServerException, match='no output is named "heat"'):
            client.infer("shapes", [given], outputs=[triton.InferRequestedOutput("heat")], headers=headers)
        client.close()


def test_the_server_needs_neither_torch_nor_the_parts_that_train(tmp_path: Path) -> None:
    """With the modules of the extra `serve` alone, as in a container."""
    endpoint, key = made_endpoint(tmp_path)
    hidden = [
        "torch",
        "torchvision",
        "timm",
        "pyarrow",
        "pandas",
        "scipy",
        "sklearn",
        "mlflow",
        "optuna",
        "onnx",
        "rich",
    ]
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for name in hidden:
        (blocked / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}', name='{name}')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(blocked), os.environ.get("PYTHONPATH", "")])}
    moved = tmp_path / "elsewhere" / "shapes"
    shutil.copytree(endpoint.path, moved)
    with served(EndpointFolder(moved), environment=environment) as server:
        assert server.ask(key)[0] == 200

"""What the container files say holds: they fit their schemas, and the command of the image serves an endpoint."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from endpoints import made_endpoint, photo

from processes import free_port, wait_for

FILES = Path(__file__).parents[2] / "deploy"
DOCKERFILE = (FILES / "Dockerfile").read_text()


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def command(name: str) -> list[str]:
    """The last ENTRYPOINT or CMD of the image."""
    found: list[str] = json.loads(re.findall(rf"^{name} (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])
    return found


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_manifests_fit_their_schemas(version: str) -> None:
    kinds = []
    for document in documents(FILES / "kubernetes" / "endpoint.yaml"):
        kubernetes_validate.validate(document, version, strict=True)
        kinds.append(document["kind"])
    assert kinds == ["Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"]
    broken = documents(FILES / "kubernetes" / "endpoint.yaml")[0]
    broken["spec"]["replicas"] = "two"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_pods_run_the_images_command_without_rights() -> None:
    deployment = documents(FILES / "kubernetes" / "endpoint.yaml")[0]["spec"]["template"]["spec"]
    (inference,) = documents(FILES / "kserve" / "inference_service.yaml")
    predictor = inference["spec"]["predictor"]
    assert deployment["containers"][0]["args"] == command("CMD")
    where = {"/endpoint/": "/endpoints/helmets/"}
    assert predictor["containers"][0]["args"] == [where.get(word, word) for word in command("CMD")]
    user = re.findall(r"^USER (\d+):", DOCKERFILE, re.MULTILINE)
    assert user == [str(deployment["securityContext"]["runAsUser"])]
    for pod in (deployment, predictor):
        (container,) = pod["containers"]
        rights = {**pod.get("securityContext", {}), **container["securityContext"]}
        assert rights["runAsNonRoot"] and rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}


def test_all_that_services_name_is_declared() -> None:
    (compose,) = documents(FILES / "compose.yaml")
    for name, service in compose["services"].items():
        assert "build" in service or re.search(r":v?\d[\w.-]*}?$", service["image"]), name
        assert set(service.get("secrets", [])) <= compose["secrets"].keys()
        assert set(service.get("depends_on", [])) <= compose["services"].keys()
        named = [each.partition(":")[0] for each in service.get("volumes", []) if not each.startswith(("/", ".", "$"))]
        assert set(named) <= compose["volumes"].keys()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_command_of_the_image_serves(tmp_path: Path) -> None:
    """As in the container: the folder cannot be written, and only a scratch folder can."""
    endpoint, key = made_endpoint(tmp_path)
    port, scratch = free_port(), tmp_path / "scratch"
    scratch.mkdir()
    for file in [endpoint.path, *endpoint.path.rglob("*")]:
        file.chmod(0o555 if file.is_dir() else 0o444)
    replaced = {"/endpoint/": f"{endpoint.path}/", "8080": str(port), "0.0.0.0": "127.0.0.1"}
    words = [replaced.get(word, word) for word in [*command("ENTRYPOINT"), *command("CMD")]]
    environment = {**os.environ, "HOME": str(scratch), "XDG_CACHE_HOME": str(scratch / "cache")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    (health,) = re.findall(r"HEALTHCHECK .*\n\s+CMD (\[.*\])", DOCKERFILE)
    probe = [sys.executable if word == "python" else word.replace("8080", str(port)) for word in json.loads(health)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: subprocess.run(probe, check=False, capture_output=True).returncode == 0, 60)
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/score", photo(), {"Authorization": f"Bearer {key}"})
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        process.terminate()
        process.wait(40)
        for file in [endpoint.path, *endpoint.path.rglob("*")]:
            file.chmod(0o755)

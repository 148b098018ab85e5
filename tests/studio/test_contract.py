"""The API against its own description: whatever is sent, no server error, and answers as they are described."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from starlette.testclient import TestClient

from automl_vision import Workspace
from automl_vision.studio.app import create_app
from studio_site import StudioWorkspace

STREAMS = ("/api/v1/runs/{run_id}/events",)  # never end
CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance)


OPERATIONS = [
    found.ok()
    for found in schemathesis.openapi.from_dict(create_app([]).openapi()).get_all_operations()
    if found.ok().path not in STREAMS
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda found: f"{found.method.upper()} {found.path}")
def test_operation(operation: Any, studio_address: str) -> None:
    @given(case=operation.as_strategy())
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def try_it(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=studio_address.rstrip("/"), headers={"X-Studio": "1"}, checks=CHECKS)

    try_it()


def test_every_name_of_the_description_is_used_once() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # FastAPI warns of operations with the same name
        description = create_app([]).openapi()
    assert not [name for name in description["components"]["schemas"] if "__" in name]


@pytest.mark.parametrize("text", ["../../spec.json", "..%2f..%2fspec.json", "%00", "a" * 3000, "<script>", "💥", "-1"])
def test_odd_addresses_are_not_found(client: TestClient, studio_workspace: StudioWorkspace, text: str) -> None:
    for address in (
        f"runs/{text}",
        f"runs/{studio_workspace.sweep}/figures/{text}",
        f"data/{text}/1",
        f"models/{text}/1",
    ):
        answer = client.get(f"/api/v1/{address}")
        assert answer.status_code in (404, 422), (address, answer.status_code, answer.text[:200])
        assert answer.headers["content-type"] == "application/problem+json"


def test_an_empty_workspace(tmp_path: Path) -> None:
    client = TestClient(create_app([Workspace(tmp_path)]), base_url="http://127.0.0.1")
    assert client.get("/api/v1/runs").json() == {"items": [], "total": 0, "next": None}

"""What holds for every page and answer: headers, errors, tags, paging; the app in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from starlette.testclient import TestClient

from studio_site import StudioWorkspace


def test_what_is_open(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    system = client.get("/api/v1/system").json()
    assert [space["path"] for space in system["workspaces"]] == [str(studio_workspace.workspace.path)]


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/v1/runs/nothing", 404, 'no run "nothing" is in'),
        ("/api/v1/runs?workspace=other", 404, 'no workspace "other" is open'),
        ("/api/v1/runs?limit=100000", 422, "limit"),
        ("/api/v1/nothing", 404, "the API has nothing at"),
        ("/assets/..%2Fapp.py", 404, "no file"),
        ("/assets/%2e%2e%2f%2e%2e%2fapp.py", 404, "no file"),
        ("/assets/nothing.js", 404, "no file nothing.js"),
    ],
)
def test_a_failure_says_why(client: TestClient, path: str, status: int, detail: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert detail in answer.json()["detail"]


def test_an_unchanged_answer_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/api/v1/runs")
    again = client.get("/api/v1/runs", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/v1/runs?limit=1", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_a_list_comes_in_pages(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    first = client.get("/api/v1/runs?limit=1").json()
    second = client.get(f"/api/v1/runs?limit=100&cursor={first['next']}").json()
    found = [run["id"] for run in first["items"] + second["items"]]
    assert {studio_workspace.sweep, studio_workspace.detection} <= set(found)
    assert len(found) == first["total"] == second["total"]
    assert second["next"] is None


def test_the_app_shows_the_runs(page: Page, studio_workspace: StudioWorkspace) -> None:
    page.goto("")
    page.get_by_role("link", name=studio_workspace.sweep).first.click()
    expect(page.get_by_role("heading", name=studio_workspace.sweep)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name=studio_workspace.sweep)).to_be_visible()

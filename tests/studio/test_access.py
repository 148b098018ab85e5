"""Who may ask: other sites, other names, wrong tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from automl_vision import Workspace
from automl_vision.studio.access import Access, TokenError
from automl_vision.studio.app import create_app
from automl_vision.web.listening import is_loopback
from studio_browser import Complaints, served
from studio_site import StudioWorkspace

TOKEN = "a token of the tests, 0123456789"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def local(workspace: Workspace, host: str = "127.0.0.1:8787") -> TestClient:
    return TestClient(create_app([workspace]), base_url=f"http://{host}")


def guarded(workspace: Workspace, base: str = "http://studio.example:8787") -> TestClient:
    return TestClient(create_app([workspace], access=Access(TOKEN)), base_url=base)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8787", 200),
        ("localhost:8787", 200),
        ("[::1]:8787", 200),
        ("127.8.9.1", 200),
        ("evil.example", 421),  # a name of another site that was pointed at loopback
        ("evil.example:8787", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.168.1.4:8787", 421),
    ],
)
def test_without_a_token_only_this_machine_is_answered(workspace: Workspace, host: str, status: int) -> None:
    client = local(workspace)
    for path in ("/", "/api/v1/system"):
        assert client.get(path, headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("GET", {"Origin": "http://127.0.0.1:8787", "Sec-Fetch-Site": "same-origin"}, 200),
        ("GET", {"Origin": "https://evil.example"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", {"Sec-Fetch-Site": "same-site"}, 403),  # another port of this machine
        ("GET", {"Origin": "http://127.0.0.1:9999"}, 403),
        ("DELETE", {}, 403),
        ("DELETE", {"X-Studio": "1"}, 204),
        ("DELETE", {"X-Studio": "1", "Origin": "http://127.0.0.1:8787"}, 204),
        ("DELETE", {"X-Studio": "1", "Origin": "https://evil.example"}, 403),
        ("DELETE", {"X-Studio": "1", "Origin": "null"}, 403),
        ("DELETE", {"X-Studio": "1", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_other_sites_are_refused(workspace: Workspace, method: str, headers: dict[str, str], status: int) -> None:
    assert local(workspace).request(method, "/api/v1/session", headers=headers).status_code == status


def test_an_allowed_name(workspace: Workspace) -> None:
    app = create_app([workspace], access=Access(hosts=["Studio.example"]))
    assert TestClient(app, base_url="https://studio.example").get("/api/v1/system").status_code == 200
    assert TestClient(app, base_url="https://other.example").get("/api/v1/system").status_code == 421


def test_a_token_is_needed_and_becomes_a_cookie(workspace: Workspace) -> None:
    client = guarded(workspace)
    refused = client.get("/api/v1/runs")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert client.get("/").status_code == 200, "the app itself shows the page on which one signs in"
    assert client.get("/api/v1/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    client.headers["X-Studio"] = "1"
    assert client.post("/api/v1/session", json={"token": "wrong"}).status_code == 401
    signed = client.post("/api/v1/session", json={"token": TOKEN})
    assert signed.status_code == 204
    cookie = signed.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/api/v1/runs").status_code == 200
    client.delete("/api/v1/session")
    assert client.get("/api/v1/runs").status_code == 401


def test_over_https_the_cookie_is_secure(workspace: Workspace) -> None:
    client = guarded(workspace, "https://studio.example")
    signed = client.post("/api/v1/session", json={"token": TOKEN}, headers={"X-Studio": "1"})
    assert "Secure" in signed.headers["set-cookie"]


def test_sessions_are_signed_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(TOKEN)
    session = access.new_session()
    assert access.knows_session(session)
    assert Access(TOKEN).knows_session(session), "a restart keeps those who are signed in"
    assert not Access(TOKEN + "!").knows_session(session), "another token ends them"
    ends, _, signature = session.partition(".")
    for forged in (f"{int(ends) + 1}.{signature}", signature, "", "x.y", f"{ends}."):
        assert not access.knows_session(forged)
    monkeypatch.setattr("time.time", lambda: int(ends) + 1.0)
    assert not access.knows_session(session)


def test_guessing_is_slowed_down(workspace: Workspace) -> None:
    client = guarded(workspace)
    for _ in range(10):
        assert client.get("/api/v1/runs", headers={"Authorization": "Bearer guess"}).status_code == 401
    slowed = client.get("/api/v1/runs", headers={"Authorization": f"Bearer {TOKEN}"})
    assert slowed.status_code == 429
    assert 0 < int(slowed.headers["retry-after"]) <= 61
    assert client.post("/api/v1/session", json={"token": TOKEN}, headers={"X-Studio": "1"}).status_code == 429


def test_a_short_token_is_refused() -> None:
    with pytest.raises(TokenError, match="has 5 characters; it needs at least 16"):
        Access("short")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.1", False), ("a.b", False)],
)
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for path in ("/", "/api/v1/runs", "/api/v1/nothing", "/charts/plotly.js"):
        headers = client.get(path).headers
        assert "script-src 'self';" in headers["content-security-policy"]
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_signing_in_with_the_browser(browser: Browser, studio_workspace: StudioWorkspace) -> None:
    with served([studio_workspace.workspace.path], "--token", TOKEN) as address:
        context = browser.new_context()
        page = context.new_page()
        complaints = Complaints(page, address)
        complaints.expected.append("401")
        page.goto(address)
        page.get_by_label("Token").fill("not the token at all")
        page.keyboard.press("Enter")
        expect(page.get_by_text("this is not the token")).to_be_visible()
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name=studio_workspace.sweep)).to_be_visible()
        assert not complaints.unexpected
        context.close()

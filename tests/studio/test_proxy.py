"""The studio under a path of a reverse proxy: a real nginx in front of it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from studio_browser import Complaints, served
from studio_site import StudioWorkspace

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

CONFIG = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /studio/ {{
            proxy_pass {studio};
            proxy_set_header Host $host;
            proxy_buffering off;
        }}
    }}
}}
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def proxied(studio_workspace: StudioWorkspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the studio behind nginx."""
    if NGINX is None:
        pytest.skip("nginx is not installed; on Debian: apt-get install nginx-light")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    with served([studio_workspace.workspace.path], "--root-path", "/studio") as address:
        studio = address.removesuffix("studio/")
        config = folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, port=port, studio=studio))
        process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")])
        try:
            wait_for_port(port, folder)
            yield f"http://localhost:{port}/studio/"
        finally:
            process.terminate()
            process.wait(10)


def wait_for_port(port: int, folder: Path) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < end, (folder / "error.log").read_text()
            time.sleep(0.05)


def test_the_studio_works_under_a_path(proxied: str, browser: Browser, studio_workspace: StudioWorkspace) -> None:
    context = browser.new_context(base_url=proxied)
    page = context.new_page()
    complaints = Complaints(page, proxied)
    page.goto("")
    page.get_by_role("link", name=studio_workspace.sweep).first.click()
    expect(page).to_have_url(f"{proxied}runs/{studio_workspace.sweep}")
    expect(page.get_by_role("heading", name=studio_workspace.sweep)).to_be_visible()
    page.reload()  # deep addresses load the same files
    expect(page.get_by_role("heading", name=studio_workspace.sweep)).to_be_visible()
    assert page.evaluate("async () => (await fetch('/studio/api/v1/system')).status") == 200
    assert not complaints.unexpected
    context.close()

"""The web app's sources: they pass their checks, and the committed build is what they build to."""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRONTEND = ROOT / "frontend"
NO_REGISTRY = r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|SOCKET_TIMEOUT|npm error (network|code E[45]\d\d)"
STATIC = ROOT / "src" / "automl_vision" / "studio" / "static"


def npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["npm", *arguments], cwd=FRONTEND, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def packages() -> None:
    """The packages of the lock file, installed without running their scripts."""
    if shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed")
    if not (FRONTEND / "node_modules" / ".package-lock.json").exists():
        try:
            installed = npm("ci", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
        except subprocess.TimeoutExpired:
            pytest.skip("the packages of the web app cannot be fetched: the npm registry does not answer in time")
        if installed.returncode != 0 and re.search(NO_REGISTRY, installed.stderr):
            pytest.skip(f"the packages of the web app cannot be fetched: {installed.stderr.strip().splitlines()[0]}")
        assert installed.returncode == 0, installed.stderr[-2000:]


@pytest.mark.slow
def test_the_sources_are_linted(packages: None) -> None:
    """As those of Python are by `make lint`; `make studio` does so too, before it builds."""
    done = npm("run", "lint")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_the_unit_tests_pass(packages: None) -> None:
    done = npm("run", "test")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_the_types_follow_the_description(packages: None, tmp_path: Path) -> None:
    made = tmp_path / "schema.d.ts"
    done = npm("exec", "--", "openapi-typescript", "../docs/openapi.json", "--output", str(made))
    assert done.returncode == 0, done.stderr
    assert made.read_text() == (FRONTEND / "src" / "api" / "schema.d.ts").read_text(), "out of date; run: make studio"


def test_the_build_is_that_of_the_sources(packages: None, tmp_path: Path) -> None:
    done = npm("exec", "--", "vite", "build", "--outDir", str(tmp_path / "static"), "--emptyOutDir")
    assert done.returncode == 0, done.stderr
    names = [
        sorted(f.relative_to(d).as_posix() for f in d.rglob("*") if f.is_file()) for d in (tmp_path / "static", STATIC)
    ]
    assert names[0] == names[1], "out of date; run: make studio"
    _, different, missing = filecmp.cmpfiles(tmp_path / "static", STATIC, names[0], shallow=False)
    assert not different + missing, "out of date; run: make studio"

"""`automl-vision pipeline dev` as a person starts it, asked by Dagster's GraphQL on loopback."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import wait_for

_RUNS = """{ runsOrError { ... on Runs { results {
    runId status tags { key value } eventConnection { events { ... on MessageEvent { message } } }
} } } }"""
_TICKS = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
    KINDs { KINDState { ticks(limit: 100) { status skipReason runIds error { message } } } }
} } } }"""
_FRESHNESS = "{ assetNodes { assetKey { path } freshnessStatusInfo { freshnessStatus } } }"
_LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
_STARTING = 180.0  # seconds


@dataclass(frozen=True)
class LiveDagster:
    """Dagster with its daemon.

    Attributes:
        url: of its pages.
        home: folder of its events, which its processes have in their environment.
    """

    url: str
    home: Path

    def ask(self, query: str) -> dict[str, Any]:
        """What GraphQL answers."""
        request = urllib.request.Request(
            f"{self.url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        data: dict[str, Any] = found["data"]
        return data

    def runs(self) -> list[dict[str, Any]]:
        """All runs with their status, tags and messages, newest first."""
        found: list[dict[str, Any]] = self.ask(_RUNS)["runsOrError"]["results"]
        return found

    def ticks(self, kind: str) -> list[dict[str, Any]]:
        """The ticks of all "sensor"s or of the "schedule"."""
        (repository,) = self.ask(_TICKS.replace("KIND", kind))["repositoriesOrError"]["nodes"]
        return [tick for each in repository[f"{kind}s"] for tick in each[f"{kind}State"]["ticks"]]

    def freshness(self, asset: str) -> str:
        """The health of an asset by its freshness rule, as the daemon evaluated it last."""
        nodes = self.ask(_FRESHNESS)["assetNodes"]
        (found,) = [node["freshnessStatusInfo"] for node in nodes if node["assetKey"]["path"][-1] == asset]
        return str(found["freshnessStatus"])

    def processes(self) -> list[int]:
        """The processes that belong to it."""
        return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal() and self._has(each)]

    def _has(self, process: Path) -> bool:
        try:
            return f"DAGSTER_HOME={self.home}".encode() in (process / "environ").read_bytes()
        except OSError:
            return False


def tag(run: dict[str, Any], name: str) -> str | None:
    """A tag of a run; None without it."""
    return next((each["value"] for each in run["tags"] if each["key"] == name), None)


def messages(run: dict[str, Any]) -> str:
    """What a run has logged, a line per event."""
    return "\n".join(event["message"] for event in run["eventConnection"]["events"] if event)


def worker(run: dict[str, Any]) -> int:
    """The process that does a run's steps."""
    found = re.search(r"Executing steps in process \(pid: (\d+)\)", messages(run))
    assert found is not None, messages(run)
    return int(found[1])


@contextmanager
def live_dagster(file: Path, workspace: Path) -> Iterator[LiveDagster]:
    """Run the command until the end of the block, and end it by its process id as a service manager would.

    Args:
        file: of the pipeline.
        workspace: its folder.
    """
    command = [sys.executable, "-c", "from automl_vision.cli.main import main; raise SystemExit(main())"]
    command += ["pipeline", "dev", str(file), "--port", "0", "--workspace", str(workspace)]
    log = file.with_suffix(".log")
    with log.open("w") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written, stdin=subprocess.DEVNULL)
    try:
        wait_for(_said(process, log), _STARTING)
        url = re.findall(r"http://\S+", log.read_text())[0]
        dagster = LiveDagster(url, workspace / "dagster")
        wait_for(lambda: _answers(dagster), _STARTING)
        yield dagster
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    wait_for(lambda: not dagster.processes(), 60)


def _said(process: subprocess.Popen[bytes], log: Path) -> Callable[[], bool]:
    def said() -> bool:
        assert process.poll() is None, log.read_text()
        return "Ctrl-C" in log.read_text()

    return said


def _answers(dagster: LiveDagster) -> bool:
    try:
        return bool(dagster.ask(_LOADED)["repositoriesOrError"]["nodes"])
    except OSError:
        return False

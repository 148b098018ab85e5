"""The studio on a large workspace: how fast it answers and draws, and how much memory it takes.

    python benchmarks/studio.py [--runs 50] [--trials 1000] [--images 100000]

Makes a workspace of that size, serves it with the command, and measures with Chromium: a headless browser on the same
cores, so that its times are upper bounds. Figures stand beside the budgets that the studio was designed for.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from automl_vision import Dataset, Workspace
from automl_vision.core.records import RunStatus
from automl_vision.studio.pages import STATIC
from automl_vision.workspace.run_folder import RunFolder
from read_model import TASK, make_trial

_COMMAND = "from automl_vision.cli.main import main; main()"
_LARGEST_PAINT = """() => new Promise(done => new PerformanceObserver(
  list => done(list.getEntries().at(-1).startTime)).observe({type: "largest-contentful-paint", buffered: true}))"""


def make_workspace(root: Path, runs: int, trials: int, images: int) -> Workspace:
    """A workspace with finished runs, the last of which holds a third of all trials, and a registered set of images."""
    workspace = Workspace(root / "workspace")
    shares = [2 * trials // 3 // max(1, runs - 1)] * (runs - 1)
    for number, share in enumerate([*shares, trials - sum(shares)]):
        folder = RunFolder(workspace.runs_path / f"chest-{number:03d}")
        folder.create({"task": TASK, "primary_metric": "accuracy"}, experiment=f"experiment {number % 5}")
        for trial in range(share):
            make_trial(folder, trial, 20)
        folder.update(status=RunStatus.COMPLETED, started=time.time() - 600, ended=time.time(), seconds=600.0)
    workspace.datasets.register(Dataset.open(make_images(root / "images", images)), "photos")
    return workspace


def make_images(root: Path, images: int) -> Path:
    """Class folders of drawn images of 64 x 48 pixels, each with other contents."""
    random = np.random.default_rng(0)
    for i in range(images):
        folder = root / f"class {i % 20:02d}"
        if i < 20:
            folder.mkdir(parents=True)
        pixels = np.full((48, 64, 3), random.integers(0, 255, 3), np.uint8)
        pixels[:4, :4] = np.frombuffer(i.to_bytes(48, "little"), np.uint8).reshape(4, 4, 3)
        Image.fromarray(pixels).save(folder / f"{i:06d}.png", compress_level=1)
    return root


@contextmanager
def served(workspace: Workspace) -> Iterator[tuple[str, psutil.Process, float]]:
    """The studio's address, its process, and how many seconds it took from the start of the process to an answer."""
    command = [sys.executable, "-c", _COMMAND, "studio", "--no-browser", "--port", "0", "-w", str(workspace.path)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(workspace.path.parent / "bytecode")  # as an installed package has it
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the studio did not start"
        wait_for(found[0])
        yield found[0], psutil.Process(process.pid), time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(20)


def wait_for(address: str) -> None:
    """Wait until the studio answers."""
    end = time.monotonic() + 30
    while True:
        try:
            fetch(f"{address}api/v1/system")
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=60) as answer:
        body: bytes = answer.read()
    return body


def answers(address: str, repeats: int = 40) -> tuple[float, float, float]:
    """First, median and 95th percentile of the time of an answer, in milliseconds."""
    times = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        fetch(address)
        times.append(1000 * (time.perf_counter() - start))
    return times[0], statistics.median(times[1:]), float(np.quantile(times[1:], 0.95))


def first_route(page: str) -> float:
    """Kilobytes of compressed script that a page loads when it is the first one."""
    index = (STATIC / "index.html").read_text()
    names = set(re.findall(r"assets/([\w.-]+\.js)", index))
    names |= {file.name for file in (STATIC / "assets").glob(f"{page}-*.js")}
    pending = list(names)
    while pending:  # what these import when they are loaded
        text = (STATIC / "assets" / pending.pop()).read_text()
        found = set(re.findall(r'(?:from|import)\s*"\./([\w.-]+\.js)"', text)) - names
        names |= found
        pending += found
    return sum(len(gzip.compress((STATIC / "assets" / name).read_bytes())) for name in names) / 1000


def paint(browser: Browser, address: str) -> float:
    """Milliseconds to the largest content of a page in a browser that has seen nothing of it."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address)
    page.get_by_role("status", name="loading").first.wait_for(state="detached")
    page.wait_for_timeout(500)
    found: float = page.evaluate(_LARGEST_PAINT)
    context.close()
    return found


def scrolled(page: Page, address: str) -> tuple[int, float]:
    """Most elements of the gallery, and megabytes of script memory after long scrolling."""
    page.goto(address)
    gallery = page.get_by_role("list").last
    gallery.wait_for()
    most = 0
    for _ in range(60):
        page.mouse.wheel(0, 40_000)
        page.wait_for_timeout(150)
        most = max(most, gallery.evaluate("element => element.querySelectorAll('*').length"))
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap: float = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    return most, heap


def show(what: str, figure: str, budget: str) -> None:
    print(f"  {what:<52} {figure:>24}   budget {budget}")


def measure(workspace: Workspace) -> None:
    """Serve the workspace and print the figures."""
    with served(workspace):  # once before, which writes the bytecode
        pass
    with served(workspace) as (address, server, ready), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        largest = workspace.run_ids()[-1]
        show("server's memory at its first answer", f"{server.memory_info().rss / 1e6:.0f} MB", "150 MB")
        show("ready", f"{ready:.2f} s", "1.5 s")
        for name in (
            "runs?limit=50",
            f"runs/{largest}",
            "datasets",
            "datasets/photos/versions/1/images?limit=100",
            "models",
            f"runs/{largest}/figures?name=latency",
            f"runs/{largest}/figures?name=importance",
        ):
            first, median, high = answers(f"{address}api/v1/{name}")
            show(f"/{name}: first, p50, p95", f"{first:.0f}, {median:.0f}, {high:.0f} ms", "p50 50, p95 150 ms")
        for name in ("HomePage", "RunPage"):
            show(f"script of {name} as the first route, compressed", f"{first_route(name):.0f} kB", "180 kB")
        show("first page, largest paint", f"{paint(browser, address):.0f} ms", "1,000 ms")
        show("run page, largest paint", f"{paint(browser, f'{address}runs/{largest}'):.0f} ms", "1,500 ms")
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        nodes, heap = scrolled(page, f"{address}data/photos/1")
        show("gallery after long scrolling: elements, heap", f"{nodes}, {heap:.0f} MB", "400, 300 MB")
        page.close()
        before = server.memory_info().rss / 1e6
        tabs = [browser.new_page() for _ in range(20)]
        for tab in tabs:
            tab.goto(f"{address}runs/{largest}")
            tab.get_by_role("heading", level=1).wait_for()
        growth = (server.memory_info().rss / 1e6 - before) / len(tabs)
        show("server's memory, and for each of 20 tabs", f"{before:.0f} MB, {growth:.2f} MB", "150 MB, 0.2 MB")
        children = [child.memory_info().rss / 1e6 for child in server.children()]
        show("its child process with MLflow, two minutes long", f"{sum(children):.0f} MB", "none")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--images", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        workspace = make_workspace(Path(root), options.runs, options.trials, options.images)
        print(f"{options.runs} runs, {options.trials} trials, {options.images} images")
        measure(workspace)


if __name__ == "__main__":
    main()

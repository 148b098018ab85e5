"""Pictures of the studio's pages over a workspace, in both themes and at the widths of a desk and a phone.

    python docs/screenshots.py WORKSPACE [--out build/screenshots] [--page run --page trial]

The workspace should hold a finished run, a registered data set and a registered model. The pictures in `docs/images/`
are some of these.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from automl_vision import Workspace
from automl_vision.experiment.run import Run

SIZES = {"desk": (1440, 900), "phone": (390, 844)}
_COMMAND = "from automl_vision.cli.main import main; main()"


def pages(workspace: Workspace) -> dict[str, str]:
    """The addresses of the pages by name, for the newest run of each task that has a best trial."""
    found = {"home": "", "data": "data", "models": "models", "try": "try", "new-job": "new", "activity": "activity",
             "settings": "settings"}  # fmt: skip
    for run_id in reversed(workspace.run_ids()):
        run = Run(workspace, run_id)
        best, task = run.get_best_child(), run.folder.outline().task.removeprefix("image-")
        if best is None or f"run-{task}" in found:
            continue
        trials = [row.trial for row in run.leaderboard()][:2]
        found |= {
            f"run-{task}": f"runs/{run_id}",
            f"trial-{task}": f"runs/{run_id}/trials/{best.number}",
            f"mistakes-{task}": f"runs/{run_id}/trials/{best.number}/mistakes",
        }
        if len(trials) > 1:
            found[f"compare-{task}"] = f"runs/{run_id}/compare?trials={trials[0]},{trials[1]}"
    for name in workspace.datasets.names()[:1]:
        number = workspace.datasets.versions(name)[-1].number
        version = f"data/{name}/{number}"
        found |= {"version": version, "edit": f"{version}/edit?row=0"}
        found |= {part: f"{version}/{part}" for part in ("fixes", "edits")}
    for name in workspace.models.names()[:1]:
        found["model"] = f"models/{name}/{workspace.models.versions(name)[-1].number}"
    return found


@contextmanager
def served(workspace: Workspace) -> Iterator[str]:
    """The studio's address."""
    command = [sys.executable, "-c", _COMMAND, "studio", "--no-browser", "--port", "0", "-w", str(workspace.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the studio did not start"
        yield found[0]
    finally:
        process.terminate()
        process.wait(20)


def take(page: Page, address: str, file: Path) -> None:
    """Save a picture of a page once all of it is there."""
    page.goto(address)
    page.get_by_role("heading").first.wait_for()
    page.get_by_role("status", name="loading").first.wait_for(state="detached", timeout=120_000)
    page.wait_for_timeout(800)
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(BytesIO(page.screenshot(full_page=True)))
    image.crop((0, 0, image.width, min(image.height, 4000))).save(file, "WEBP", quality=80, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"))
    parser.add_argument("--page", action="append", help="only pages whose names begin so; may be given several times")
    options = parser.parse_args()
    workspace = Workspace(options.workspace)
    with served(workspace) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for size, (width, height) in SIZES.items():
            for theme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light"
                )
                page.on("console", lambda message: print(f"  console {message.type}: {message.text}"))
                for name, path in pages(workspace).items():
                    if not options.page or name.startswith(tuple(options.page)):
                        file = options.out / f"{name}-{size}-{theme}.webp"
                        take(page, address + path, file)
                        print(f"{file}  {file.stat().st_size / 1000:.0f} kB")
                page.close()
        browser.close()


if __name__ == "__main__":
    main()

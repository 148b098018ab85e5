"""Reading 100,000 rows of CSV and JSON lines, beside Python's own parsers that only parse them.

    python benchmarks/rows_reading.py [--rows 100000] [--repeats 3]

Every reading runs in a process of its own; the figures are CPU seconds and the largest resident memory, imports
included. Names of images are looked up in a folder with that many empty files.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLASSES = ("cat", "dog", "bird")
SPLITS = ("train",) * 8 + ("val", "test")


def json_lines(folder: Path, rows: int, *, boxes: bool) -> None:
    """One image a row, with a class or one to three boxes."""
    chooser = random.Random(0)

    def box() -> dict[str, Any]:
        x, y = chooser.random() * 0.6, chooser.random() * 0.6
        corners = {"topX": round(x, 5), "topY": round(y, 5), "bottomX": round(x + 0.3, 5), "bottomY": round(y + 0.3, 5)}
        return {"label": chooser.choice(CLASSES), "isCrowd": 0, **corners}

    with (folder / "train.jsonl").open("w") as file:
        for i in range(rows):
            label: Any = [box() for _ in range(chooser.randint(1, 3))] if boxes else chooser.choice(CLASSES)
            details = {"format": "jpg", "width": 640, "height": 480}
            row = {"image_url": f"images/{i:06d}.jpg", "image_details": details, "label": label}
            file.write(json.dumps(row) + "\n")


def table(folder: Path, rows: int, *, boxes: bool) -> None:
    """One image a row, or two boxes an image, one a row."""
    chooser = random.Random(0)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        corners = ["xmin", "ymin", "xmax", "ymax", "width", "height"] if boxes else []
        writer.writerow(["image", "label", *corners, "split"])
        for i in range(rows):
            x, y = chooser.randint(0, 300), chooser.randint(0, 200)
            image = i // 2 if boxes else i
            numbers = [x, y, x + 100, y + 120, 640, 480] if boxes else []
            writer.writerow([f"images/{image:06d}.jpg", chooser.choice(CLASSES), *numbers, SPLITS[image % len(SPLITS)]])


SETS: dict[str, Callable[[Path, int], None]] = {
    "JSON lines, classes": lambda folder, rows: json_lines(folder, rows, boxes=False),
    "JSON lines, boxes": lambda folder, rows: json_lines(folder, rows, boxes=True),
    "CSV, classes": lambda folder, rows: table(folder, rows, boxes=False),
    "CSV, boxes": lambda folder, rows: table(folder, rows, boxes=True),
}


def parse(folder: Path) -> int:
    """Parse alone: `json.loads` for each line, or `csv.reader`."""
    (file,) = folder.glob("*.*")
    with file.open() as lines:
        return sum(1 for _ in (csv.reader(lines) if file.suffix == ".csv" else map(json.loads, lines)))


def read(folder: Path) -> int:
    """Find the format, and read every row."""
    from automl_vision.data.annotations import Columns
    from automl_vision.formats.registry import find_format
    from automl_vision.formats.source import Source

    source = Source.open(folder)
    gc.disable()
    annotations = find_format(source, None, Columns()).read(source, Columns())
    assert not annotations.report.problems
    return len(annotations)


READERS = {"parse": parse, "read": read}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        import automl_vision.data.dataset  # noqa: F401 - its import is no part of the reading

        start = time.process_time()
        READERS[options.reader](options.path)
        seconds = time.process_time() - start
        peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1e3
        sys.stdout.write(json.dumps({"seconds": seconds, "peak": peak}) + "\n")
        return
    print(f"| {options.rows:,} rows of | parse alone, s | read, s | peak memory, MB |\n| --- | --- | --- | --- |")
    for name, make in SETS.items():
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root)
            (folder / "images").mkdir()
            for i in range(options.rows):
                (folder / "images" / f"{i:06d}.jpg").touch()
            make(folder, options.rows)
            best: dict[str, dict[str, float]] = {}
            for reader in list(READERS) * options.repeats:
                command = [sys.executable, __file__, "--reader", reader, "--path", root]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found = json.loads(done.stdout)
                best[reader] = min(best.get(reader, found), found, key=lambda figures: figures["seconds"])
            seconds = [f"{best[reader]['seconds']:.2f}" for reader in READERS]
            print(f"| {name} | {' | '.join(seconds)} | {best['read']['peak']:.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""Seconds until `automl-vision --help` has answered in fresh processes, beside an empty Python and one with torch.

python benchmarks/start_time.py [--runs 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "automl-vision --help": [str(Path(sys.executable).with_name("automl-vision")), "--help"],
        "python -c 'import torch'": [sys.executable, "-c", "import torch"],
    }
    print("| command | median s | least s | most s |\n| --- | --- | --- | --- |")
    for name, command in commands.items():
        times = []
        for _ in range(runs + 1):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        times = times[1:]  # the first one fills the disk cache
        print(f"| `{name}` | {statistics.median(times):.3f} | {min(times):.3f} | {max(times):.3f} |")


if __name__ == "__main__":
    main()

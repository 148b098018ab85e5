"""Executes the notebooks beside this file and stores what their cells put out: `make notebooks`.

A kernel works in a temporary folder, in which the image sets are `data`, so that no path of this machine is stored.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).parent
DIGEST = "code_digest"
"""In a notebook's metadata: of the code that made its outputs."""

PNG = "image/png"
_WIDTH, _QUALITY = 720, 60  # of stored pictures, in pixels and as JPEG counts it


def notebooks() -> list[Path]:
    """The notebooks beside this file."""
    return sorted(FOLDER.glob("*.ipynb"))


def code_digest(notebook: NotebookNode) -> str:
    """Tells versions of a notebook's code apart; texts may change without making the outputs old."""
    code = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.blake2b(code.encode(), digest_size=16).hexdigest()


def executed(file: Path, data: Path, *, timeout: int = 3600) -> NotebookNode:
    """A notebook with the outputs of a fresh kernel.

    Args:
        file: the notebook, which is left as it is.
        data: folder of the image sets.
        timeout: seconds for each cell.

    Raises:
        CellExecutionError: a cell raised an exception.
    """
    notebook = nbformat.read(file, as_version=4)
    with tempfile.TemporaryDirectory(prefix="notebook-") as made:
        (Path(made) / "data").symlink_to(data.resolve(), target_is_directory=True)
        environment = {name: value for name, value in os.environ.items() if name != "AUTOML_VISION_TEST_DATA"}
        # charts as pictures, which show without JavaScript; a reader's own notebook chooses by itself
        environment["PLOTLY_RENDERER"] = "svg"
        environment |= {"IPYTHONDIR": f"{made}/ipython", "AUTOML_VISION_QUEUE": f"{made}/queue"}
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": made}},
        )
        client.execute(env=environment)
    notebook.metadata[DIGEST] = code_digest(notebook)
    return tidied(notebook, {f"{made}/": "", str(data.resolve()): "data"})


def tidied(notebook: NotebookNode, places: Mapping[str, str]) -> NotebookNode:
    """The notebook as it is stored.

    Pictures are small JPEGs, because PNGs of photos are ten times as long. What libraries say of this machine on the
    standard error is left out.

    Args:
        notebook: as executed; it is changed.
        places: folders of this machine, with what stands for them.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                data = output.get("data", {})
                if PNG in data:
                    data["image/jpeg"] = _small(data.pop(PNG))
                texts = [(data, kind) for kind in data if kind.startswith("text/")]
                for holder, name in [*texts, *([(output, "text")] if "text" in output else [])]:
                    for place, shown in places.items():
                        holder[name] = holder[name].replace(place, shown)
    return notebook


def _small(picture: str) -> str:
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        image.thumbnail((_WIDTH, 2 * _WIDTH))
        file = io.BytesIO()
        image.convert("RGB").save(file, "JPEG", quality=_QUALITY)
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    """Execute the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="such as image_classification; all by default")
    parser.add_argument("--data", type=Path, default=os.environ.get("AUTOML_VISION_TEST_DATA"), help="the image sets")
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of the image sets with --data or in AUTOML_VISION_TEST_DATA")
    for file in notebooks():
        if options.names and file.stem not in options.names:
            continue
        nbformat.write(executed(file, options.data), file)
        sys.stdout.write(f"{file.name}: {file.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()

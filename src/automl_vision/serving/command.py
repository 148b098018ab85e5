"""`automl-vision predict` for machines that have only NumPy, Pillow and ONNX Runtime."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from automl_vision.core.errors import AutoMLVisionError, ImageError
from automl_vision.data.images import IMAGE_SUFFIXES
from automl_vision.serving.predictor import Predictor


def predict_files(model: str | Path, images: Sequence[str | Path], *, threads: int = 0) -> Iterator[dict[str, Any]]:
    """Predict image files and folders of them, one after another.

    Args:
        model: the model folder.
        images: files, or folders whose images are all taken.
        threads: cores to use; 0 uses all.

    Yields:
        For each image `filename`, `probs`, `labels`, `predicted`, or `filename` and `error`.

    Raises:
        ModelFolderError: the folder is no usable model folder.
        ImageError: nothing is there to predict.
    """
    predictor = Predictor(model, threads=threads)
    for file in list(_expand(images)):
        try:
            (prediction,) = predictor(file)
        except ImageError as error:
            yield {"filename": str(file), "error": str(error)}
            continue
        yield {"filename": str(file), **prediction.to_json(), "predicted": list(prediction.predicted)}


def write_predictions(rows: Iterator[dict[str, Any]], output: TextIO, *, as_json: bool) -> int:
    """Print predictions as lines for people or as JSON lines; gives the number of images that failed."""
    failed = 0
    for row in rows:
        failed += "error" in row
        if as_json:
            output.write(json.dumps(row, ensure_ascii=False) + "\n")
        elif "error" in row:
            output.write(f"{row['filename']}: error: {row['error']}" + "\n")
        else:
            ranked = sorted(zip(row["probs"], row["labels"], strict=True), reverse=True)[:3]
            figures = ", ".join(f"{label} {prob:.1%}" for prob, label in ranked)
            output.write(f"{row['filename']}: {', '.join(row['predicted']) or '(none)'}  ({figures})" + "\n")
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `predict MODEL IMAGES...`; gives the exit code."""
    parser = argparse.ArgumentParser(prog="automl-vision predict", description="Predict images with a model folder.")
    parser.add_argument("model", help="the model folder")
    parser.add_argument("images", nargs="+", help="image files, or folders of them")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--threads", type=int, default=0, help="cores to use; 0 uses all")
    values = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(values[1:] if values[:1] == ["predict"] else values)
    try:
        rows = predict_files(options.model, options.images, threads=options.threads)
        return 2 if write_predictions(rows, sys.stdout, as_json=options.json) else 0
    except AutoMLVisionError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2


def _expand(images: Sequence[str | Path]) -> Iterator[Path]:
    found = False
    for image in map(Path, images):
        files = sorted(f for f in image.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES) if image.is_dir() else [image]
        found = found or bool(files)
        yield from files
    if not found:
        raise ImageError(f"no images are in {', '.join(map(str, images))}")

"""`automl-vision predict` for machines that have only NumPy, Pillow and ONNX Runtime."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from automl_vision.core.errors import AutoMLVisionError, ImageError, ModelFolderError
from automl_vision.data.image_names import IMAGE_SUFFIXES
from automl_vision.data.images import load_pixels
from automl_vision.serving.drawing import draw_objects
from automl_vision.serving.predictor import Predictor


def predict_files(
    model: str | Path,
    images: Sequence[str | Path],
    *,
    threads: int = 0,
    drawings: str | Path | None = None,
    error_rate: float | None = None,
    runtime: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Predict image files and folders of them, one after another.

    Args:
        model: the model folder.
        images: files, or folders whose images are all taken.
        threads: cores to use; 0 uses all.
        drawings: folder for pictures with the objects that a detector finds, one for each image.
        error_rate: share of the truth that a classifier's prediction sets may miss; None makes no sets.
        runtime: name of the runtime; None takes the first one that reads the folder.

    Yields:
        For each image `filename`, the prediction's values, `predicted` and `figures`, or `filename` and `error`.

    Raises:
        ModelFolderError: the folder is not a usable model folder.
        ImageError: there is no image to predict.
    """
    predictor = Predictor(model, threads=threads, error_rate=error_rate, runtime=runtime)
    if drawings is not None and predictor.description.objects is None:
        raise ModelFolderError(
            f"{model} does not detect objects, so there is nothing to draw ({predictor.description.task})"
        )
    for number, file in enumerate(list(image_files(images))):
        try:
            (prediction,) = predictor(file)
        except ImageError as error:
            yield {"filename": str(file), "error": str(error)}
            continue
        if drawings is not None:
            Path(drawings).mkdir(parents=True, exist_ok=True)
            picture = draw_objects(Image.fromarray(load_pixels(file.read_bytes())), prediction)
            picture.save(Path(drawings) / f"{number:04d}-{file.stem}.png")
        values = {**prediction.to_json(), "predicted": list(prediction.predicted)}
        yield {"filename": str(file), **values, "label": prediction.label, "figures": prediction.figures}


def write_predictions(rows: Iterator[dict[str, Any]], output: TextIO, *, as_json: bool) -> int:
    """Print predictions as readable lines or as JSON lines; returns the number of images that failed."""
    failed = 0
    for row in rows:
        failed += "error" in row
        if as_json:
            values = {name: value for name, value in row.items() if name not in ("label", "figures")}
            output.write(json.dumps(values, ensure_ascii=False) + "\n")
        elif "error" in row:
            output.write(f"{row['filename']}: error: {row['error']}" + "\n")
        else:
            members = f"  one of {', '.join(row['set']) or '(none)'}" if "set" in row else ""
            output.write(f"{row['filename']}: {row['label'] or '(none)'}  ({row['figures']}){members}" + "\n")
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `predict MODEL IMAGES...`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="automl-vision predict", description="Predict images with a model folder.")
    parser.add_argument("model", help="the model folder")
    parser.add_argument("images", nargs="+", help="image files, or folders of them")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--draw", metavar="FOLDER", help="folder for pictures with the objects that are found")
    parser.add_argument("--threads", type=int, default=0, help="cores to use; 0 uses all")
    parser.add_argument("--error-rate", type=float, help="share of the truth that prediction sets may miss")
    values = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(values[1:] if values[:1] == ["predict"] else values)
    try:
        rows = predict_files(
            options.model,
            options.images,
            threads=options.threads,
            drawings=options.draw,
            error_rate=options.error_rate,
        )
        return 2 if write_predictions(rows, sys.stdout, as_json=options.json) else 0
    except AutoMLVisionError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2


def image_files(images: Sequence[str | Path]) -> Iterator[Path]:
    """The files themselves, and the images in folders.

    Raises:
        ImageError: there is none.
    """
    found = False
    for image in map(Path, images):
        files = sorted(f for f in image.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES) if image.is_dir() else [image]
        found = found or bool(files)
        yield from files
    if not found:
        raise ImageError(f"no images are in {', '.join(map(str, images))}")

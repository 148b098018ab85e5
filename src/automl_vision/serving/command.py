"""`automl-vision predict` for machines that have only NumPy, Pillow and ONNX Runtime."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from automl_vision.core.errors import AutoMLVisionError, ImageError, ModelFolderError
from automl_vision.data.image_names import IMAGE_SUFFIXES
from automl_vision.serving.drawing import draw_objects
from automl_vision.serving.predictions import ObjectPrediction
from automl_vision.serving.predictor import Predictor

_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*")
_BRANDS = (b"avi", b"hei", b"hev", b"mif", b"msf")  # of AVIF and HEIF
_SHOWN = 5


def predict_files(
    model: str | Path,
    images: Sequence[str | Path],
    *,
    threads: int = 0,
    drawings: str | Path | None = None,
    error_rate: float | None = None,
    runtime: str | None = None,
    precision: str | None = None,
    stop_at_unreadable: bool = False,
) -> Iterator[dict[str, Any]]:
    """Predict image files and folders of them, in their order; the next ones are decoded beside inference.

    Args:
        model: the model folder.
        images: files, or folders whose images are all taken.
        threads: cores to use; 0 uses all.
        drawings: folder for pictures with the objects that a detector finds, one for each image.
        error_rate: share of the truth that a classifier's prediction sets may miss; None makes no sets.
        runtime: see `Predictor`.
        precision: see `Predictor`.
        stop_at_unreadable: whether an image that cannot be read is an error; otherwise it gets a row that says so.

    Yields:
        For each image `filename`, the prediction's values, `predicted` and `figures`, or `filename` and `error`.

    Raises:
        ModelFolderError: the folder is not a usable model folder.
        ImageError: there is no image to predict, or one cannot be read.
    """
    predictor = Predictor(model, threads=threads, error_rate=error_rate, runtime=runtime, precision=precision)
    if drawings is not None and predictor.description.objects is None:
        raise ModelFolderError(
            f"{model} does not detect objects, so there is nothing to draw ({predictor.description.task})"
        )
    files = list(image_files(images))
    for number, (file, prediction) in enumerate(zip(files, predictor.stream_all(files), strict=True)):
        if isinstance(prediction, ImageError):
            if stop_at_unreadable:
                raise ImageError(f"{file}: {prediction}; skip such images with --on-unreadable skip")
            yield {"filename": str(file), "error": str(prediction)}
            continue
        if drawings is not None and isinstance(prediction, ObjectPrediction):
            Path(drawings).mkdir(parents=True, exist_ok=True)
            picture = draw_objects(Image.fromarray(predictor.pixels(file)), prediction)
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
    parser.add_argument("--runtime", help="such as onnx or openvino; the fastest one by default")
    parser.add_argument("--precision", help="fp32, bf16, fp16 or int8; what the folder proves by default")
    parser.add_argument("--on-unreadable", choices=("skip", "error"), default="skip")
    values = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(values[1:] if values[:1] == ["predict"] else values)
    try:
        if sentence := skipped_sentence(options.images):
            sys.stderr.write(f"{sentence}\n")
        rows = predict_files(
            options.model,
            options.images,
            threads=options.threads,
            drawings=options.draw,
            error_rate=options.error_rate,
            runtime=options.runtime,
            precision=options.precision,
            stop_at_unreadable=options.on_unreadable == "error",
        )
        return 2 if write_predictions(rows, sys.stdout, as_json=options.json) else 0
    except AutoMLVisionError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2


def image_files(images: Sequence[str | Path]) -> Iterator[Path]:
    """The files themselves, and the images in folders: by their suffix, or by how they begin.

    Raises:
        ImageError: there is none.
    """
    found = False
    for image in map(Path, images):
        files = [file for file in _files_in(image) if _is_image(file)] if image.is_dir() else [image]
        found = found or bool(files)
        yield from files
    if not found:
        raise ImageError(f"no images are in {', '.join(map(str, images))}")


def skipped_sentence(images: Sequence[str | Path]) -> str | None:
    """How many files of folders are no images and are skipped, by suffix, with one of them; None for none."""
    folders = (folder for folder in map(Path, images) if folder.is_dir())
    skipped = [file for folder in folders for file in _files_in(folder) if not _is_image(file)]
    if not skipped:
        return None
    suffixes = Counter(file.suffix.lower() or "no suffix" for file in skipped)
    counts = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(_SHOWN))
    return f"{len(skipped):,} files are no images and are skipped ({counts}), such as {skipped[0]}"


def _files_in(folder: Path) -> list[Path]:
    """The files of a folder and those below it, without hidden ones."""
    below = (file for file in folder.rglob("*") if file.is_file())
    return sorted(file for file in below if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def _is_image(file: Path) -> bool:
    """Whether a file is an image by its suffix, or begins as one of some format, which may be one that is not read."""
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        with file.open("rb") as stream:
            head = stream.read(12)
    except OSError:
        return False
    return head.startswith(_STARTS) or (head[4:8] == b"ftyp" and head[8:11] in _BRANDS)

"""`automl-vision predict` for machines that have only NumPy, Pillow and ONNX Runtime."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from automl_vision.core.errors import AutoMLVisionError, ImageError, StreamError
from automl_vision.data.image_names import IMAGE_SUFFIXES
from automl_vision.serving.drawing import draw_prediction
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.video import RECONNECT_FOR, is_camera, is_video, to_stderr


@dataclass(frozen=True)
class PredictOptions:
    """The options of the command.

    Attributes:
        as_json: whether JSON lines are printed.
        out: file of JSON lines; None prints.
        draw: folder for pictures, or the video file that is written of a video.
        settings: of the predictor.
        stop_at_unreadable: whether an image that cannot be read is an error.
        fps: frames of a video per second; None takes all.
        watch: whether a folder is watched for further images.
        reconnect_for: seconds for which a live stream that broke off is tried again; None is the usual time.
    """

    as_json: bool = False
    out: str | Path | None = None
    draw: str | Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    stop_at_unreadable: bool = False
    fps: float | None = None
    watch: bool = False
    reconnect_for: float | None = None


def predict_sources(model: str | Path, sources: Sequence[str | Path], options: PredictOptions) -> int:
    """Predict images, a video, a camera or a watched folder, and write what was found; returns the exit code.

    Raises:
        StreamError: the options do not suit the source, or it cannot be read.
        ModelFolderError: the folder is not a usable model folder.
        ImageError: there is no image to predict, or one cannot be read.
    """
    first, is_one = str(sources[0]), len(sources) == 1
    videos = [str(source) for source in sources if is_video(str(source))]
    if videos and not is_one:
        raise StreamError(f"give one video at a time and no images beside it, not {len(sources)} sources")
    if options.watch and (videos or not is_one):
        raise StreamError("--watch takes one folder")
    if options.fps is not None and not videos:
        raise StreamError(f"--fps takes frames of a video, and {first} is not one")
    if options.reconnect_for is not None and not is_camera(first):
        raise StreamError(f"--reconnect is for live streams such as rtsp://HOST/PATH, and {first} is not one")
    if not videos and not options.watch:
        return _predict_images(model, sources, options)
    from automl_vision.serving.stream_command import predict_video, predict_watched

    predictor = Predictor(model, **options.settings)
    shared: dict[str, Any] = {"out": options.out, "as_json": options.as_json}
    if options.watch:
        return predict_watched(
            predictor, first, drawings=options.draw, stop_at_unreadable=options.stop_at_unreadable, **shared
        )
    again = RECONNECT_FOR if options.reconnect_for is None else options.reconnect_for
    return predict_video(predictor, first, fps=options.fps, drawn=options.draw, reconnect_for=again, **shared)


def _predict_images(model: str | Path, images: Sequence[str | Path], options: PredictOptions) -> int:
    files, skipped = _told_apart(images)
    if skipped:
        to_stderr(_skipped_sentence(skipped))
    rows = predict_files(
        model, files or images, drawings=options.draw, stop_at_unreadable=options.stop_at_unreadable, **options.settings
    )
    if options.out is None:
        return 2 if write_predictions(rows, sys.stdout, as_json=options.as_json) else 0
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    with Path(options.out).open("w", encoding="utf-8") as output:
        return 2 if write_predictions(rows, output, as_json=True) else 0


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
        drawings: folder for pictures of what was predicted, one for each image.
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
    files = image_files(images)
    for number, (file, prediction) in enumerate(zip(files, predictor.stream_all(files), strict=True)):
        if isinstance(prediction, ImageError):
            if stop_at_unreadable:
                raise prediction.ending(file)
            yield {"filename": str(file), "error": str(prediction)}
            continue
        if drawings is not None:
            Path(drawings).mkdir(parents=True, exist_ok=True)
            picture = draw_prediction(Image.fromarray(predictor.pixels(file)), prediction)
            picture.save(Path(drawings) / f"{number:04d}-{file.stem}.png")
        row = {"filename": str(file), **prediction.to_row()}
        yield {**row, "label": prediction.label, "figures": prediction.figures}


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
    values = list(sys.argv[1:] if arguments is None else arguments)
    given = _parser().parse_args(values[1:] if values[:1] == ["predict"] else values)
    settings = {name: getattr(given, name) for name in ("threads", "error_rate", "runtime", "precision")}
    options = PredictOptions(
        as_json=given.json,
        out=given.out,
        draw=given.draw,
        settings=settings,
        stop_at_unreadable=given.on_unreadable == "error",
        fps=given.fps,
        watch=given.watch,
        reconnect_for=given.reconnect,
    )
    try:
        return predict_sources(given.model, given.images, options)
    except AutoMLVisionError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="automl-vision predict", description="Predict images with a model folder.")
    parser.add_argument("model", help="the model folder")
    parser.add_argument("images", nargs="+", help="image files, or folders of them; or a video, or rtsp://HOST/PATH")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--out", metavar="FILE", help="write JSON lines into a file")
    parser.add_argument("--draw", metavar="PATH", help="folder for drawn pictures; of a video a file such as drawn.mp4")
    parser.add_argument("--fps", type=float, help="frames of a video per second; all by default")
    parser.add_argument("--watch", action="store_true", help="go on with the images that come into the folder")
    parser.add_argument("--reconnect", type=float, help="seconds to go on trying a lost stream; 300 by default")
    parser.add_argument("--threads", type=int, default=0, help="cores to use; 0 uses all")
    parser.add_argument("--error-rate", type=float, help="share of the truth that prediction sets may miss")
    parser.add_argument("--runtime", help="such as onnx or openvino; the fastest one by default")
    parser.add_argument("--precision", help="fp32, bf16, fp16 or int8; what the folder proves by default")
    parser.add_argument("--on-unreadable", choices=("skip", "error"), default="skip")
    return parser


def image_files(images: Sequence[str | Path]) -> list[Path]:
    """The files themselves, and the images in folders: by their suffix, or by how they begin.

    Raises:
        ImageError: there is none.
    """
    found, _ = _told_apart(images)
    if not found:
        raise ImageError(f"no images are in {', '.join(map(str, images))}")
    return found


def _told_apart(images: Sequence[str | Path]) -> tuple[list[Path], list[Path]]:
    """The images, and the files of folders that are none."""
    found: list[Path] = []
    others: list[Path] = []
    for image in map(Path, images):
        if not image.is_dir():
            found.append(image)
            continue
        for file in _files_in(image):
            (found if _is_image(file) else others).append(file)
    return found, others


def _skipped_sentence(skipped: Sequence[Path]) -> str:
    """How many files are no images and are skipped, by suffix, with one of them."""
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

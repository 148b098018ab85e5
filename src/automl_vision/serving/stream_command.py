"""`automl-vision predict` for what has no end, or many frames: videos, cameras and watched folders."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from automl_vision.core.errors import ImageError, StreamError
from automl_vision.core.interruption import Interruption
from automl_vision.core.locks import try_lock
from automl_vision.serving.drawing import draw_prediction
from automl_vision.serving.model_folder import model_fingerprint
from automl_vision.serving.predictions import AnyPrediction
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.video import RECONNECT_FOR, to_stderr, without_password
from automl_vision.serving.video_stream import FramePrediction
from automl_vision.serving.video_writer import VideoWriter
from automl_vision.serving.watching import FoundFile, Version


class Rows:
    """Where predictions are written: each at once, as JSON lines into a file or as asked to standard output."""

    def __init__(self, out: TextIO | None, *, as_json: bool) -> None:
        self._out, self._as_json = out, as_json

    def write(self, values: dict[str, Any], text: str) -> None:
        """Write one prediction, which the text says for people."""
        output = self._out or sys.stdout
        line = json.dumps(values, ensure_ascii=False) if self._as_json or self._out is not None else text
        output.write(f"{line}\n")
        output.flush()


def predict_video(
    predictor: Predictor,
    source: str,
    *,
    fps: float | None = None,
    drawn: str | Path | None = None,
    out: str | Path | None = None,
    as_json: bool = False,
    reconnect_for: float = RECONNECT_FOR,
) -> int:
    """Predict the frames of a video or a camera, until it ends or is interrupted; returns the exit code.

    Args:
        predictor: the model.
        source: a video file or an address.
        fps: frames per second; None takes all.
        drawn: the video file that is written.
        out: file of JSON lines; None prints.
        as_json: whether JSON lines are printed.
        reconnect_for: seconds for which a live stream that broke off is tried again.

    Raises:
        StreamError: the source cannot be read, or a file cannot be written.
    """
    for path in (drawn, out):
        if path is not None and Path(path).exists() and Path(source).exists() and Path(path).samefile(source):
            raise StreamError(f"{path} is the video that is read; give another file to write")
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption())
        writer = VideoWriter(drawn, fps=fps) if drawn is not None else None
        stream = stack.enter_context(predictor.stream_video(source, fps=fps, reconnect_for=reconnect_for))
        rows = Rows(stack.enter_context(_opened(out, anew=True)) if out is not None else None, as_json=as_json)
        if writer is not None:
            stack.enter_context(writer)
        last: FramePrediction | None = None
        with suppress(KeyboardInterrupt):
            for last in stream:
                with interruption.held():
                    found = last.prediction
                    rows.write(last.to_json(), f"{last.time:.3f} s: {found.label or '(none)'}  ({found.figures})")
                    if writer is not None:
                        writer.write(last.draw(), last.time)
    lost = f", {stream.dropped:,} were dropped, for the model is slower" if stream.dropped else ""
    seconds = f" of {last.time:.1f} s" if last is not None else ""
    to_stderr(f"{without_password(source)}: {stream.predicted:,} frames{seconds} were predicted{lost}")
    return 130 if interruption.came and not stream.is_live else 0


def predict_watched(
    predictor: Predictor,
    folder: str | Path,
    *,
    drawings: str | Path | None = None,
    out: str | Path | None = None,
    as_json: bool = False,
    stop_at_unreadable: bool = False,
) -> int:
    """Predict the images of a folder and those that come, until it is interrupted; returns the exit code.

    With `out` it goes on after a restart: what the file has is not predicted again.

    Args:
        predictor: the model.
        folder: to watch.
        drawings: folder for pictures of what was predicted.
        out: file of JSON lines; None prints.
        as_json: whether JSON lines are printed.
        stop_at_unreadable: whether an image that cannot be read is an error; otherwise it gets a row that says so.

    Raises:
        StreamError: the folder cannot be watched, or the file belongs to another model or another process.
        ImageError: an image cannot be read.
    """
    folder = Path(folder)
    if drawings is not None and Path(drawings).resolve().is_relative_to(folder.resolve()):
        raise StreamError(f"{drawings} lies in the folder that is watched; give another one for the pictures")
    counts = {"images": 0, "unreadable": 0}
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption())
        model = model_fingerprint(predictor.folder)[:12]
        file = stack.enter_context(_opened(out, anew=False)) if out is not None else None
        known = _resumed(file, model) if file is not None else {}
        rows = Rows(file, as_json=as_json)
        with suppress(KeyboardInterrupt):
            for found, prediction in predictor.watch_folder(folder, known):
                counts["images"] += 1
                values: dict[str, Any] = {"filename": str(found.path), "version": list(found.version), "model": model}
                if isinstance(prediction, ImageError):
                    if stop_at_unreadable:
                        raise prediction.ending(found.path)
                    counts["unreadable"] += 1
                    rows.write({**values, "error": str(prediction)}, f"{found.path}: error: {prediction}")
                    continue
                values |= prediction.to_row()
                with interruption.held():
                    if drawings is not None:
                        place = Path(drawings) / found.path.relative_to(folder)
                        _draw(predictor, found, prediction, place)
                    rows.write(values, f"{found.path}: {prediction.label or '(none)'}  ({prediction.figures})")
    to_stderr(f"{folder}: {counts['images']:,} images, of which {counts['unreadable']:,} could not be read")
    return 0


def _draw(predictor: Predictor, found: FoundFile, prediction: AnyPrediction, path: Path) -> None:
    """Write the picture of a prediction, named as the image with `.png` behind it."""
    with suppress(ImageError, OSError):  # it was removed or replaced meanwhile
        picture = draw_prediction(Image.fromarray(predictor.pixels(found.path)), prediction)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path.with_name(f"{path.name}.png"))


def _resumed(file: TextIO, model: str) -> dict[str, Version]:
    """The versions of files that have a row already; a row that a crash cut off is removed.

    Raises:
        StreamError: rows are not ours, or another model predicted them.
    """
    known: dict[str, Version] = {}
    file.seek(0)
    end = 0
    while (line := file.readline()).endswith("\n"):
        end = file.tell()
        try:
            row = json.loads(line)
            path, (size, changed), of = row["filename"], row["version"], row["model"]
        except (ValueError, KeyError, TypeError):
            raise StreamError(f"{file.name} has a line that a watch did not write; give another file") from None
        if of != model:
            raise StreamError(f"{file.name} has predictions of another model ({of}, not {model}); give another file")
        known[path] = size, changed
    file.seek(end)
    file.truncate()
    return known


@contextmanager
def _opened(path: str | Path, *, anew: bool) -> Iterator[TextIO]:
    """A file to write that no other process of ours writes.

    Raises:
        StreamError: it cannot be written, or another one writes it.
    """
    with ExitStack() as stack:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(Path(path).open("a" if anew else "a+", encoding="utf-8"))
        except OSError as error:
            raise StreamError(f"{path} cannot be written ({error.strerror})") from error
        if not try_lock(file.fileno()):
            raise StreamError(f"{path} is being written by another process; give another file")
        if anew and Path(path).is_file():
            file.truncate(0)
        yield file

"""Writes pictures as a video, which stays playable whenever the writing ends."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from automl_vision.core.errors import StreamError
from automl_vision.serving.video import load_av, reason_of

WRITTEN_SUFFIXES = (".mp4", ".mov", ".mkv")

_CODECS = ("libx264", "mpeg4")  # the first one that FFmpeg was built with
_SECONDS_LOST = 5  # at most, of the video of a process that is killed
_CLOCK = 90_000  # steps per second of a frame's time
_USUAL_RATE = 25  # frames per second that the encoder reckons with


class VideoWriter:
    """A video file that is written picture by picture.

    Pictures keep their times, so a video of few frames per second lasts as long as its source. All have the size of the
    first one, less a column or row where it is odd. MP4 files are written in fragments until they are closed, so one
    whose process was killed can be played too.

    Args:
        path: of the file, which is overwritten; its suffix decides the container.
        fps: expected pictures per second.

    Raises:
        StreamError: the suffix is not one that is written.
    """

    def __init__(self, path: str | Path, *, fps: float | None = None) -> None:
        self._path, self._fps = Path(path), fps or _USUAL_RATE
        if self._path.suffix.lower() not in WRITTEN_SUFFIXES:
            raise StreamError(f'videos are written as {", ".join(WRITTEN_SUFFIXES)}, not as "{self._path.suffix}"')
        self._container: Any = None
        self._track: Any = None
        self._last = -1

    def write(self, picture: Image.Image, time: float) -> None:
        """Add a picture.

        Args:
            picture: RGB.
            time: in seconds since the first picture's.

        Raises:
            StreamError: the file cannot be written.
        """
        av = load_av()
        try:
            if self._container is None:
                self._open(picture.size)
            size = (self._track.width, self._track.height)
            pixels = np.asarray(picture if _even(picture.size) == size else picture.resize(size))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[: size[1], : size[0]]), format="rgb24")
            self._last = max(self._last + 1, round(time * _CLOCK))
            frame.pts, frame.time_base = self._last, Fraction(1, _CLOCK)
            self._container.mux(self._track.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise StreamError(f"{self._path} cannot be written ({reason_of(error)})") from error

    def _open(self, size: tuple[int, int]) -> None:
        av = load_av()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        options = {"flush_packets": "1"}
        if self._path.suffix.lower() != ".mkv":
            options["movflags"] = "hybrid_fragmented"
        self._container = av.open(str(self._path), "w", options=options)
        codec = next(name for name in _CODECS if name in av.codecs_available)
        self._track = self._container.add_stream(codec, rate=Fraction(self._fps).limit_denominator(1001))
        self._track.width, self._track.height = _even(size)
        self._track.pix_fmt = "yuv420p"
        self._track.codec_context.time_base = Fraction(1, _CLOCK)
        if codec == "libx264":
            often = str(max(1, round(_SECONDS_LOST * self._fps)))
            self._track.options = {"preset": "veryfast", "tune": "zerolatency", "crf": "23", "g": often}
        self._container.start_encoding()

    def close(self) -> None:
        """Write what is left; a file without any picture is not made.

        Raises:
            StreamError: the file cannot be written.
        """
        if self._container is None:
            return
        av, container, self._container = load_av(), self._container, None
        try:
            container.mux(self._track.encode())
            container.close()
        except (av.FFmpegError, OSError) as error:
            raise StreamError(f"{self._path} cannot be written ({reason_of(error)})") from error

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _even(size: tuple[int, int]) -> tuple[int, int]:
    """The size that a video can have whose colours are stored at half the resolution."""
    return max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2)

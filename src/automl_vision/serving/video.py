"""Frames of a video file; PyAV, the extra `video`, is imported when a video is opened."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import StreamError
from automl_vision.core.late import optional_package
from automl_vision.data.images import MAX_PIXELS

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"})
CAMERA_SCHEMES = ("rtsp", "rtsps")

RECONNECT_FOR = 300.0  # seconds for which a live stream that broke off is tried again

_FILE_OPTIONS = {  # a list of further files or addresses, in the disguise of a video, is not followed
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo",
}
_ROUNDING = 1e-3  # seconds: some containers round the times of frames to milliseconds
_CUT = 1.0  # seconds before its stated end at which a file counts as cut off

Say = Callable[[str], None]
"""Told a sentence about the stream, such as that it broke off."""


@dataclass(frozen=True)
class Frame:
    """One frame of a video.

    Attributes:
        number: of the frame in the video, counted from 0; frames that were not asked for count too.
        time: seconds since the first frame.
        pixels: (height, width, 3), RGB, uint8, upright.
        received: when a live stream's frame came, in seconds since 1970; None for a file.
    """

    number: int
    time: float
    pixels: NDArray[np.uint8]
    received: float | None = None


class Rate:
    """Which frames are taken, so that at most `fps` per second are; None takes all.

    Raises:
        StreamError: the rate is not a positive number.
    """

    def __init__(self, fps: float | None) -> None:
        if fps is not None and not 0 < fps < math.inf:
            raise StreamError(f"fps must be a positive number of frames per second, not {fps:g}")
        self._fps = fps
        self._due = 0.0

    def takes(self, time: float) -> bool:
        """Whether the frame at a time is taken: the first one of each interval."""
        if self._fps is None:
            return True
        if time + _ROUNDING < self._due:
            return False
        self._due = (math.floor((time + _ROUNDING) * self._fps) + 1) / self._fps
        return True


def is_camera(source: str) -> bool:
    """Whether a source is the address of a live stream."""
    return source.partition("://")[0].lower() in CAMERA_SCHEMES and "://" in source


def is_video(source: str) -> bool:
    """Whether a source is a video file, by its suffix, or the address of a live stream."""
    return is_camera(source) or Path(source).suffix.lower() in VIDEO_SUFFIXES


def without_password(address: str) -> str:
    """An address that may be shown: without the name and password that a camera asks for."""
    return re.sub(r"(?<=://)[^/]*@", "***@", address)


def to_stderr(sentence: str) -> None:
    """Write a line for people beside what a command prints."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def load_av() -> Any:
    """PyAV, which opens videos.

    Raises:
        MissingPackageError: it is not installed.
    """
    av = optional_package("av", subject="videos need PyAV, which", install='"automl-vision[video]"')
    av.logging.set_level(None)  # FFmpeg's own lines would have addresses with passwords
    return av


def open_video(source: str, options: dict[str, str], *, timeout: float | None = None) -> tuple[Any, Any]:
    """A video's container and its first picture track, which decodes in threads.

    Args:
        source: a path or an address.
        options: of FFmpeg.
        timeout: seconds after which opening or reading fails; None waits.

    Raises:
        StreamError: it cannot be opened, or has no pictures.
    """
    av = load_av()
    try:
        container = av.open(source, options=options, timeout=timeout)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise StreamError(f"{without_password(source)} cannot be opened ({reason_of(error)})") from None
    tracks = container.streams.video
    if not tracks:
        container.close()
        raise StreamError(f"{without_password(source)} has no pictures, only other tracks")
    tracks[0].thread_type = "AUTO"
    return container, tracks[0]


def reason_of(error: Exception) -> str:
    """Why FFmpeg failed, without the address, which may have a password."""
    text = getattr(error, "strerror", None) or type(error).__name__
    return str(text)[:1].lower() + str(text)[1:]


def pixels_of(frame: Any) -> NDArray[np.uint8]:
    """A decoded frame as upright pixels (height, width, 3).

    Raises:
        StreamError: it is larger than any image may be.
    """
    if frame.width * frame.height > MAX_PIXELS:
        raise StreamError(f"a frame has more than {MAX_PIXELS:,} pixels ({frame.width} x {frame.height})")
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90))) if frame.rotation else pixels


class VideoFile:
    """The frames of a video file, in their order and none left out but those that were not asked for.

    Only the frame in hand is in memory. Damaged parts are skipped, as players do, and told.

    Args:
        path: of the file.
        fps: frames per second that are taken; None takes all.
        say: told what is damaged or missing.

    Raises:
        StreamError: the file cannot be opened as a video.
    """

    def __init__(self, path: str | Path, *, fps: float | None, say: Say) -> None:
        self._path, self._say, self._rate = Path(path), say, Rate(fps)
        if not self._path.is_file():
            raise StreamError(f"{path} is not a file; give a video file, or an address such as rtsp://HOST/PATH")
        self._container, self._track = open_video(str(self._path), _FILE_OPTIONS)

    @property
    def bytes_per_frame(self) -> int:
        """Of one frame's pixels."""
        return max(1, 3 * int(self._track.width) * int(self._track.height))

    def __iter__(self) -> Iterator[Frame]:
        number, start, time = 0, None, 0.0
        step = float(1 / self._track.average_rate) if self._track.average_rate else 0.0
        with closing(self._container):
            for frame in self._decoded():
                at = frame.time if frame.time is not None else time + step
                start = at if start is None else start
                time = max(time, at - start)
                if self._rate.takes(time):
                    yield Frame(number, time, pixels_of(frame))
                number += 1
            if not number:
                raise StreamError(f"{self._path} has no frame that can be decoded")
            self._tell_cut(time + step)

    def _decoded(self) -> Iterator[Any]:
        av, damaged = load_av(), 0
        try:
            for packet in self._container.demux(self._track):
                try:
                    frames = packet.decode()
                except av.InvalidDataError:
                    damaged += 1
                    continue
                yield from frames
        except (av.FFmpegError, OSError) as error:
            self._say(f"{self._path} cannot be read to its end ({reason_of(error)})")
        if damaged:
            self._say(f"{self._path} is damaged: {damaged:,} parts could not be decoded and were skipped")

    def _tell_cut(self, end: float) -> None:
        duration = self._track.duration and float(self._track.duration * self._track.time_base)
        if duration and end < duration - _CUT:
            self._say(f"{self._path} is cut off: it ends after {end:.1f} of {duration:.1f} seconds")

    def close(self) -> None:
        """Close the file."""
        self._container.close()

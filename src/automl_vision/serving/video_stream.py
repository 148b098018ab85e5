"""Predictions for the frames of a video or a camera."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ImageError
from automl_vision.serving.camera import Camera
from automl_vision.serving.drawing import draw_prediction
from automl_vision.serving.predictions import AnyPrediction
from automl_vision.serving.video import RECONNECT_FOR, Frame, Say, VideoFile, is_camera, to_stderr

Predict = Callable[..., Iterator[AnyPrediction | ImageError]]
"""Images in, predictions out, in their order; with the number of images that may be in memory as `most`."""

_MOST_BYTES = 128 * 2**20  # of frames that wait for their predictions
_MOST_FRAMES, _LEAST_FRAMES = 48, 3


@dataclass(frozen=True)
class FramePrediction:
    """A frame and what was predicted for it."""

    frame: Frame
    prediction: AnyPrediction

    @property
    def time(self) -> float:
        """Seconds since the first frame of the video."""
        return self.frame.time

    @property
    def number(self) -> int:
        """Of the frame in the video, counted from 0."""
        return self.frame.number

    def draw(self) -> Image.Image:
        """The frame with its label and probability, or with its objects."""
        return draw_prediction(Image.fromarray(self.frame.pixels), self.prediction)

    def to_json(self) -> dict[str, Any]:
        """`frame`, `time`, for a live stream `received` (UTC), and the values of the prediction."""
        values: dict[str, Any] = {"frame": self.number, "time": round(self.time, 3)}
        if self.frame.received is not None:
            values["received"] = datetime.fromtimestamp(self.frame.received, UTC).isoformat(timespec="milliseconds")
        return {**values, **self.prediction.to_row()}


class VideoStream:
    """The predictions for a video's frames, in their order; iterate over it once, and close it.

    A file loses no frame: it is decoded as fast as frames are predicted. Of a live stream, frames that come while one
    is predicted are dropped, all but the newest, so an answer is never older than the work on one frame.

    Attributes:
        source: a path, or the address of a live stream.
        predicted: number of frames that were predicted.
    """

    def __init__(
        self,
        predict: Predict,
        source: str,
        *,
        fps: float | None = None,
        reconnect_for: float = RECONNECT_FOR,
        say: Say | None,
    ) -> None:
        say = say or to_stderr
        self.source, self.predicted = source, 0
        self._predict = predict
        self._frames: VideoFile | Camera
        if is_camera(source):
            self._frames = Camera(source, fps=fps, reconnect_for=reconnect_for, say=say)
        else:
            self._frames = VideoFile(source, fps=fps, say=say)

    @property
    def is_live(self) -> bool:
        """Whether frames come at their own pace."""
        return isinstance(self._frames, Camera)

    @property
    def dropped(self) -> int:
        """Frames of a live stream that were asked for and came faster than the model predicts; of a file 0."""
        return self._frames.dropped if isinstance(self._frames, Camera) else 0

    @property
    def reconnects(self) -> int:
        """How often a live stream broke off and came back."""
        return self._frames.reconnects if isinstance(self._frames, Camera) else 0

    def __iter__(self) -> Iterator[FramePrediction]:
        if isinstance(self._frames, Camera):
            found: Iterator[FramePrediction] = (each for frame in self._frames for each in self._predictions([frame]))
        else:
            most = max(_LEAST_FRAMES, min(_MOST_FRAMES, _MOST_BYTES // self._frames.bytes_per_frame))
            found = self._predictions(self._frames, most)
        for each in found:
            self.predicted += 1
            yield each

    def _predictions(self, frames: Iterable[Frame], most: int | None = None) -> Iterator[FramePrediction]:
        waiting: deque[Frame] = deque()

        def pixels() -> Iterator[NDArray[np.uint8]]:
            for frame in frames:
                waiting.append(frame)
                yield frame.pixels

        for prediction in self._predict(pixels(), most=most):
            if isinstance(prediction, ImageError):
                raise prediction
            yield FramePrediction(waiting.popleft(), prediction)

    def close(self) -> None:
        """Close the file, or end the connection and its thread."""
        self._frames.close()

    def __enter__(self) -> VideoStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

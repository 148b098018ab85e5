"""Videos of drawn images, written and read by PyAV itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np


def write_video(path: Path, pictures: Sequence[np.ndarray], *, rate: int = 10, **options: str) -> Path:
    """A video of pictures (height, width, 3) at a steady rate."""
    with av.open(str(path), "w", options=options) as container:
        track = container.add_stream("libx264", rate=rate)
        track.height, track.width = pictures[0].shape[:2]
        track.pix_fmt, track.options = "yuv420p", {"preset": "ultrafast", "crf": "10", "g": "10"}
        for picture in pictures:
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(track.encode())
    return path


def read_video(path: Path) -> list[tuple[float, np.ndarray]]:
    """Time and pixels of each frame."""
    with av.open(str(path)) as container:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]

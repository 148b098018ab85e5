"""A camera on loopback: `python live_camera.py PORT FPS` serves a live stream by the RTSP server of `rtsp-rs`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

SIZE = (160, 120)  # width, height
_CLOCK = 90_000


@contextmanager
def camera(port: int, *, fps: int = 20) -> Iterator[subprocess.Popen[bytes]]:
    """The camera in a process of its own, which is killed in the end; its address is `rtsp://127.0.0.1:PORT/stream`."""
    process = subprocess.Popen([sys.executable, __file__, str(port), str(fps)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"serving\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def picture(number: int) -> np.ndarray:
    """What the camera sees: a colour that changes every 10 frames."""
    return np.full((SIZE[1], SIZE[0], 3), [(200, 40, 40), (40, 200, 40), (40, 40, 200)][number // 10 % 3], np.uint8)


def main(port: int, fps: int) -> None:
    import av
    import rtsp

    server = rtsp.Server(f"127.0.0.1:{port}")
    server.start()
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *SIZE, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, _CLOCK), Fraction(fps)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "5"}
    print("serving", flush=True)
    number, start = 0, time.monotonic()
    while True:
        frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
        frame.pts, number = number * _CLOCK // fps, number + 1
        for packet in encoder.encode(frame):
            server.send_frame(bytes(packet), _CLOCK // fps)
        time.sleep(max(0.0, start + number / fps - time.monotonic()))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(int(sys.argv[1]), int(sys.argv[2]))

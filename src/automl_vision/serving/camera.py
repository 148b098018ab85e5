"""Frames of a live stream: a thread reads it, and the newest frame waits for whoever is slower."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from automl_vision.core.errors import StreamError
from automl_vision.serving.video import Frame, Rate, Say, load_av, open_video, pixels_of, reason_of, without_password

_TIMEOUT = 10.0  # seconds without a frame after which a stream counts as broken off
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0  # seconds before the first and the later tries to connect again
_OPTIONS = {
    "rtsp_flags": "prefer_tcp",  # UDP loses parts of frames, and is tried where a camera refuses TCP
    "fflags": "nobuffer",
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto",  # never a file
}


class Camera:
    """The frames of a live stream as they come.

    A thread reads the stream, so that it never waits for us. One frame waits to be taken: a newer one replaces it, and
    it counts as dropped. Where the stream breaks off, the thread connects again, after 1, 2, 4 and at most 30 seconds.

    Args:
        address: such as `rtsp://user:password@camera/path`.
        fps: frames per second that are asked for; None asks for all.
        reconnect_for: seconds for which a stream that broke off is tried again; 0 takes its end for the end.
        say: told, in the thread, when the stream breaks off and comes back.

    Raises:
        StreamError: the stream cannot be opened.

    Attributes:
        dropped: frames that were asked for and replaced before they were taken.
        reconnects: how often the stream came back.
    """

    def __init__(self, address: str, *, fps: float | None, reconnect_for: float, say: Say) -> None:
        self.dropped = self.reconnects = 0
        self._address, self._rate, self._reconnect_for, self._say = address, Rate(fps), reconnect_for, say
        self._name = without_password(address)
        self._received, self._start = 0, 0.0
        self._lost: float | None = None  # since when no frame has come
        self._wait = _FIRST_WAIT
        self._waiting: tuple[int, float, float, Any] | None = None
        self._error: StreamError | None = None
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._ended = False
        first = open_video(address, _OPTIONS, timeout=_TIMEOUT)
        self._thread = threading.Thread(target=self._work, args=first, name="camera", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        """The newest frame, each time one is asked for.

        Raises:
            StreamError: the stream broke off and did not come back in time.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._ended)
                taken, self._waiting = self._waiting, None
            if taken is None:
                break
            number, seconds, received, frame = taken
            yield Frame(number, seconds, pixels_of(frame), received)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread; it may take as long as the camera may be silent."""
        self._closed.set()
        self._thread.join(_TIMEOUT)

    def _work(self, container: Any, track: Any) -> None:
        try:
            self._read(container, track)
            while self._reconnect_for and not self._closed.is_set():
                if (opened := self._connect_again()) is not None:
                    self._read(*opened)
        except StreamError as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _read(self, container: Any, track: Any) -> None:
        """Offer frames until the connection ends.

        Raises:
            StreamError: it broke off, and is not to be tried again.
        """
        av = load_av()
        reason = "the stream ended"
        with closing(container):
            try:
                for packet in container.demux(track):
                    if self._closed.is_set():
                        return
                    self._decode(av, packet)
            except (av.FFmpegError, OSError) as error:
                reason = reason_of(error)
                if not self._reconnect_for:
                    raise StreamError(f"{self._name} broke off ({reason})") from None
        if self._reconnect_for and not self._closed.is_set():
            self._lost = self._lost or time.monotonic()
            self._say(f"{self._name} broke off ({reason}); connecting again in {self._wait:.0f} s")

    def _decode(self, av: Any, packet: Any) -> None:
        try:
            frames = packet.decode()
        except av.InvalidDataError:  # parts were lost on the way; the next whole picture repairs it
            return
        for frame in frames:
            self._offer(frame)

    def _offer(self, frame: Any) -> None:
        now = time.monotonic()
        self._start = self._start or now
        number, seconds = self._received, now - self._start
        self._received += 1
        if self._lost is not None:
            self.reconnects += 1
            self._say(f"{self._name} is back after {now - self._lost:.0f} s")
            self._lost, self._wait = None, _FIRST_WAIT
        if self._rate.takes(seconds):
            with self._changed:
                self.dropped += self._waiting is not None
                self._waiting = (number, seconds, time.time(), frame)
                self._changed.notify()

    def _connect_again(self) -> tuple[Any, Any] | None:
        """Try once more, after a while; None where the camera does not answer or was closed.

        Raises:
            StreamError: it did not come back in time.
        """
        if self._closed.wait(self._wait):
            return None
        away = time.monotonic() - (self._lost or 0.0)
        self._wait = max(_FIRST_WAIT, min(2 * self._wait, _LONGEST_WAIT, self._reconnect_for - away))
        try:
            return open_video(self._address, _OPTIONS, timeout=_TIMEOUT)
        except StreamError as error:
            if away >= self._reconnect_for:
                raise StreamError(f"{error}; it broke off {away:.0f} s ago") from None
            self._say(f"{error}; trying again in {self._wait:.0f} s")
            return None

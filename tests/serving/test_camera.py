"""A live stream from a real server on loopback: pace, dropped frames, a camera that goes and comes back, the end."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from automl_vision.core.errors import StreamError
from automl_vision.serving.predictor import Predictor
from live_camera import SIZE, camera, picture
from model_folders import write_classifier
from processes import free_port, wait_for
from video_files import read_video

served = pytest.mark.skipif(importlib.util.find_spec("rtsp") is None, reason="no RTSP server: pip install rtsp-rs")


def address(port: int) -> str:
    return f"rtsp://user:secret@127.0.0.1:{port}/stream"


@served
def test_frames_come_at_the_pace_of_the_camera_and_the_slower_model_drops_some(tmp_path: Path):
    predictor = Predictor(write_classifier(tmp_path / "model"))
    expected = {predictor(picture(number))[0].label for number in (0, 10, 20)}
    port = free_port()
    with camera(port, fps=20), predictor.stream_video(address(port), fps=10) as stream:
        frames, found = iter(stream), []
        for _ in range(3):
            found.append(next(frames))
            before = stream.dropped
            wait_for(lambda: stream.dropped >= before + 3)  # noqa: B023 - a slow model
        assert found[-1].number - found[0].number >= 6
        found += [next(frames) for _ in range(16)]
        assert stream.is_live
        assert stream.reconnects == 0
        assert stream.dropped >= 9
        numbers = [each.number for each in found]
        assert numbers == sorted(set(numbers))
        assert [each.time for each in found] == sorted(each.time for each in found)
        assert {each.frame.pixels.shape for each in found} == {(SIZE[1], SIZE[0], 3)}
        received = [each.frame.received or 0 for each in found]
        assert abs(received[-1] - received[0] - (found[-1].time - found[0].time)) < 1
        assert {each.prediction.label for each in found} == expected
        assert found[0].to_json()["received"].endswith("+00:00")
    assert "camera" not in {thread.name for thread in threading.enumerate()}


@served
def test_a_stream_that_breaks_off_is_found_again(tmp_path: Path):
    predictor = Predictor(write_classifier(tmp_path / "model"))
    port, said = free_port(), []
    with camera(port) as first, predictor.stream_video(address(port), say=said.append) as stream:
        frames = iter(stream)
        before = [next(frames) for _ in range(5)]
        first.kill()
        wait_for(lambda: any("trying again" in sentence for sentence in said))  # once in vain
        with camera(port):
            after = [next(frames) for _ in range(10)]
        numbers = [each.number for each in [*before, *after]]
        assert numbers == sorted(set(numbers))
        assert stream.reconnects == 1
    assert said[0].startswith(f"rtsp://***@127.0.0.1:{port}/stream broke off (")
    assert " cannot be opened (connection refused); trying again in " in said[1]
    assert any("is back after" in sentence for sentence in said)
    assert "secret" not in " ".join(said)


@served
def test_a_stream_that_does_not_come_back_is_an_error_with_its_reason(tmp_path: Path):
    predictor = Predictor(write_classifier(tmp_path / "model"))
    port = free_port()
    with camera(port) as process, predictor.stream_video(address(port), reconnect_for=1) as stream:
        frames = iter(stream)
        next(frames)
        process.kill()
        with pytest.raises(StreamError, match=r"cannot be opened \(connection refused\); it broke off \d+ s ago"):
            list(frames)


@served
def test_without_reconnecting_the_end_of_a_stream_is_the_end(tmp_path: Path):
    predictor = Predictor(write_classifier(tmp_path / "model"))
    port = free_port()
    with camera(port) as process, predictor.stream_video(address(port), reconnect_for=0) as stream:
        frames = iter(stream)
        next(frames)
        process.kill()
        list(frames)
        assert stream.reconnects == 0


@served
def test_the_command_follows_a_camera_until_it_is_told_to_end(tmp_path: Path):
    model, port = write_classifier(tmp_path / "model"), free_port()
    drawn, out = tmp_path / "drawn.mp4", tmp_path / "rows.jsonl"
    program = [sys.executable, "-c", "from automl_vision.cli.main import main; main()"]
    with camera(port):
        command = [*program, "predict", model, address(port), "--fps", "10", "--draw", drawn, "--out", out]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: out.exists() and out.read_text().count("\n") > 15)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "secret" not in errors + out.read_text()
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert f"rtsp://***@127.0.0.1:{port}/stream: {len(rows)} frames of " in errors
    assert [time for time, _ in read_video(drawn)] == pytest.approx([row["time"] for row in rows], abs=2e-3)


def test_a_camera_that_does_not_answer_is_an_error_without_its_password(tmp_path: Path):
    predictor = Predictor(write_classifier(tmp_path / "model"))
    with pytest.raises(StreamError) as raised:
        predictor.stream_video(address(free_port()))
    assert "127.0.0.1" in str(raised.value)
    assert "cannot be opened (connection refused)" in str(raised.value)
    assert "secret" not in str(raised.value)

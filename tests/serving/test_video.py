"""Videos through the predictor: which frames, their order and times, damaged files, and videos that are written."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_vision.core.errors import StreamError
from automl_vision.data.images import load_pixels
from automl_vision.serving.predictions import Prediction
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.video import VideoFile, without_password
from automl_vision.serving.video_writer import VideoWriter
from command_line import run_command
from conftest import CLASSES, draw_shapes
from model_folders import write_classifier, write_detector
from processes import wait_for
from video_files import read_video, write_video


def shapes(count: int, size: tuple[int, int] = (96, 64)) -> list[np.ndarray]:
    """Frames in which a shape appears, each 5 frames another one."""
    return [np.asarray(draw_shapes((CLASSES[i // 5 % 3],), i // 5, size=size)) for i in range(count)]


def heard(path: Path, fps: float | None = None) -> tuple[list[int], list[str]]:
    """The numbers of the frames that are taken, and what is said."""
    said: list[str] = []
    return [frame.number for frame in VideoFile(path, fps=fps, say=said.append)], said


def test_each_frame_of_a_file_is_predicted_in_order(tmp_path: Path):
    predictor = Predictor(write_classifier(tmp_path / "model"))
    video = write_video(tmp_path / "shapes.mp4", shapes(100))
    with predictor.stream_video(video) as stream:
        found = list(stream)
    assert (stream.is_live, stream.dropped, stream.predicted) == (False, 0, 100)
    assert [each.number for each in found] == list(range(100))
    for each, (time, pixels) in zip(found, read_video(video), strict=True):
        assert each.time == pytest.approx(time)
        np.testing.assert_array_equal(each.frame.pixels, pixels)
        (alone,) = predictor(pixels)
        np.testing.assert_allclose(each.prediction.logits, alone.logits, rtol=1e-4, atol=1e-4)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (None, list(range(20))),
        (100, list(range(20))),
        (10, list(range(20))),
        (5, list(range(0, 20, 2))),
        (4, [0, 3, 5, 8, 10, 13, 15, 18]),
        (1, [0, 10]),
        (0.5, [0]),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])  # MKV rounds times to milliseconds
def test_frames_are_taken_at_the_asked_rate(fps: float | None, expected: list[int], suffix: str, tmp_path: Path):
    video = write_video(tmp_path / f"video{suffix}", shapes(20))
    assert heard(video, fps) == (expected, [])


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_is_a_positive_number(fps: float, tmp_path: Path):
    with pytest.raises(StreamError, match="fps must be a positive number"):
        VideoFile(write_video(tmp_path / "video.mp4", shapes(2)), fps=fps, say=print)


def test_frames_of_a_camera_that_was_turned_are_upright(tmp_path: Path):
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48] = 255  # white in the upper left
    video = write_video(tmp_path / "turned.mp4", [picture] * 3)
    data = video.read_bytes()
    upright = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    clockwise = np.array([0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    track = data.index(b"tkhd")
    assert upright in data[track : track + 90]
    video.write_bytes(data[:track] + data[track:].replace(upright, clockwise, 1))
    frame = next(iter(VideoFile(video, fps=None, say=print)))
    assert frame.pixels.shape == (96, 64, 3)
    corners = frame.pixels[8, 8], frame.pixels[8, -8], frame.pixels[-8, 8], frame.pixels[-8, -8]
    assert [int(corner.mean()) > 128 for corner in corners] == [False, True, False, False]  # now in the upper right


def test_a_file_that_is_cut_off_ends_and_says_so(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), dtype=np.uint8)
    video = write_video(tmp_path / "cut.mp4", list(noise), movflags="faststart")
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    numbers, said = heard(video)
    assert numbers == list(range(len(numbers)))
    assert 20 < len(numbers) < 40
    assert "is cut off: it ends after" in said[-1]
    assert "of 6.0 seconds" in said[-1]


def test_damaged_parts_are_skipped_and_said(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), dtype=np.uint8)
    video = write_video(tmp_path / "damaged.mp4", list(noise))
    data = bytearray(video.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    video.write_bytes(data)
    numbers, said = heard(video)
    assert 20 < len(numbers) < 60
    assert "is damaged: " in said[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "missing.mp4 is not a file"),
        ("text.mp4", b"not a video at all" * 50, "text.mp4 cannot be opened"),
        ("empty.mp4", b"", "empty.mp4 cannot be opened"),
        ("list.mp4", b"ffconcat version 1.0\nfile good.mp4\n", "list.mp4 cannot be opened"),
        (
            "playlist.mp4",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ngood.mp4\n#EXT-X-ENDLIST\n",
            "cannot be opened",
        ),
    ],
)
def test_what_is_not_a_video_is_refused(name: str, content: bytes | None, message: str, tmp_path: Path):
    write_video(tmp_path / "good.mp4", shapes(3))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StreamError, match=message):
        list(VideoFile(tmp_path / name, fps=None, say=print))


def test_a_video_keeps_times_and_its_first_size(tmp_path: Path):
    times, sizes = [0.0, 0.5, 0.75, 2.0, 2.0, 9.5], [(65, 49), (65, 49), (130, 98), (64, 48), (65, 49), (65, 49)]
    with VideoWriter(tmp_path / "new" / "drawn.mp4", fps=2) as writer:
        for level, (time, size) in enumerate(zip(times, sizes, strict=True)):
            writer.write(Image.new("RGB", size, (40 * level,) * 3), time)
    found = read_video(tmp_path / "new" / "drawn.mp4")
    assert [time for time, _ in found] == pytest.approx(times, abs=1e-3)
    for level, (_, pixels) in enumerate(found):
        assert pixels.shape == (48, 64, 3)
        assert pixels.mean() == pytest.approx(40 * level, abs=4)


def test_a_video_without_pictures_is_not_made_and_other_suffixes_are_refused(tmp_path: Path):
    VideoWriter(tmp_path / "none.mp4").close()
    assert not (tmp_path / "none.mp4").exists()
    with pytest.raises(StreamError, match=r'videos are written as .mp4, .mov, .mkv, not as ".gif"'):
        VideoWriter(tmp_path / "drawn.gif")
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(StreamError, match=r"taken\.mp4 cannot be written"):
        VideoWriter(tmp_path / "taken.mp4").write(Image.new("RGB", (64, 48)), 0)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_of_a_killed_process_can_be_played(suffix: str, tmp_path: Path):
    path = tmp_path / f"drawn{suffix}"
    code = (
        "import os, signal\nfrom PIL import Image\nfrom automl_vision.serving.video_writer import VideoWriter\n"
        f"writer = VideoWriter({str(path)!r}, fps=10)\n"
        "for i in range(1000): writer.write(Image.effect_noise((64, 48), 50).convert('RGB'), i / 10)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert len(heard(path)[0]) > 900


def test_a_video_becomes_json_lines_and_a_drawn_video(tmp_path: Path):
    model = write_detector(tmp_path / "model", masks=True)
    video = write_video(tmp_path / "video.mp4", shapes(30))
    drawn, out = tmp_path / "drawn.mp4", tmp_path / "rows.jsonl"
    done = run_command("predict", model, video, "--fps", "5", "--draw", drawn, "--out", out)
    assert (done.returncode, done.stdout) == (0, "")
    assert "video.mp4: 15 frames of 2.8 s were predicted" in done.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(0, 30, 2))
    assert [row["time"] for row in rows] == pytest.approx([0.2 * i for i in range(15)])
    (alone,) = Predictor(model)(read_video(video)[8][1])
    assert rows[4]["boxes"] == alone.to_json()["boxes"]
    assert "received" not in rows[0]
    found = read_video(drawn)
    assert [time for time, _ in found] == pytest.approx([row["time"] for row in rows], abs=1e-3)
    for (_, shown), (_, plain) in zip(found, read_video(video)[::2], strict=True):
        x1, y1, x2, y2 = (int(value) for value in alone.objects.boxes[0])
        inside = np.abs(shown.astype(int) - plain)[y1:y2, x1:x2]
        assert inside.mean() > 10  # the mask and the box


def test_the_label_of_a_classifier_is_drawn(tmp_path: Path):
    predictor = Predictor(write_classifier(tmp_path / "model"))
    image = Image.new("RGB", (320, 240), "white")
    file = tmp_path / "white.png"
    image.save(file)
    done = run_command("predict", tmp_path / "model", file, "--draw", tmp_path / "drawn")
    assert done.returncode == 0
    pixels = load_pixels(next((tmp_path / "drawn").iterdir()).read_bytes())
    assert pixels[100:].min() == 255
    assert pixels[:12, :60].mean() < 200
    (found,) = predictor(image)
    assert isinstance(found, Prediction)
    assert done.stdout.startswith(f"{file}: {found.label}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_video_is_whole(number: signal.Signals, tmp_path: Path):
    model = write_classifier(tmp_path / "model")
    video = write_video(tmp_path / "long.mp4", shapes(15, size=(320, 240)) * 60)
    drawn, out = tmp_path / "drawn.mp4", tmp_path / "rows.jsonl"
    options = ["--draw", drawn, "--out", out]
    command = [
        sys.executable,
        "-c",
        "from automl_vision.cli.main import main; main()",
        "predict",
        model,
        video,
        *options,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: out.exists() and out.read_text().count("\n") > 20)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert f"{len(rows)} frames of" in errors
    assert "Traceback" not in errors
    assert 20 < len(rows) < 900
    assert [round(time, 3) for time, _ in read_video(drawn)] == pytest.approx([row["time"] for row in rows])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mp4", "b.mp4"], "give one video at a time"),
        (["a.mp4", "photo.png"], "give one video at a time"),
        (["photo.png", "--fps", "2"], "--fps takes frames of a video, and photo.png is not one"),
        (["a.mp4", "--watch"], "--watch takes one folder"),
        (["a", "b", "--watch"], "--watch takes one folder"),
        (["photo.png", "--watch"], "photo.png is not a folder, and only folders can be watched"),
        (["a.mp4", "--reconnect", "5"], "--reconnect is for live streams"),
        (["a.mp4", "--draw", "a.mp4"], "a.mp4 is the video that is read"),
        (["a.mp4", "--out", "a.mp4"], "a.mp4 is the video that is read"),
        (["a.mp4", "--draw", "pictures"], 'videos are written as .mp4, .mov, .mkv, not as ""'),
        ([".", "--watch", "--draw", "pictures"], "pictures lies in the folder that is watched"),
    ],
)
def test_options_that_do_not_suit_the_source_are_refused(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write_classifier(tmp_path / "model")
    write_video(tmp_path / "a.mp4", shapes(2))
    (tmp_path / "photo.png").write_bytes(b"")
    before = (tmp_path / "a.mp4").read_bytes()
    done = run_command("predict", "model", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert (tmp_path / "a.mp4").read_bytes() == before


def test_without_pyav_a_video_names_the_extra(tmp_path: Path):
    code = (
        "import sys\nsys.modules['av'] = None\nfrom automl_vision.serving.command import main\n"
        f"sys.exit(main(['predict', {str(write_classifier(tmp_path / 'model'))!r}, {str(tmp_path / 'a.mp4')!r}]))"
    )
    write_video(tmp_path / "a.mp4", shapes(2))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith('not installed. Install it with: pip install "automl-vision[video]"\n')


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://user:secret@camera:554/one", "rtsp://***@camera:554/one"),
        ("rtsp://user:sec@ret@camera/one", "rtsp://***@camera/one"),
        ("rtsp://camera/one?to=a@b", "rtsp://camera/one?to=a@b"),
        ("folder@home/a.mp4", "folder@home/a.mp4"),
    ],
)
def test_addresses_are_shown_without_a_password(address: str, shown: str):
    assert without_password(address) == shown

"""Folders and runtimes that cannot predict: one sentence that names the way out, from every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_vision.core.errors import ModelFolderError
from automl_vision.serving import device
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.runtimes import RUNTIMES, Network, OnnxRuntime
from command_line import run_command
from model_folders import write_classifier

COPY = "; copy the model folder again, or package the trial again"


def _version(folder: Path) -> None:
    value = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**value, "format_version": 99}))


def _refused(folder: Path) -> None:
    entry = {"file": "model.int8.onnx", "refused": "on 133 validation images accuracy changes by -0.0752"}
    replace(ModelDescription.load(folder), formats={"onnx-int8": entry}).save(folder)


def _nothing(folder: Path) -> None:
    assert folder.is_dir()


DAMAGES: list[tuple[Callable[[Path], object], tuple[str, ...], str]] = [
    (
        lambda folder: (folder / "model.json").unlink(),
        (),
        "is not a model folder: it has no model.json; name the folder ",
    ),
    (_version, (), "model.json has format version 99, this program reads 1; predict with the version of automl-vision"),
    (lambda folder: (folder / "model.json").write_text("{"), (), COPY),
    (lambda folder: (folder / "model.json").write_text('{"format_version": 1}'), (), COPY),
    (lambda folder: (folder / "model.onnx").unlink(), (), f"has no model.onnx{COPY}"),
    (lambda folder: (folder / "model.onnx").write_bytes(b"\x08\x0a\x12"), (), COPY),
    (
        _refused,
        ("--precision", "int8"),
        "no model.int8.onnx, because it was refused: on 133 validation images accuracy",
    ),
    (_refused, ("--runtime", "onnx-int8"), "changes by -0.0752; use the runtime onnx"),
    (_nothing, ("--runtime", "onnx-int8"), "has no model.int8.onnx; write it with: automl-vision export "),
    (_nothing, ("--runtime", "onnxx"), 'no runtime is named "onnxx". Did you mean "onnx"? Runtimes: onnx, '),
    (_nothing, ("--precision", "fp64"), 'no precision is named "fp64". Did you mean '),
    (_nothing, ("--runtime", "cuda", "--precision", "int8"), "in fp32, fp16, not in int8; leave one of the two out"),
]
if not device.gpu_names():
    DAMAGES += [
        (_nothing, ("--runtime", "cuda"), "needs an NVIDIA GPU, and this process sees none; use the runtime onnx, or "),
        (
            _nothing,
            ("--runtime", "tensorrt", "--precision", "fp16"),
            "needs an NVIDIA GPU, and this process sees none;",
        ),
    ]
if RUNTIMES["openvino"].absent() is None:
    DAMAGES += [
        (
            lambda folder: (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:90]),
            ("--runtime", "openvino"),
            f"; use the runtime onnx, or{COPY[1:]}",
        )
    ]


@pytest.mark.parametrize(("damage", "options", "message"), DAMAGES)
@pytest.mark.parametrize("command", ["predict", "score"])
def test_a_model_that_cannot_predict_is_told_in_one_sentence(
    tmp_path: Path, command: str, damage: Callable[[Path], object], options: tuple[str, ...], message: str
) -> None:
    folder = write_classifier(tmp_path / "model")
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "photos" / "a.png")
    damage(folder)
    more = ("--out", tmp_path / "out.jsonl") if command == "score" else ()
    done = run_command(command, folder, tmp_path / "photos", *more, *options)
    assert done.returncode == 2
    told = [line for line in done.stderr.splitlines() if line.startswith("ModelFolderError: ")]
    assert len(told) == 1
    assert done.stderr.strip().endswith(told[0])  # nothing of the sentence is on a second line
    assert message in told[0]
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("name", ["nowhere", "photo.png"])
def test_a_path_that_is_no_folder_is_no_model(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "photo.png")
    done = run_command("predict", tmp_path / name, tmp_path / "photo.png")
    assert done.returncode == 2
    assert f"{name} is not a model folder: it has no model.json; name the folder model of a run" in done.stderr


class Shapeless(OnnxRuntime):
    """Returns one row more than there are inputs."""

    name = "shapeless"

    def open(self, folder: Path, *, threads: int) -> Network:
        right = super().open(folder, threads=threads)
        return lambda inputs: [np.repeat(output, 2, axis=0)[: len(inputs) + 1] for output in right(inputs)]


def test_a_runtime_that_returns_other_rows_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNTIMES, "shapeless", Shapeless())
    predictor = Predictor(write_classifier(tmp_path / "model"), runtime="shapeless")
    with pytest.raises(ModelFolderError, match=r"shapeless returned \(2, 3\) for 1 inputs, which are wrong; use onnx"):
        predictor(np.zeros((20, 20, 3), np.uint8))

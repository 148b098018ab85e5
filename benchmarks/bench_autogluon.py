"""AutoGluon's multimodal predictor as a contender of the bench, from the product's own weights.

AutoGluon needs older releases of torch and timm than the product, so it runs in an environment of its own, whose Python
`AUTOGLUON_PYTHON` names. One without CUDA:

    python3.11 -m venv ag && ag/bin/pip install torch==2.13.0 && ag/bin/pip install --no-deps torchvision==0.28.0
    ag/bin/pip install autogluon.multimodal==1.6.3 torch==2.13.0 torchvision==0.28.0

Its presets decide everything but the backbone, which is EfficientNet-Lite0 with the weights that the product bundles.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from automl_vision.core.files import read_json, write_json
from automl_vision.core.tasks import CLASSIFICATION
from bench_contenders import BACKBONE, Job, Outcome, pixels_of, start_model

_SIDE = 224
_START = 25.0  # seconds for its start, and for the soup of its best epochs and the predictions at the end
_PREDICTED = 0.04  # seconds of an image on one core, for which time is left
_UNPLANNED = 300.0  # seconds where the job has no limit


def autogluon(job: Job, presets: str = "medium_quality") -> Outcome:
    """AutoGluon's presets for images with one label.

    Args:
        job: what to train on.
        presets: of AutoGluon: "medium_quality" or "high_quality".

    Raises:
        RuntimeError: AutoGluon is not installed, or failed.
    """
    begun = time.monotonic()
    python = os.environ.get("AUTOGLUON_PYTHON")
    if python is None:
        raise RuntimeError("set AUTOGLUON_PYTHON to the Python of an environment with autogluon.multimodal")
    if job.dataset.task != CLASSIFICATION:
        raise RuntimeError("AutoGluon's predictor takes images with one label")
    folder = job.folder / "autogluon"
    _write_images(job, folder)
    _write_start(folder / "start")
    predicted = int(np.isin(job.dataset.splits, ("val", "test")).sum()) * _PREDICTED
    left = (job.seconds or _UNPLANNED) - (time.monotonic() - begun) - _START - predicted
    classes = list(job.dataset.classes)
    write_json(
        folder / "job.json", {"presets": presets, "seconds": max(1.0, left), "seed": job.seed, "classes": classes}
    )
    with (folder / "log.txt").open("w") as log:
        command = [python, str(Path(__file__).with_name("autogluon_worker.py")), str(folder)]
        environment = {**os.environ, "PYTHONPATH": ""}
        finished = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False)
    if finished.returncode:
        raise RuntimeError((folder / "log.txt").read_text()[-3000:])
    with np.load(folder / "answers.npz") as answers:
        return Outcome(dict(answers), read_json(folder / "facts.json"))


def _write_images(job: Job, folder: Path) -> None:
    """The pixels that every rival of the bench sees, as files, and a table of each split."""
    images, dataset = pixels_of(job, _SIDE), job.dataset
    (folder / "images").mkdir(parents=True)
    for split in ("train", "val", "test"):
        with (folder / f"{split}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["image", "label"])
            for row in np.flatnonzero(dataset.splits == split).tolist():
                path = folder / "images" / f"{row}.png"
                Image.fromarray(images[row]).save(path, compress_level=1)
                table.writerow([path, dataset.classes[int(dataset.targets[row].argmax())]])


def _write_start(folder: Path) -> None:
    """The start weights as AutoGluon saves and loads a network of timm."""
    folder.mkdir()
    start = start_model(2)
    network: torch.nn.Module = start.network
    network.reset_classifier(0)  # type: ignore[operator]
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    config = {
        "architecture": f"tf_{BACKBONE}",
        "num_features": int(network.num_features),  # type: ignore[arg-type]
        "num_classes": 0,
        "pretrained_cfg": {
            "input_size": [3, _SIDE, _SIDE],
            "mean": list(start.normalization.mean),
            "std": list(start.normalization.std),
            "interpolation": "bilinear",
            "crop_pct": 0.875,
        },
    }
    (folder / "config.json").write_text(json.dumps(config))

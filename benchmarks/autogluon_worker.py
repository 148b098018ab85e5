"""Trains AutoGluon's MultiModalPredictor in an environment of its own; `bench_autogluon` starts it.

    PYTHON autogluon_worker.py FOLDER

The folder has train.csv, val.csv and test.csv (image, label), start/ with the weights to start from, and job.json.
Probabilities go to FOLDER/answers.npz, and what AutoGluon says of its training to FOLDER/facts.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch


def without_operators() -> Any:
    """Name operators that PyPI's torchvision does not find beside a CPU build of torch; labels of images need none."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    kept = without_operators() if "+cpu" in torch.__version__ else None
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

    tables = {split: pd.read_csv(folder / f"{split}.csv", dtype={"label": str}) for split in ("train", "val", "test")}
    predictor = MultiModalPredictor(label="label", problem_type="multiclass", path=str(folder / "model"), verbosity=2)
    predictor.fit(
        tables["train"],
        tuning_data=tables["val"],
        presets=job["presets"],
        time_limit=job["seconds"],
        seed=job["seed"],
        hyperparameters={
            "model.names": ["timm_image"],
            "model.timm_image.checkpoint_name": str(folder / "start"),
            "env.num_gpus": 0,
            "env.num_workers": 0,
            "env.num_workers_inference": 0,
        },
    )
    found = {}
    for split in ("val", "test"):
        probabilities = predictor.predict_proba(tables[split].drop(columns="label"))
        found[split] = probabilities[job["classes"]].to_numpy(np.float64)
    np.savez(folder / "answers.npz", **found)
    summary = {name: value for name, value in predictor.fit_summary().items() if isinstance(value, int | float)}
    (folder / "facts.json").write_text(json.dumps(summary))
    del kept


if __name__ == "__main__":
    main(Path(sys.argv[1]))

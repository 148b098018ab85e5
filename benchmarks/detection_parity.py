"""Does a packaged detector find what the trained one finds, on cuts of real images in shapes that neither has seen?

    python benchmarks/detection_parity.py WORKSPACE/runs/RUN DATA/bccd

Each image is scaled and cut to one of twelve shapes, from 33 x 900 to 2000 x 1500 pixels. The trained network sees
them through the training pipeline, the model folder through its predictor without torch; boxes, scores and masks are
compared as packaging compares them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from itertools import cycle
from pathlib import Path

import torch
from PIL import Image, ImageOps

from automl_vision import Predictor
from automl_vision.core.files import read_json
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.models.image_model import ImageModel
from automl_vision.models.networks import load_model
from automl_vision.recipes.parity import COMPARED_FROM, object_parity
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.detection import DetectionTask
from automl_vision.tasks.task import create_task
from automl_vision.workspace.run_folder import RunFolder

SHAPES = ((480, 640), (640, 480), (200, 640), (640, 200), (97, 133), (1000, 700), (320, 416), (321, 417), (33, 900),
          (60, 60), (2000, 1500), (416, 320))  # fmt: skip
_ANY = [2, 2, 20, 20]  # a dataset needs objects; they are not looked at


def cut_images(dataset: Dataset, folder: Path, count: int) -> None:
    """Write images in all shapes, with a COCO file that lists them."""
    images, objects = [], []
    rows = dataset.table.column("image").to_pylist()[:count]
    for number, (name, (height, width)) in enumerate(zip(rows, cycle(SHAPES), strict=False)):
        with Image.open(Path(dataset.root) / name) as opened:
            ImageOps.fit(opened.convert("RGB"), (width, height)).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        polygon = [_ANY[0], _ANY[1], 22, 2, 22, 22, 2, 22]
        objects.append({"id": number, "image_id": number, "category_id": 1, "bbox": _ANY, "area": 400, "iscrowd": 0,
                        "segmentation": [polygon]})  # fmt: skip
    classes = [{"id": number + 1, "name": name} for number, name in enumerate(dataset.classes)]
    content = {"images": images, "annotations": objects, "categories": classes}
    (folder / "annotations.json").write_text(json.dumps(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run whose best trial is packaged")
    parser.add_argument("data", type=Path, help="folder of a set with the images")
    parser.add_argument("--images", type=int, default=24)
    options = parser.parse_args()
    run = RunFolder(options.run)
    trial = run.trial(run.record().best_trial or 0).path
    spec = TrialSpec(**read_json(trial / "spec.json"))
    trained = load_model(trial)
    model = ImageModel(trained.network, trained.normalization).eval()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cut_images(Dataset.open(options.data, task=spec.task), folder, options.images)
        cuts = Dataset.open(folder, task=spec.task)
        task = create_task(spec.task, cuts, spec.hyperparameters, trained.description.geometry)
        assert isinstance(task, DetectionTask)
        pixels = open_pixels(cuts, task.geometry.size, folder / "cache")
        with torch.inference_mode():
            batches = [task.evaluation_batch(pixels, [row]) for row in range(len(cuts))]
            found = task.join([task.predict(model, batch) for batch in batches])
        predictor = Predictor(run.model, score_threshold=COMPARED_FROM)
        names = cuts.table.column("image").to_pylist()
        others = [prediction.objects for prediction in predictor([folder / name for name in names])]
    shown_from = task.hyperparameters.box_score_threshold
    parity = object_parity(found.detections, others, compared_from=COMPARED_FROM, shown_from=shown_from)
    print(f"{len(others)} images in {len(SHAPES)} shapes: {parity.figures}; {parity.problem or 'equal'}")


if __name__ == "__main__":
    main()

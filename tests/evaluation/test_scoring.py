"""A trial's report from its files alone, in a process without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automl_vision.core.files import read_json
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.evaluation.scoring.detection import DetectionOutputs
from automl_vision.training.trial import train
from conftest import RecordingReporter, small_detector_trial, small_trial

SCORE = """
import sys
class Refused:  # an entry None in sys.modules would do, but for SciPy, which looks into the modules that are there
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "timm", "transformers"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refused)
import json
from pathlib import Path
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.recipes.catalog import family_of
from automl_vision.recipes.scoring_settings import scoring_settings
folder, manifest, task, model, hyperparameters = sys.argv[1:]
settings = scoring_settings(family_of(task, model).model_validate_json(hyperparameters))
scoring = create_scoring(task, Dataset.load(manifest), settings)
predictions = Predictions.load(Path(folder) / PREDICTIONS_FILE).of_split("val")
outputs, rows = scoring.from_predictions(predictions), predictions.rows
calibration = scoring.calibrate(outputs, rows)
report = scoring.report(scoring.cases(outputs, rows, calibration))
print(json.dumps({"calibration": calibration.model_dump(), "val": report.model_dump()}))
"""


@pytest.mark.parametrize("task", list(TASKS))
def test_the_report_of_saved_outputs_without_torch(
    task: str, shapes: Dataset, boxes: Dataset, masks: Dataset, tmp_path: Path
):
    datasets = {
        "image-classification": shapes,
        "image-classification-multi-label": boxes.as_task("image-classification-multi-label"),
        "image-object-detection": boxes,
        "image-instance-segmentation": masks,
    }
    make = small_detector_trial if datasets[task] in (boxes, masks) else small_trial
    spec = make(tmp_path, datasets[task], number_of_epochs=1)
    train(spec, RecordingReporter())
    arguments = [spec.folder, spec.manifest, task, spec.model_name, spec.hyperparameters.model_dump_json()]
    done = subprocess.run([sys.executable, "-c", SCORE, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = read_json(Path(spec.folder) / "metrics.json")
    assert json.loads(done.stdout) == {"calibration": written["calibration"], "val": written["splits"]["val"]}


def test_outputs_of_batches_join():
    parts = [DetectionOutputs(Detections.empty(1), 1.0), DetectionOutputs(Detections.empty(3), 3.0)]
    joined = DetectionOutputs.join(parts)
    assert (len(joined), joined.loss) == (4, 2.5)
    assert np.isnan(DetectionOutputs.join([DetectionOutputs(Detections.empty(1))]).loss)

"""Formats of every kind of detector: what is accepted is loaded and may be chosen, what is refused says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from automl_vision import Dataset, Predictor
from automl_vision.core.errors import ModelFolderError, ParityError
from automl_vision.packaging.formats import FORMATS, add_format
from automl_vision.packaging.package import package
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.runtimes import RUNTIMES
from automl_vision.training.trial import train
from conftest import RecordingReporter, small_detector_trial, write_objects

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # exports of several networks, which take long

KINDS: list[tuple[str, bool, dict[str, Any]]] = [
    ("fasterrcnn_test_efficientnet_fpn", False, {}),
    ("fasterrcnn_test_efficientnet_fpn", False, {"tile_grid_size": "2x1"}),
    ("maskrcnn_test_efficientnet_fpn", True, {}),
    ("yolov5", False, {}),
    ("dfine", False, {}),
]


@pytest.mark.parametrize(("name", "masks", "settings"), KINDS, ids=["faster", "tiled", "mask", "one-stage", "dfine"])
def test_each_format_is_accepted_or_refused_with_a_reason(
    tmp_path: Path, name: str, masks: bool, settings: dict[str, Any]
):
    if name == "dfine":
        pytest.importorskip("transformers")
    dataset = Dataset.open(write_objects(tmp_path / "data", images=80, masks=masks)).with_validation(0.7)
    spec = small_detector_trial(tmp_path, dataset, model_name=name, number_of_epochs=1, **settings)
    train(spec, RecordingReporter())
    folder = package(spec.folder, tmp_path / "model")
    chosen = ModelDescription.load(folder).labeling
    assert chosen is not None
    assert chosen.fitted_on == int((dataset.splits == "val").sum())
    image = dataset[0].read()
    for each in FORMATS:
        if RUNTIMES[each].absent() is not None:
            continue
        try:
            add_format(folder, each, dataset)
        except ParityError as error:
            assert str(error).startswith(f"no {each} was written: on ")
            assert each in Predictor(folder).choose([image]).left_out
            if RUNTIMES[each].reads(folder):  # its file is the one in single precision
                continue
            with pytest.raises(ModelFolderError, match="because it was refused: on"):
                Predictor(folder, runtime=each)
        else:
            assert len(Predictor(folder, runtime=each)([image, image])) == 2
        entry = ModelDescription.load(folder).formats[each]
        assert entry["parity"]["images"] == int((dataset.splits == "val").sum())
    if RUNTIMES["openvino"].absent() is None:
        assert "refused" not in ModelDescription.load(folder).formats["openvino"]

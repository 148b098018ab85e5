"""A trial's predictions beside the labels of its images: what metrics, slices and charts are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.files import read_json
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.metric import Metric, find_metric
from automl_vision.evaluation.predictions import Predictions
from automl_vision.evaluation.scoring.scoring import create_scoring
from automl_vision.evaluation.slices import Slice, find_slices, image_attributes
from automl_vision.recipes.scoring_settings import scoring_settings
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import SPEC_FILE, TrialFolder


@dataclass(frozen=True)
class Evaluated:
    """One split of a trial.

    Attributes:
        dataset: of the run.
        rows: (images,), of the dataset.
        cases: predictions beside their truth, as the metrics of the task take them.
        primary: the metric that ranks the run's trials.
    """

    dataset: Dataset
    rows: NDArray[np.intp]
    cases: Any
    primary: Metric

    @staticmethod
    def of(folder: TrialFolder, predictions: Predictions, split: str) -> Evaluated:
        """Join the predictions of a trial with the labels of its run.

        Raises:
            KeyError: no image of the split was predicted.
        """
        chosen = predictions.of_split(split)
        spec = TrialSpec.model_validate(read_json(folder.path / SPEC_FILE))
        dataset = Dataset.load(RunFolder(folder.path.parents[1]).manifest)
        scoring = create_scoring(spec.task, dataset, scoring_settings(spec.hyperparameters, spec.primary_metric))
        outputs = scoring.from_predictions(chosen)
        cases = scoring.cases(outputs, chosen.rows, chosen.calibration)
        return Evaluated(dataset, chosen.rows, cases, scoring.primary)

    def slices(self, metric: str | None = None, attributes: dict[str, Any] | None = None) -> list[Slice]:
        """A metric on parts of the images, the worst first.

        Args:
            metric: name; None for the primary one.
            attributes: further ones by name, the value of each image of the dataset as text.
        """
        own = {name: np.asarray(column, dtype=object)[self.rows] for name, column in (attributes or {}).items()}
        return find_slices(self.cases, self.metric(metric), {**image_attributes(self.dataset, self.rows), **own})

    def metric(self, name: str | None = None) -> Metric:
        """A metric of the task; without a name the primary one.

        Raises:
            ValueError: the task has no such metric.
        """
        return self.primary if name is None else find_metric(self.dataset.task, name)

"""`Trial`: one child of a run, from any process: its configuration, state, metrics and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_vision.core.errors import RunFailedError
from automl_vision.core.late import load
from automl_vision.core.records import EvaluationEvent, TrialStatus
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.experiment.downloads import copy_file, copy_files, file_names
from automl_vision.workspace.trial_folder import TrialFolder

if TYPE_CHECKING:
    from automl_vision.experiment.evaluated import Evaluated
    from automl_vision.experiment.figures import Figures
    from automl_vision.serving.explainer import Explainer
    from automl_vision.serving.explanation import Explanation
    from automl_vision.serving.predictor import ImageSource


class Trial:
    """One trial of a run, as `Run.get_children` returns it.

    Attributes:
        folder: its files.

    Args:
        folder: of the trial.
    """

    def __init__(self, folder: TrialFolder) -> None:
        self.folder = folder

    @property
    def number(self) -> int:
        """Its number in the run, from 0."""
        return self.folder.number

    @property
    def path(self) -> Path:
        """The folder on disk."""
        return self.folder.path

    @property
    def model_name(self) -> str:
        """Its algorithm."""
        return self.folder.plan().model_name

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """All its hyperparameters, defaults included."""
        return self.folder.plan().hyperparameters

    def get_status(self) -> TrialStatus:
        """Return `NotStarted`, `Running`, `Completed`, `Terminated`, `Failed` or `Canceled`, which is a `str`.

        `Terminated` is a trial that the early termination policy stopped; it has a result, as has a completed one.
        """
        return self.folder.record().status

    def get_metrics(self) -> dict[str, dict[str, float]]:
        """Return all metrics of the final evaluation by split; empty before there is one."""
        metrics = self.folder.metrics()
        return {split: report.metrics for split, report in metrics.splits.items()} if metrics else {}

    def get_predictions(self) -> Predictions:
        """Return what the trial predicts for its validation and test images, one row an image.

        Raises:
            RunFailedError: the trial has not finished, or an earlier version trained it.
        """
        try:
            return Predictions.load(self.path / PREDICTIONS_FILE)
        except FileNotFoundError:
            raise RunFailedError(
                f"trial {self.number} has no {PREDICTIONS_FILE}: "
                + (
                    f"it is {self.get_status()}"
                    if self.folder.result() is None
                    else "an earlier version trained it; train it again to have its predictions"
                )
            ) from None

    def evaluated(self, split: str | None = None) -> Evaluated:
        """Return the trial's predictions beside the labels of their images.

        Args:
            split: "val" or "test"; None for the test images if there are any.

        Raises:
            RunFailedError: the trial has not finished, or an earlier version trained it.
            KeyError: no image of the split was predicted.
        """
        from automl_vision.experiment.evaluated import Evaluated

        predictions = self.get_predictions()
        return Evaluated.of(self.folder, predictions, split or predictions.splits[-1])

    def figures(self, split: str | None = None) -> Figures:
        """Return figures of the training and the predictions by name, such as `trial.figures()["confusion"]`.

        Each shows in a notebook, and is built when it is asked for. `missing` says why others cannot be drawn.

        Args:
            split: "val" or "test"; None for the test images if there are any.

        Raises:
            KeyError: no image of the split was predicted.
        """
        from automl_vision.experiment.figures import no_figures, training_figures

        try:
            predicted = self.evaluated(split).figures()
        except RunFailedError as error:
            predicted = no_figures(str(error))
        return training_figures(self.folder) | predicted

    def explainer(self, *, masks: int | None = None) -> Explainer:
        """Return what explains the trial's predictions, for several images or methods; it loads torch.

        Args:
            masks: passes of the network per image for `occlusion`; None for the default.

        Raises:
            PackagingError: the trial has not finished.
        """
        from automl_vision.serving.explainer import Explainer
        from automl_vision.serving.occlusion import MASKS

        predictor = load("automl_vision.packaging.package:trained_predictor")(self.path)
        return Explainer(predictor, masks=MASKS if masks is None else masks)

    def explain(self, image: ImageSource, method: str = "occlusion", label: str | None = None) -> Explanation:
        """Explain what the trial's prediction for an image depends on.

        Args:
            image: path, file content, Pillow image or RGB array.
            method: `occlusion`, which also explains objects; for labels of whole images also `integrated_gradients`,
                `guided_gradcam`, `guided_backprop` and `xrai`.
            label: the class; None for the most probable one. Of a detector, the best object of the class is explained,
                or the best of all.

        Raises:
            PackagingError: the trial has not finished.
            ExplanationError: the method or the class does not exist or does not suit the model, or no object is found.
            ImageError: the image cannot be read.
        """
        from automl_vision.serving.explainer import best

        return best(self.explainer()(image, method, label), label)

    def get_evaluations(self) -> list[EvaluationEvent]:
        """Return the validations so far, one per epoch; epoch 0 is the linear probe."""
        return self.folder.evaluations()

    def get_details(self) -> dict[str, Any]:
        """Return everything that is recorded of the trial as JSON values.

        Number, algorithm, hyperparameters, those that the sampler chose (`sampled`), state with start, end and reason,
        and the `result`, which is None before there is one.
        """
        plan, result = self.folder.plan(), self.folder.result()
        return {
            "number": self.number,
            "model_name": plan.model_name,
            "role": plan.role,
            "hyperparameters": plan.hyperparameters,
            "sampled": plan.sampled,
            **self.folder.record().model_dump(mode="json"),
            "result": None if result is None else result.model_dump(mode="json"),
        }

    def get_file_names(self) -> list[str]:
        """List the trial's files, relative to its folder."""
        return file_names(self.path)

    def download_file(self, name: str, output_file_path: str | Path = ".") -> Path:
        """Copy one of the trial's files and return the copy.

        Args:
            name: as `get_file_names` lists it.
            output_file_path: a file, or an existing folder.

        Raises:
            RunFailedError: the trial has no such file.
        """
        return copy_file(self.path, name, Path(output_file_path), owner=f"trial {self.number}")

    def download_files(self, prefix: str = "", output_directory: str | Path = ".") -> Path:
        """Copy the trial's files whose names start with a prefix into a folder, and return the folder."""
        return copy_files(self.path, prefix, Path(output_directory), owner=f"trial {self.number}")

    def __repr__(self) -> str:
        return f"Trial({self.number}, {self.model_name}, {self.get_status()})"

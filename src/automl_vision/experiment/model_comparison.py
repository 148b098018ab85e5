"""Two packaged models, registered or not, on the same images: paired tests over all, by class and by slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from automl_vision.core.errors import DataError, WorkspaceError
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.scoring.scoring import ScoringSettings
from automl_vision.experiment.compared import Compared, PartCompared, compare_classes, compare_slices, compare_trials
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.workspace.model_registry import ModelRegistry
from automl_vision.workspace.model_version import ModelVersion, is_model_address
from automl_vision.workspace.workspace import Workspace, as_workspace

_TRAINED_ON = ("train", "val")  # the validation images choose the epoch


@dataclass(frozen=True)
class Contender:
    """A model that is compared.

    Attributes:
        name: for people: the address of a version, or a path.
        folder: of the model.
        version: in the registry; None for a folder that is not registered.
    """

    name: str
    folder: Path
    version: ModelVersion | None = None

    @staticmethod
    def find(model: str | PathLike[str], registry: ModelRegistry) -> Contender:
        """A version by its address, or a model folder; a folder that exists takes precedence.

        Raises:
            ModelNotFoundError: there is no such version.
        """
        path = fspath(model)
        if Path(path).exists() or not is_model_address(path):
            return Contender(path, Path(path))
        version = registry.get(path)
        return Contender(version.id, registry.download(version), version)

    @property
    def passport(self) -> ModelDescription:
        """Its `model.json`."""
        return ModelDescription.load(self.folder)


@dataclass(frozen=True)
class SharedClasses:
    """The classes in which two models are compared: those that count are the second one's.

    Images and objects of a class that the second model no longer has are left out. One of a class that only the second
    has counts against the first, which cannot know it.

    Attributes:
        counted: classes of the second model, which labels may have.
        all: these, and those that only the first has, which it may answer wrongly.
        added: that only the second model has.
        removed: that only the first model has.
    """

    counted: tuple[str, ...]
    all: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @staticmethod
    def of(first: Contender, second: Contender) -> SharedClasses:
        """The classes of two models of one task.

        Raises:
            DataError: they have no class in common, or are for different tasks.
        """
        one, two = first.passport, second.passport
        if one.task != two.task:
            raise DataError(
                f"{first.name} is for {one.task} and {second.name} for {two.task}, so they cannot be compared"
            )
        if not set(one.classes) & set(two.classes):
            raise DataError(
                f"{first.name} and {second.name} have no class in common ({', '.join(one.classes)}; "
                f"{', '.join(two.classes)}), so they cannot be compared on the same labels"
            )
        removed = tuple(name for name in one.classes if name not in two.classes)
        added = tuple(name for name in two.classes if name not in one.classes)
        return SharedClasses(two.classes, (*two.classes, *removed), added, removed)

    def of_data(self, data: Dataset | str | PathLike[str], task: str) -> Dataset:
        """The data with the labels that count."""
        dataset = data if isinstance(data, Dataset) else Dataset.open(data, task=task)
        return dataset.as_task(task).with_classes(self.counted)


@dataclass(frozen=True)
class ModelComparison:
    """Two models on the same images; each figure is computed when it is asked for.

    Attributes:
        first, second: predictions beside their truth.
        overall: the paired test over all images, second minus first.
        seen: how many of the images each model was trained on, by its name; None where that is not known.
        shared: in which classes they are compared.
    """

    first: Evaluated
    second: Evaluated
    overall: Compared
    seen: dict[str, int | None]
    shared: SharedClasses

    @property
    def class_figure(self) -> str:
        """By which classes are compared, such as "f1"."""
        return self.first.class_figure

    @cached_property
    def classes(self) -> tuple[PartCompared, ...]:
        """The paired test of each class."""
        return tuple(compare_classes(self.first, self.second))

    @cached_property
    def slices(self) -> tuple[PartCompared, ...]:
        """The paired test of each slice, with the metric of `overall`."""
        return tuple(compare_slices(self.first, self.second, self.overall.metric))

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "first": self.first.name,
            "second": self.second.name,
            "images": len(self.first.rows),
            "split": self.first.split,
            "overall": asdict(self.overall),
            "class_figure": self.class_figure,
            "classes": [asdict(part) for part in self.classes],
            "slices": [asdict(part) for part in self.slices],
            "seen": self.seen,
            "classes_added": list(self.shared.added),
            "classes_removed": list(self.shared.removed),
        }


def compare_models(
    first: str | PathLike[str],
    second: str | PathLike[str],
    data: Dataset | str | PathLike[str] | None = None,
    *,
    workspace: Workspace | str | PathLike[str] | None = None,
    split: str | None = None,
    metric: str | None = None,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ModelComparison:
    """Evaluate two models on the same images and compare them by paired tests.

    Args:
        first, second: versions such as `clothing:2` or `clothing@champion`, or model folders.
        data: labelled images; None for the test images of the first version's run.
        workspace: whose registry is used; None for the default one.
        split: of the images; None for the test images if there are any, and otherwise all.
        metric: name; None for the task's primary one.
        threads: cores to use; 0 uses all.
        progress: called with (images done, images in all), for one model after the other.

    Raises:
        ModelNotFoundError: there is no such version.
        DataError: the data cannot be opened, or the models have no class in common.
        ValueError: the task has no such metric.
    """
    registry = as_workspace(workspace).models
    one, two = Contender.find(first, registry), Contender.find(second, registry)
    dataset = data if data is not None else run_test_images(one, registry)

    def measured(model: Contender, classes: SharedClasses) -> Evaluated:
        return measure(model, dataset, split, metric, classes=classes, threads=threads, progress=progress)

    return compare_contenders(one, two, registry, measured)


def compare_contenders(
    first: Contender,
    second: Contender,
    registry: ModelRegistry,
    measured: Callable[[Contender, SharedClasses], Evaluated],
) -> ModelComparison:
    """Compare two models that are measured in the same way.

    Raises:
        DataError: the models have no class in common, or are for different tasks.
        ValueError: the task has no such metric.
    """
    shared = SharedClasses.of(first, second)
    one, two = measured(first, shared), measured(second, shared)
    return ModelComparison(
        one,
        two,
        compare_trials(one, two),
        {each.name: seen_images(each, one, registry) for each in (first, second)},
        shared,
    )


def measure(
    model: Contender,
    data: Dataset | str | PathLike[str],
    split: str | None,
    metric: str | None,
    *,
    classes: SharedClasses | None = None,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> Evaluated:
    """Evaluate one model under its own name, in its own classes or in those that it shares; see `evaluate`."""
    from automl_vision.experiment.model_evaluation import evaluate  # it loads all formats

    settings = ScoringSettings(metric)
    if classes is not None:
        data = classes.of_data(data, model.passport.task)
    found = evaluate(
        model.folder, data, split=split, settings=settings, threads=threads, progress=progress,
        classes=None if classes is None else classes.all,
    )  # fmt: skip
    return replace(found, name=model.name)


def run_test_images(model: Contender, registry: ModelRegistry) -> Dataset:
    """The dataset of the run that trained a version, if it has test images.

    Raises:
        DataError: there is no such run any more, or it had none.
    """
    manifest = None if model.version is None else registry.manifest(model.version)
    if manifest is None:
        raise DataError(f"the images that {model.name} was trained and tested on are not known; name the data")
    dataset = Dataset.load(manifest)
    if not (dataset.splits == "test").any():
        raise DataError(f"the run of {model.name} had no test images, and its others are not new to it; name the data")
    return dataset


def seen_images(model: Contender, measured: Evaluated, registry: ModelRegistry) -> int | None:
    """How many of the measured images a version was trained on, or validated on during training.

    Images are recognised by their contents. None where it is not known what the model was trained on.
    """
    if model.version is None:
        return None
    try:
        manifest = registry.manifest(model.version)
    except WorkspaceError:
        return None
    if manifest is None:
        return None
    known = Dataset.load(manifest)
    digests = known.table["digest"].to_pylist()
    trained_on = {digest for digest, split in zip(digests, known.splits.tolist(), strict=True) if split in _TRAINED_ON}
    tested = measured.dataset.table["digest"].take(measured.rows).to_pylist()
    return sum(digest in trained_on for digest in tested)

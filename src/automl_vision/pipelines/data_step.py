"""The first step: a version of the data, with the frozen test images kept apart."""

from __future__ import annotations

import numpy as np

from automl_vision.data.changes import Changes
from automl_vision.data.dataset import Dataset
from automl_vision.data.defaults import SPLIT_RATIO
from automl_vision.data.manifest_file import is_manifest
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.experiment.experiment import open_as
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.frozen import chosen_images, kept_apart, only_tests, renewed
from automl_vision.pipelines.results import DataTaken, Results
from automl_vision.workspace.datasets import DatasetVersion

_NAMED = 5  # images or classes that a sentence names


def take_data(context: PipelineContext, results: Results) -> DataTaken:  # noqa: ARG001 - the first step
    """Register the data as a version, freeze the test images, and tell what has changed.

    Raises:
        DataError: the data cannot be opened, or has no test images.
    """
    dataset, source = _opened(context)
    test, notes = _frozen(context, dataset, source)
    frozen = Dataset.load(test)
    before = _previous(context, source)
    earlier = None if before is None else Dataset.load(before)
    version = _registered(context, dataset, source, frozen, earlier)
    taken = Dataset.load(version)
    changes = None if before is None or earlier is None or before.id == version.id else taken.changes_since(earlier)
    notes += _untested(taken, frozen)
    return DataTaken(
        sentence=_sentence(version, taken, test, len(frozen)),
        notes=[*([] if changes is None or before is None else _told(changes, before.id)), *notes],
        version=version.id,
        fingerprint=version.fingerprint,
        images=taken.summary()["images"],
        previous="" if before is None or before.id == version.id else before.id,
        added=0 if changes is None else len(changes.added),
        removed=0 if changes is None else len(changes.removed),
        relabelled=0 if changes is None else len(changes.relabelled),
        classes_added=[] if changes is None else changes.classes_added,
        classes_removed=[] if changes is None else changes.classes_removed,
        test=test.id,
        test_fingerprint=test.fingerprint,
        test_images=len(frozen),
    )


def _opened(context: PipelineContext) -> tuple[Dataset, DatasetVersion | None]:
    """The data as it is now, and the registered version that it is, if it is one."""
    definition, registry = context.definition, context.workspace.datasets
    if context.version is not None:
        version = registry.get(context.version)
        return Dataset.load(version).as_task(definition.task), version
    path = registry.resolve(definition.data)
    if path != definition.data:
        version = registry.get(definition.data)
        return Dataset.load(version).as_task(definition.task), version
    return _open(context, path), None


def _open(context: PipelineContext, path: str) -> Dataset:
    """Data at a path, read as the training says."""
    config = context.definition.config()
    with context.reporter.counting("images") as progress:
        dataset = open_as(config, path, max_bad_share=1.0, progress=progress)  # the gate judges that
    return dataset.as_task(config.task)


def _frozen(
    context: PipelineContext, dataset: Dataset, source: DatasetVersion | None
) -> tuple[DatasetVersion, list[str]]:
    """The frozen test images as a registered version, and what has changed about them."""
    definition, registry = context.definition, context.workspace.datasets
    known = registry.versions(definition.test_name)
    if definition.test_data is not None:
        path = registry.resolve(definition.test_data)
        test = Dataset.load(path).as_task(definition.task) if is_manifest(path) else _open(context, path)
        found = registry.register(only_tests(test), definition.test_name, split_ratio=None)
        is_other = bool(known) and found.id != known[-1].id
        return found, [
            "the frozen test images are others than before; champion and challenger are measured on these"
        ] * is_other
    if not known:
        chosen = chosen_images(dataset, definition.test_share, seed=definition.config().seed)
        return registry.register(chosen, definition.test_name, split_ratio=None), []
    if source is not None and source != registry.get(source.name):
        return known[-1], []  # an old version says nothing of the labels that hold today
    new = renewed(Dataset.load(known[-1]), dataset)
    if not new.corrected and not new.joined:
        return known[-1], []
    notes = [f"{new.corrected} of the frozen test images have other labels now"] if new.corrected else []
    notes += [f"{new.joined} test images of new classes joined the frozen ones"] if new.joined else []
    return registry.register(new.dataset, definition.test_name, split_ratio=None, parent=known[-1].id), notes


def _previous(context: PipelineContext, source: DatasetVersion | None) -> DatasetVersion | None:
    """The version before this one."""
    registry, name = context.workspace.datasets, context.definition.name
    if source is not None and source.number > 1:
        return registry.get(source.name, source.number - 1)
    known = registry.versions(name) if source is None or source.name != name else []
    return known[-1] if known else None


def _registered(
    context: PipelineContext, dataset: Dataset, source: DatasetVersion | None, frozen: Dataset, earlier: Dataset | None
) -> DatasetVersion:
    """The version to train on; a registered one that keeps the frozen images apart already is used as it is."""
    config = context.definition.config()
    ratio = config.validation_data_size or SPLIT_RATIO
    if source is None and earlier is not None:
        dataset = dataset.following(earlier, ratio, seed=config.seed)
    dataset = kept_apart(dataset, frozen)
    dataset = dataset.with_validation(ratio, seed=config.seed)
    if source is not None and dataset.fingerprint == source.fingerprint:
        return source
    parent = "" if source is None else source.id
    return context.workspace.datasets.register(dataset, context.definition.name, parent=parent, split_ratio=None)


def _sentence(version: DatasetVersion, dataset: Dataset, test: DatasetVersion, tests: int) -> str:
    counts = ", ".join(f"{count:,} {split}" for split, count in dataset.summary()["images"].items())
    return f"{version.id} has {counts}, {len(dataset.classes)} classes; {tests:,} frozen test images are {test.id}"


def _told(changes: Changes, before: str) -> list[str]:
    """What has changed since a version, in sentences."""
    counted = {"added": changes.added, "removed": changes.removed, "relabelled": changes.relabelled}
    parts = [f"{len(images):,} images {word}" for word, images in counted.items() if images]
    notes = [f"since {before}: {', '.join(parts) or 'the same images and labels'}"]
    notes += [f"new classes: {_listed(changes.classes_added)}"] if changes.classes_added else []
    notes += [f"removed classes: {_listed(changes.classes_removed)}"] if changes.classes_removed else []
    return notes


def _untested(dataset: Dataset, frozen: Dataset) -> list[str]:
    """A sentence on classes that no frozen image has."""
    trained = dataset.labelled.rows(~np.isin(dataset.splits, [LEFT_OUT, "test"])).counts.tolist()
    names = [name for name, count in zip(dataset.classes, trained, strict=True) if count and name not in frozen.classes]
    if not names:
        return []
    return [
        f"no frozen test image has the classes {_listed(names)}, so nothing is known of them; give images of them the "
        "split test"
    ]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more

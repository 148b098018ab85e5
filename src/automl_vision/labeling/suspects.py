"""Labels that are probably wrong, in a queue of their own: what the doctor, a detector and people found."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.data.scan import Progress
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.doctor.findings import Finding
from automl_vision.experiment.label_reviews import LabelReview, review_report
from automl_vision.labeling.queue import LabelingQueue, QueuedImage
from automl_vision.recipes.predicted_files import predict_files
from automl_vision.serving.objects import MIN_SCORE
from automl_vision.serving.predictions import ObjectPrediction
from automl_vision.serving.predictor import Predictor

OF_LABELS = ("wrong-label",)
OF_OBJECTS = ("swapped-class", "overlooked-object", "badly-placed-box")
"""Names of the doctor's checks, those that are right most often first."""

_MARGIN = 0.5  # of a box's longer side, shown around it


def label_again(
    data: Dataset | str | PathLike[str],
    *,
    model: str | PathLike[str] | None = None,
    reviews: Sequence[LabelReview] = (),
    count: int = 100,
    cache: Path | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> LabelingQueue:
    """Choose labelled images whose labels are probably wrong, the most suspicious first.

    Labels of images are judged by confident learning with a probe on frozen features that did not see them; objects by
    a detector, which finds overlooked, badly placed and confused ones. A detector that was trained on the same images
    has learned their mistakes too and finds fewer. Labels that people called wrong come first, and those that they
    called right are left out.

    Args:
        data: with labels, or what `Dataset.open` takes.
        model: a model folder; only objects need one.
        reviews: decisions of people, as `experiment.fixes.reviews_of` returns them.
        count: how many images, at most; at least 1.
        cache: folder for features; None uses the user's cache.
        threads: cores for the model; 0 uses all.
        progress: called with (images done, images in all).

    Raises:
        DataError: the data cannot be opened, or objects are to be judged without a model.
        FeaturesUnavailableError: features cannot be computed on this machine.
    """
    if count < 1:
        raise DataError(f"count is at least 1, not {count}")
    dataset = data if isinstance(data, Dataset) else Dataset.open(data)
    if not has_objects(dataset.task):
        report = dataset.check(checks=OF_LABELS, cache=cache, progress=progress)
    elif model is None:
        raise DataError("boxes and masks are judged by a detector; give its model folder with model")
    else:
        predictions = _detections(dataset, Path(model), threads, progress)
        report = dataset.check(checks=OF_OBJECTS, features=False, predictions=predictions)
    said = review_report(dataset, reviews).findings if reviews else ()
    right = {review.digest for review in reviews if review.verdict == "model"}
    return suspects_of(dataset, [*said, *report.findings], count=count, right=right)


def suspects_of(
    dataset: Dataset, findings: Sequence[Finding], *, count: int = 100, right: frozenset[str] | set[str] = frozenset()
) -> LabelingQueue:
    """The images of some findings as a queue, each image once; findings take turns.

    Args:
        dataset: that they are about.
        findings: about labels.
        count: how many images, at most.
        right: digests of images whose labels a person called right.
    """
    images, digests = (dataset.table[name].to_pylist() for name in ("image", "digest"))
    queued: dict[str, QueuedImage] = {}
    longest = max((len(finding.rows) for finding in findings), default=0)
    for case in range(longest):
        for finding in findings:
            if case >= len(finding.rows):
                continue
            row = int(finding.rows[case])
            if digests[row] not in right:
                note = finding.notes[case] if case < len(finding.notes) else finding.title
                score = 1 - case / len(finding.rows)
                each = QueuedImage(images[row], note, finding.check, score, _tile(dataset, finding, case))
                queued.setdefault(images[row], each)
    return LabelingQueue(tuple(queued.values())[:count], dataset.root, dataset.task)


def _tile(dataset: Dataset, finding: Finding, case: int) -> tuple[float, float, float, float] | None:
    """The surroundings of the object that a case is about; None where it is about the whole image."""
    if case >= len(finding.objects):
        return None
    index = int(finding.objects[case])
    x1, y1, x2, y2 = dataset.objects.bbox[index].tolist()
    around = _MARGIN * max(x2 - x1, y2 - y1)
    width, height = dataset.sizes[dataset.objects.image[index]].tolist()
    return max(x1 - around, 0.0), max(y1 - around, 0.0), min(x2 + around, width), min(y2 + around, height)


def _detections(dataset: Dataset, model: Path, threads: int, progress: Progress | None) -> Detections:
    """What a detector finds in all images, with its classes in the dataset's order."""
    predictor = Predictor(model, threads=threads, score_threshold=MIN_SCORE)
    if predictor.description.objects is None:
        raise DataError(f"{dataset.task} needs a detector; the model is for {predictor.description.task}")
    rows = np.flatnonzero(dataset.splits != LEFT_OUT)
    found, problems = predict_files(predictor, dataset, rows, progress)
    read = [row for row in rows.tolist() if row not in problems]
    position = {name: i for i, name in enumerate(dataset.classes)}
    of_class = np.array([position.get(name, -1) for name in predictor.description.classes], np.int64)
    objects = Detections.join([each.objects for each in found if isinstance(each, ObjectPrediction)])
    known = of_class[objects.labels] >= 0
    image = np.array(read, np.int64)[objects.image[known]]
    return Detections(len(dataset), image, of_class[objects.labels[known]], objects.boxes[known], objects.scores[known])

"""Which images a labelling project shows, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_list import ImageList
from automl_vision.data.manifest import SCHEMA, empty_lists, without_root
from automl_vision.data.objects import OBJECT_TYPE
from automl_vision.data.report import ImportReport
from automl_vision.data.scan import Progress
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.formats.tools.label_studio_results import label_results, object_results
from automl_vision.labeling.object_overlaps import drawable
from automl_vision.labeling.pool import scan_listed
from automl_vision.labeling.queue import LabelingQueue, QueuedImage
from automl_vision.labeling.records import WantedImage
from automl_vision.storage.access import full_reference

_SHOWN = 3


def read_queue(path: Path) -> list[QueuedImage]:
    """The images of a queue in the order in which they are shown: by rank, those of a group together.

    Raises:
        DataError: it is not a queue.
    """
    queue = list(LabelingQueue.load(path))
    first: dict[str, int] = {}
    for place, one in enumerate(queue):
        first.setdefault(_group(one, place), place)
    order = sorted(range(len(queue)), key=lambda place: (first[_group(queue[place], place)], place))
    return [queue[place] for place in order]


def _group(one: QueuedImage, place: int) -> str:
    """Of an image; one without a group is a group of its own."""
    return one.group or f"\0{place}"


def scan_pool(images: ImageList, task: str, *, progress: Progress | None = None) -> Dataset:
    """Images without labels as a manifest; those that cannot be read are in its report.

    Args:
        images: to look at.
        task: of the project.
        progress: called with (images done, images in all).
    """
    facts, broken = scan_listed(images, progress)
    report = ImportReport()
    for image, reason, kind in broken:
        report.reject(image, reason, kind)
    columns = {
        "image": pa.array([fact.image for fact in facts], pa.string()),
        "width": pa.array([fact.width for fact in facts], pa.int32()),
        "height": pa.array([fact.height for fact in facts], pa.int32()),
        "digest": pa.array([fact.digest for fact in facts], pa.string()),
        "split": pa.nulls(len(facts), pa.string()),
        "group": pa.nulls(len(facts), pa.string()),
        "labels": empty_lists(len(facts), pa.string()),
        "objects": empty_lists(len(facts), OBJECT_TYPE),
    }
    return Dataset(pa.table(columns, schema=SCHEMA), images.root, task, (), "images", report)


def wanted_images(
    dataset: Dataset, pool: Dataset | None = None, queue: Sequence[QueuedImage] | None = None
) -> list[WantedImage]:
    """The images that a project shows, in order; copies of an image are shown once.

    Args:
        dataset: with labels.
        pool: further images, without labels.
        queue: what is shown; None for all, the new images first.

    Raises:
        DataError: an image of the queue is in neither.
    """
    sources = [source for source in (pool, dataset) if source is not None]
    found = (one for source in sources for one in _all(source)) if queue is None else _queued(sources, queue)
    kept: dict[str, WantedImage] = {}
    for one in found:  # of copies the first place, and that of the dataset, which has a label
        if one.digest not in kept or (one.labels and not kept[one.digest].labels):
            kept[one.digest] = one
    return list(kept.values())


def with_earlier(earlier: Sequence[WantedImage], wanted: Sequence[WantedImage]) -> list[WantedImage]:
    """What a project shows already, in its order, and then what is wanted besides.

    Of an image that both have it is the new, with the label of the earlier one if it has none.
    """
    new = {one.digest: one for one in wanted}
    known = {one.digest: new.pop(one.digest, one) for one in earlier}
    labels = {one.digest: one.labels for one in earlier}
    return [
        *(one.model_copy(update={"labels": one.labels or labels[one.digest]}) for one in known.values()),
        *new.values(),
    ]


def joined_pool(pool: Dataset, earlier: Dataset | None) -> Dataset:
    """The images of a pool, and those that an earlier one has besides, wherever they are."""
    if earlier is None:
        return pool
    known = set(pool.table["digest"].to_pylist())
    rows = [row for row, digest in enumerate(earlier.table["digest"].to_pylist()) if digest not in known]
    further = earlier.table.take(pa.array(rows, pa.int64()))
    if earlier.root != pool.root:
        further = without_root(further, earlier.root)
    return replace(pool, table=pa.concat_tables([pool.table, further], promote_options="default"))


def _all(dataset: Dataset) -> Iterator[WantedImage]:
    rows = [row for row, split in enumerate(dataset.splits.tolist()) if split != LEFT_OUT]
    yield from (_wanted(dataset, row) for row in rows)


def _queued(sources: Sequence[Dataset], queue: Sequence[QueuedImage]) -> Iterator[WantedImage]:
    places: dict[str, tuple[Dataset, int]] = {}
    for source in sources:  # the dataset comes last: its labels count where an image is in both
        for row, image in enumerate(source.table["image"].to_pylist()):
            places[full_reference(source.root, image)] = places[image] = (source, row)
    unknown = [one.image for one in queue if one.image not in places]
    if unknown:
        raise DataError(
            f"{len(unknown)} of {len(queue)} images of the queue are neither in the dataset nor among the new images, "
            f"such as {', '.join(unknown[:_SHOWN])}; name the folder of new images with --images"
        )
    for one in queue:
        found = _wanted(*places[one.image])
        yield found.model_copy(update={"reason": one.reason, "score": one.score, "group": one.group or found.group})


def _wanted(dataset: Dataset, row: int) -> WantedImage:
    image = dataset[row]
    group = dataset.table["group"][row].as_py()
    if dataset.kind in ("boxes", "masks"):
        objects = [drawable(value, image.size) if dataset.kind == "masks" else value for value in image.objects]
        results = object_results(objects, dataset.kind, image.size)
    else:
        results = label_results(image.labels)
    return WantedImage(
        digest=dataset.table["digest"][row].as_py(),
        image=image.reference,
        location=image.location,
        width=image.size[0],
        height=image.size[1],
        split=image.split,
        group=group or "",
        labels=results,
    )

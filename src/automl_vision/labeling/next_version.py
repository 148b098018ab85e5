"""The next version of a dataset: its images with the labels that people gave them, and new images with theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from automl_vision.data.annotations import Annotations, Record
from automl_vision.data.dataset import Dataset
from automl_vision.data.manifest import build_manifest, with_column, with_rows, without_root
from automl_vision.data.object import Object
from automl_vision.data.report import ImportReport
from automl_vision.data.scan import ImageFacts
from automl_vision.labeling.object_overlaps import drawable

_SAME_PLACE = 0.01  # pixels; percent there and back change the last digits


@dataclass(frozen=True)
class NewLabel:
    """What the label of an image becomes.

    Attributes:
        place: where it was read, for messages.
        labels: classes of the image; none where objects are labelled.
        objects: in pixels.
    """

    place: str
    labels: tuple[str, ...] = ()
    objects: tuple[Object, ...] = ()


def with_labels(
    base: Dataset, labels: Mapping[str, NewLabel], pool: Dataset | None = None
) -> tuple[Dataset, set[str], ImportReport]:
    """A dataset with other labels for some of its images, and with new images.

    Images keep their place, their split and what else is known of them; copies of an image all get its label. Classes
    keep their order, new ones follow.

    Args:
        base: the dataset.
        labels: by digest of the image's contents.
        pool: has the images that the dataset lacks.

    Returns:
        The dataset, the digests of the images whose label was used, and what could not be used: such an image keeps
        the label that it had, or stays out.
    """
    rows = _rows(base, labels)
    known = {base.table["digest"][row].as_py() for row in rows}
    further = (
        [] if pool is None else _rows(pool, {digest: one for digest, one in labels.items() if digest not in known})
    )
    report, used = ImportReport(), set[str]()
    parts = [base.table]
    classes: list[str] = list(base.classes)
    if rows:
        made, kept, found = _relabelled(base, rows, labels, report)
        parts = [with_rows(base.table, [rows[i] for i in kept], made)]
        used.update(made["digest"].to_pylist())
        classes += [name for name in found if name not in classes]
    if pool is not None and further:
        made, kept, found = _relabelled(pool, further, labels, report)
        if kept:
            parts.append(_added(pool, made, base.root))
            used.update(made["digest"].to_pylist())
            classes += [name for name in found if name not in classes]
    table = pa.concat_tables(parts, promote_options="default")
    return replace(base, table=table, classes=_occurring(table, tuple(classes))), used, report


def _rows(dataset: Dataset, labels: Mapping[str, NewLabel]) -> list[int]:
    """The rows that get a label."""
    return [row for row, digest in enumerate(dataset.table["digest"].to_pylist()) if digest in labels]


def _relabelled(
    dataset: Dataset, rows: Sequence[int], labels: Mapping[str, NewLabel], report: ImportReport
) -> tuple[pa.Table, list[int], tuple[str, ...]]:
    """A manifest of some rows with their new labels, which of them could be used, and the classes that occur."""
    table = dataset.table.take(pa.array(rows, pa.int64()))
    digests = table["digest"].to_pylist()
    annotations = Annotations(dataset.kind, report=report)
    for number, (row, digest) in enumerate(zip(rows, digests, strict=True)):
        new, image = labels[digest], dataset[row]
        objects = untouched(new.objects, image.objects, image.size)
        annotations.add(Record(str(number), new.place, new.labels, objects))  # rows may name one image twice
    sizes = zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True)
    facts = [
        ImageFacts(str(number), width, height, digest)
        for number, ((width, height), digest) in enumerate(zip(sizes, digests, strict=True))
    ]
    made, classes = build_manifest(annotations, facts, dataset.task, exif="annotated-upright")
    kept = [int(number) for number in made["image"].to_pylist()]
    chosen = table.take(pa.array(kept, pa.int64()))
    for name in ("labels", "objects"):
        chosen = with_column(chosen, name, made[name])
    return chosen, kept, classes


def untouched(new: Sequence[Object], old: Sequence[Object], size: tuple[int, int]) -> list[Object]:
    """Objects as people left them; one that nobody touched is again what it was, with its box, polygons and marks.

    Args:
        new: in pixels, as they came back.
        old: of the dataset, in pixels.
        size: width and height of the image in pixels.
    """
    left = [(one, drawable(one, size)) for one in old]
    found = []
    for value in new:
        same = next((pair for pair in left if pair[0].label == value.label and _is_same(value, pair[1])), None)
        if same is not None:
            left.remove(same)
        found.append(value if same is None else same[0])
    return found


def _is_same(new: Object, old: Object) -> bool:
    """Whether two objects are at the same place, to a hundredth of a pixel."""
    if new.rle is not None or new.segments:
        lengths = [list(map(len, value.segments)) for value in (new, old)]
        return (
            new.rle == old.rle
            and lengths[0] == lengths[1]
            and _is_close([n for each in new.segments for n in each], [n for each in old.segments for n in each])
        )
    return new.bbox is not None and old.bbox is not None and _is_close(new.bbox, old.bbox)


def _is_close(some: Sequence[float], others: Sequence[float]) -> bool:
    return bool(np.allclose(some, others, rtol=0, atol=_SAME_PLACE))


def _added(pool: Dataset, new: pa.Table, root: str) -> pa.Table:
    """Rows of a pool without a split; of another place than the dataset's root with references that need no root."""
    placed = new if pool.root == root else without_root(new, pool.root)
    return with_column(placed, "split", pa.nulls(len(new), pa.string()))


def _occurring(table: pa.Table, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes that still occur, in their order."""
    labels = set(table["labels"].combine_chunks().flatten().to_pylist())
    labels |= set(table["objects"].combine_chunks().flatten().field("label").to_pylist())
    return tuple(name for name in classes if name in labels)

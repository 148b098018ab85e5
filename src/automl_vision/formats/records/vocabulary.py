"""The usual names of a record's fields, by meaning: one vocabulary for tables, JSON lines, Parquet and tools' exports.

Names are written as `plain` writes them, so that `Image Path`, `image_path` and `imagePath` are one name; the more
telling ones stand first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache

IMAGE = (
    "image", "imageurl", "imagepath", "filename", "file", "path", "filepath", "filepaths", "imagename", "imgpath",
    "imageid", "img", "idimage", "imageuri", "fname", "imagefile", "imagefilename", "imageindex", "imgname", "imgid",
    "imgfile", "photo", "picture", "url", "uri", "idcode", "id",
)  # fmt: skip
IMAGE_IDENTIFIERS = frozenset({"imageid", "idimage", "imageindex", "imgid", "idcode", "id"})
"""Names that objects of JSON which are not records of images have too; there they are not taken for an image."""

LABEL = (
    "label", "labels", "class", "classes", "category", "categories", "target", "targets", "tags", "classname",
    "labelname", "categoryname", "classlabel", "tag", "species", "breed", "diagnosis", "dx", "name", "classid",
    "labelid", "categoryid", "choice",
)  # fmt: skip
LABEL_IDENTIFIERS = frozenset({"name", "classid", "labelid", "categoryid", "choice"})
"""Names that need a look at their cells, or that only an object has."""

OBJECT_LABEL_WORDS = frozenset({"type", "kind"})
"""Last words of the names of an object's class, such as `cell_type`, where no usual name is there."""

LABEL_PLURALS = frozenset({"labels", "classes", "categories", "tags", "targets"})
LABEL_WORDS = frozenset({"label", "class", "category", "tag", "target", *LABEL_PLURALS})
"""Last words of names such as `finding_labels`."""

NO_LABEL = frozenset({
    "description", "caption", "comment", "notes", "note", "remark", "title", "text", "url", "source", "author",
    "license", "date", "time", "age", "sex", "gender", "width", "height", "size", "split", "seed", "index", "hash",
    "md5", "idx",
})  # fmt: skip
SPLIT = ("split", "subset", "partition")
SPLIT_IF_FITTING = ("set", "dataset", "datasplit", "phase", "usage", "mode", "stage", "fold", "folds")
"""Names that mean a split only where most values are names of splits."""

GROUP = ("group", "groupid", "patientid", "patient", "subjectid", "subject", "lesionid")
FOLD = ("fold", "folds", "kfold", "cvfold")
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("topx", "topy", "bottomx", "bottomy"),
    ("xtl", "ytl", "xbr", "ybr"),
    ("left", "top", "right", "bottom"),
    ("x0", "y0", "x1", "y1"),
)
EXTENTS = (
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("x1", "y1", "width", "height"),
    ("left", "top", "width", "height"),
)
CENTRES = (
    ("xcenter", "ycenter", "width", "height"),
    ("centerx", "centery", "width", "height"),
    ("xcentre", "ycentre", "width", "height"),
    ("cx", "cy", "width", "height"),
    ("xc", "yc", "width", "height"),
    ("cx", "cy", "w", "h"),
    ("xc", "yc", "w", "h"),
    ("xcenter", "ycenter", "w", "h"),
)
BOX_CONVENTIONS = (("corners", CORNERS), ("extents", EXTENTS), ("centres", CENTRES))
BOX = ("bbox", "boundingbox", "box", "boxes", "bboxes", "boxesstring")
"""One field that holds all numbers of a box, or of several."""

RUNS = ("encodedpixels", "rle", "rlemask", "maskrle", "encoding", "annotation", "mask", "segmentation")
"""One field that holds a mask as runs of pixels."""

POLYGON = ("polygon", "polygons", "segmentation", "segmentations")
OBJECTS = ("objects",)
OBJECT_LABEL = ("label", "categories", "category", "labels", "categoryid", "categoryname", "class")
"""The class of an object inside of a record, or the list of the objects' classes."""

SIZE = (("imagewidth", "imageheight"), ("width", "height"), ("imgwidth", "imgheight"))
CROWD = ("iscrowd", "isgroupof")
DIFFICULT = ("difficult",)
CLASS_NUMBER = (
    "classid", "labelid", "categoryid", "id", "index", "classindex", "code", "number", "label", "class", "target",
)  # fmt: skip
CLASS_NAME = (
    "classname", "labelname", "categoryname", "name", "label", "class", "category", "description", "classes",
)  # fmt: skip
"""Columns of a table that names classes; CLASS_NUMBER those of their numbers."""


_KNOWN = frozenset({
    *IMAGE, *RUNS, *LABEL, *LABEL_PLURALS, *SPLIT, *SPLIT_IF_FITTING, *GROUP, *FOLD, *BOX, *POLYGON, *OBJECTS,
    *OBJECT_LABEL, *CROWD, *DIFFICULT, *(name for names in SIZE for name in names),
    *(name for _, conventions in BOX_CONVENTIONS for names in conventions for name in names), "imagedetails", "text",
})  # fmt: skip


@lru_cache(maxsize=4096)
def is_further(name: str) -> bool:
    """Whether a field of JSON has none of the usual meanings, and so says something else of its image."""
    return plain(name) not in _KNOWN


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A field's name for comparing: its letters and digits in lower case."""
    return re.sub(r"[\W_]+", "", name.lower())


def usual(fields: Iterable[str], names: Iterable[str], *, but: Collection[str] = ()) -> Iterator[str]:
    """The fields that have one of some usual names, in the order of the names.

    Args:
        fields: of a record, as they are spelt there.
        names: a meaning's names.
        but: names of it that do not count.
    """
    by_name: dict[str, list[str]] = {}
    for field in fields:
        by_name.setdefault(plain(field), []).append(field)
    for name in names:
        if name not in but:
            yield from by_name.get(name, ())


def whole(fields: Sequence[str], conventions: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The fields that have all names of a convention, the first one that fits; empty where none does."""
    by_name = {plain(field): field for field in reversed(fields)}
    return next((tuple(map(by_name.__getitem__, names)) for names in conventions if by_name.keys() >= set(names)), ())

"""Files that are often given as image data and are not read: each with the way out."""

from __future__ import annotations

from automl_vision.core.text import suffix_of
from automl_vision.data.image_names import IMAGE_SUFFIXES
from automl_vision.formats.source import Source

_KINDS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z", ".zst"}),
        "archives inside of the data ({files}) are not opened; unpack them, or open one by its path (zip, tar, tar.gz)",
    ),
    (
        frozenset({".tfrecord", ".tfrecords", ".record"}),
        "{files} holds TensorFlow's records; write the images to files, with a table or COCO JSON beside them",
    ),
    (
        frozenset({".npz", ".npy", ".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".pt", ".lmdb", ".mdb", ".idx"}),
        "{files} holds arrays; write each image to a file in the folder of its class",
    ),
    (
        frozenset({".parquet", ".arrow"}),
        '{files} may hold the images themselves; write them to files: datasets.load_dataset("parquet", data_files=...) '
        'and then row["image"].save("CLASS/NUMBER.png") for each row',
    ),
    (
        frozenset({".xlsx", ".xls", ".ods"}),
        "{files} is a workbook; save the sheet with the labels as CSV",
    ),
    (
        frozenset({".dcm", ".nii", ".heic", ".heif", ".avif", ".ppm", ".pgm", ".svg", ".jp2", ".jfif", ".cr2", ".nef"}),
        f"images in {{suffixes}} are not read; convert them to one of {', '.join(sorted(IMAGE_SUFFIXES))}",
    ),
)
_SHOWN = 3


def unread_files(source: Source) -> list[str]:
    """A sentence for each kind of file that is there and not read."""
    by_suffix: dict[str, list[str]] = {}
    for path in source.files:
        suffix = suffix_of(path)
        by_suffix.setdefault(suffix if not suffix.startswith(".tfrecord") else ".tfrecord", []).append(path)
    found = []
    for suffixes, sentence in _KINDS:
        present = sorted(suffixes & by_suffix.keys())
        files = [path for suffix in present for path in by_suffix[suffix][:_SHOWN]][:_SHOWN]
        if present:
            found.append(sentence.format(files=", ".join(files), suffixes=", ".join(present)))
    return found

"""Suffixes of image files."""

from __future__ import annotations

from automl_vision.core.text import suffix_of

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
    "DICOM": (".dcm", ".dicom"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
"""Suffixes by format, as Pillow names it; the usual one comes first."""

IMAGE_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)


def suffix_for(format_: str | None) -> str:
    """The usual suffix of a format; JPEG's for others, such as MPO, which is a JPEG with several pictures."""
    return SUFFIXES.get(format_ or "", SUFFIXES["JPEG"])[0]


def is_image(path: str) -> bool:
    """Whether a file has an image's suffix."""
    return suffix_of(path) in IMAGE_SUFFIXES

"""Suffixes of image files."""

from __future__ import annotations

from automl_vision.core.text import suffix_of

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp"})


def is_image(path: str) -> bool:
    """Whether a file has an image's suffix."""
    return suffix_of(path) in IMAGE_SUFFIXES

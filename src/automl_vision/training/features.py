"""Pretrained features on disk, so that trials of one algorithm compute them only once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.files import atomic_path
from automl_vision.models.frozen import KEPT_SOURCES
from automl_vision.recipes.network import WeightsOrigin

_VERSION = "1"
_MOST_BYTES = 2 * 2**30  # 400,000 images of 1,280 features; more are faster to compute than to store


def features_file(
    cache: Path, fingerprint: str, rows: NDArray[np.intp], key: str, origin: WeightsOrigin
) -> Path | None:
    """Where features are kept, or None when they cannot be.

    Args:
        cache: folder that may be deleted at any time.
        fingerprint: of the dataset.
        rows: of the images, in order.
        key: names algorithm, input size and number format.
        origin: of the pretrained weights.
    """
    if origin.source not in KEPT_SOURCES:
        return None
    words = "\n".join([_VERSION, fingerprint, key, origin.source, origin.name])
    digest = hashlib.blake2b(words.encode() + rows.astype(np.int64).tobytes(), digest_size=12).hexdigest()
    return cache / "features" / f"{digest}.npy"


def keep_features(file: Path | None, features: NDArray[np.float32]) -> None:
    """Write features for the next trials, where they have a file and are not too large."""
    if file is not None and features.nbytes <= _MOST_BYTES:
        with atomic_path(file) as temporary, temporary.open("wb") as stream:
            np.save(stream, features)

"""Features of images by a bundled network, computed by a job and cached by the contents of the files."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.compute.compute import Job
from automl_vision.compute.subprocess_job import run_fresh
from automl_vision.core.errors import FeaturesUnavailableError
from automl_vision.core.files import read_json, write_json
from automl_vision.data.scan import Progress
from automl_vision.data.value_range import ValueRange, pixel_keys
from automl_vision.storage.cache_folder import cache_folder

_JOB = "automl_vision.models.features:write_features"
_VERSION = "1"  # increased whenever the job's features change


class FeatureStore:
    """Features by the digest of a file, in shards of one NumPy file and one list of digests each.

    Args:
        folder: of the shards; None uses the user's cache.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder() / "features") / _VERSION

    def read(self, digests: Sequence[str]) -> NDArray[np.float32] | None:
        """(images, features), NaN for images without features; None if no image has any."""
        wanted: dict[str, list[int]] = {}
        for row, digest in enumerate(digests):
            wanted.setdefault(digest, []).append(row)
        found: NDArray[np.float32] | None = None
        for index in sorted(self.folder.glob("*.json")):
            known = read_json(index)
            at = [i for i, digest in enumerate(known) if digest in wanted]
            if not at:
                continue
            values = np.load(index.with_suffix(".npy"), mmap_mode="r")
            if found is None:
                found = np.full((len(digests), values.shape[1]), np.nan, np.float32)
            for i in at:
                found[wanted[known[i]]] = values[i]
        return found

    def features(
        self,
        root: str,
        images: Sequence[str],
        digests: Sequence[str],
        *,
        value_range: ValueRange | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Features of images, (images, features), float32; NaN for an image without a digest or that is not decodable.

        Args:
            root: where relative images start.
            images: paths or URLs.
            digests: of the files' bytes.
            value_range: of the dataset.
            progress: called with (images done, images in all), for images whose features must be computed.

        Raises:
            FeaturesUnavailableError: they cannot be computed.
        """
        keys = pixel_keys(digests, value_range)
        known = self.read(keys)
        lacking: dict[str, str] = {}
        for row, key in enumerate(keys):
            if key and (known is None or np.isnan(known[row, 0])):
                lacking.setdefault(key, images[row])
        if lacking:
            self.compute(root, list(lacking.values()), list(lacking), value_range=value_range, progress=progress)
            known = self.read(keys)
        return np.zeros((len(images), 0), np.float32) if known is None else known

    def compute(
        self,
        root: str,
        images: Sequence[str],
        digests: Sequence[str],
        *,
        value_range: ValueRange | None,
        progress: Progress | None,
    ) -> None:
        """Run the job on images with different contents, and store the features.

        Raises:
            FeaturesUnavailableError: the job failed, for example because the weights are not installed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.blake2b("\n".join(digests).encode(), digest_size=12).hexdigest()
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "progress.json"
            arguments = {
                "root": str(Path(root).absolute()) if Path(root).exists() else root,
                "images": list(images),
                "output": str(self.folder / f"{name}.npy"),
                "progress": str(state),
                "value_range": None if value_range is None else value_range.to_json(),
            }

            def watch() -> None:
                if progress and state.exists():
                    progress(read_json(state)["done"], len(images))

            failure = run_fresh(Job(_JOB, arguments, Path(folder)), watch=watch)
        if failure is not None:
            raise FeaturesUnavailableError(f"features of the images cannot be computed: {failure.reason}")
        if progress:
            progress(len(images), len(images))
        write_json(self.folder / f"{name}.json", list(digests))

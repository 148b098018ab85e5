"""Explanations of predictions by the packaged model, without torch; each is computed once and kept on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_vision.core.files import atomic_path, read_json, write_json

if TYPE_CHECKING:
    from automl_vision.data.labelled_image import LabelledImage
    from automl_vision.serving.occlusion import Progress

_MOST_PIXELS = 1024  # of the longer side of an overlay
_QUALITY = 80


@dataclass(frozen=True)
class ExplainedImage:
    """Where the explanation of an image is kept.

    Attributes:
        overlay: WebP; strong attributions in colour over the image in grey.
        facts: JSON, what was explained.
    """

    overlay: Path
    facts: Path

    @staticmethod
    def of(model: Path, digest: str, label: str | None, cache: Path) -> ExplainedImage:
        """The place of an explanation, which need not exist yet.

        Args:
            model: folder of the model.
            digest: of the image's contents.
            label: the class that is explained; None for the most probable one.
            cache: folder of explanations.
        """
        made = (model / "model.json").stat().st_mtime_ns
        key = hashlib.blake2b(f"{model}\n{made}\n{digest}\n{label}".encode(), digest_size=16).hexdigest()
        folder = cache / "explanations" / key[:2]
        return ExplainedImage(folder / f"{key}.webp", folder / f"{key}.json")

    def read(self) -> dict[str, Any] | None:
        """Method, label, probability and box of what is explained; None before it is."""
        return dict(read_json(self.facts)) if self.facts.exists() and self.overlay.exists() else None

    def make(self, model: Path, image: LabelledImage, label: str | None, progress: Progress) -> None:
        """Explain an image by hiding parts of it.

        Args:
            model: folder of the model.
            image: to be explained.
            label: the class; None for the most probable one, or the best object.
            progress: called with (masks done, masks in all).

        Raises:
            ExplanationError: the model has no such class, or finds no object.
            ImageError: the image cannot be read.
        """
        from automl_vision.serving.explainer import Explainer, best
        from automl_vision.serving.predictor import Predictor

        found = best(Explainer(Predictor(model, threads=1))(image.read(), label=label, progress=progress), label)
        picture = found.overlay()
        picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
        self.overlay.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.overlay) as temporary:
            picture.save(temporary, "WEBP", quality=_QUALITY)
        write_json(self.facts, found.to_json())

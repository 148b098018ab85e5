"""Explanations of several images as files: pictures, and a JSON file that lists them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from automl_vision.core.errors import ExplanationError, ImageError
from automl_vision.core.files import write_json
from automl_vision.data.drawing import Tile, draw_grid
from automl_vision.serving.explainer import Explainer
from automl_vision.serving.explanation import Explanation
from automl_vision.serving.occlusion import Progress
from automl_vision.serving.predictor import ImageSource

ALL = "all"
LIST_FILE = "explanations.json"


def explain_files(
    explainer: Explainer,
    images: Sequence[tuple[str, ImageSource]],
    out: Path,
    *,
    method: str,
    label: str | None = None,
    most: int = 3,
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:
    """Explain images one after another and write what is found into a folder.

    Args:
        explainer: of the model.
        images: name and image.
        out: the folder; each picture shows an image and its explanation side by side, for `all` methods a grid.
        method: one of `METHODS`, or `all` for those that suit the model.
        label: the class; None for the most probable one, or for objects of all classes.
        most: how many objects of an image are explained.
        progress: called after each batch of an image's masks.

    Yields:
        For each explanation `filename`, `picture` and what `Explanation.to_json` has; `filename` and `error`
        where there is none. `explanations.json` in the folder has the same rows once all are done.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for number, (name, image) in enumerate(images):
        stem = f"{number:04d}-{Path(name).stem}"
        found, errors = _explanations(explainer, image, method, label, most, progress)
        made = [{"filename": name, "error": error} for error in errors]
        if not found and not errors:
            made.append({"filename": name, "error": f"the model finds no {label or 'object'}"})
        if method == ALL and found:
            _grid(found).save(out / f"{stem}-{ALL}.png")
        for place, one in enumerate(found):
            own = f"{stem}-{one.method}" + (f"-{place}" if explainer.finds_objects else "")
            picture = f"{stem}-{ALL}.png" if method == ALL else f"{own}.png"
            if method != ALL:
                one.beside().save(out / picture)
            made.append({"filename": name, **one.to_json(), "picture": picture})
        rows += made
        yield from made
    write_json(out / LIST_FILE, rows)


def _explanations(
    explainer: Explainer,
    image: ImageSource,
    method: str,
    label: str | None,
    most: int,
    progress: Progress | None,
) -> tuple[list[Explanation], list[str]]:
    """What is found by each method, and why others explain nothing.

    Raises:
        ExplanationError: the only method that was asked for does not suit the model, or it has no such class.
    """
    found: list[Explanation] = []
    errors: list[str] = []
    for each in explainer.methods if method == ALL else [method]:
        try:
            found += explainer(image, each, label, most=most, progress=progress)
        except ImageError as error:
            return [], [str(error)]
        except ExplanationError as error:
            if method != ALL or not found:
                raise
            errors.append(str(error))
    return found, errors


def _grid(found: list[Explanation]) -> Image.Image:
    """The image, and its explanations."""
    height, width = found[0].image.shape[:2]
    tiles = [Tile(found[0].image, (width, height), "image", "")]
    tiles += [
        Tile(np.asarray(one.overlay()), (width, height), one.method, f"{one.label} {one.probability:.1%}")
        for one in found
    ]
    return draw_grid(tiles, {}, columns=3)

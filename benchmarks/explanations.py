"""Do explanations say what a classifier depends on? Deletion and insertion areas of each method, and its seconds.

python benchmarks/explanations.py MODEL_FOLDER IMAGES [--images 10] [--masks 100 --masks 500]

Compared with a random order of pixels and with a plain Gaussian in the middle of the image. The images
are spread evenly over those of the folder. Low deletion areas and high insertion areas are good.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ExplanationError
from automl_vision.data.image_names import IMAGE_SUFFIXES
from automl_vision.data.images import load_pixels
from automl_vision.serving.explainer import METHODS, OCCLUSION, Explainer
from automl_vision.serving.faithfulness import faithfulness
from automl_vision.serving.predictor import Predictor

Mapping = Callable[[Path], NDArray[np.float32]]


def size_of(file: Path) -> tuple[int, int]:
    height, width, _ = load_pixels(file.read_bytes()).shape
    return height, width


def random_order(file: Path) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(size_of(file)).astype(np.float32)


def centred_gaussian(file: Path) -> NDArray[np.float32]:
    rows, columns = (np.linspace(-2, 2, length) for length in size_of(file))
    return np.exp(-(rows[:, None] ** 2) - columns**2).astype(np.float32)


def sliding_window(predictor: Predictor, file: Path) -> NDArray[np.float32]:
    """What a blurred square of a fifth of a side takes from the probability, at 11 x 11 places (Zeiler et al. 2014)."""
    pixels = load_pixels(file.read_bytes())
    height, width = pixels.shape[:2]
    (whole,) = predictor(pixels)
    label = int(whole.probs.argmax())
    small = np.asarray(Image.fromarray(pixels).resize((10, 10), Image.Resampling.BOX).resize((width, height)))
    places = [(y, x) for y in np.linspace(0, 0.8, 11) for x in np.linspace(0, 0.8, 11)]
    covered = []
    for y, x in places:
        window = np.s_[int(y * height) : int((y + 0.2) * height), int(x * width) : int((x + 0.2) * width)]
        covered.append(pixels.copy())
        covered[-1][window] = small[window]
    lost = np.array([whole.probs[label] - found.probs[label] for found in predictor(covered)], np.float32)
    grid = Image.fromarray(lost.reshape(11, 11))
    return np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--masks", type=int, action="append")
    options = parser.parse_args()
    predictor = Predictor(options.model, threads=1)
    files = sorted(file for file in options.data.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    files = files[:: max(1, len(files) // options.images)][: options.images]

    def explained(method: str, masks: int, file: Path) -> NDArray[np.float32]:
        explainer = explainers.setdefault(masks, Explainer(predictor, masks=masks))
        return explainer(file, method)[0].attributions

    explainers: dict[int, Explainer] = {}
    candidates: dict[str, Mapping] = {"random": random_order, "centred Gaussian": centred_gaussian}
    candidates["sliding window, 121"] = partial(sliding_window, predictor)
    for masks in options.masks or (100, 250, 500):
        candidates[f"occlusion, {masks} masks"] = partial(explained, OCCLUSION, masks)
    candidates |= {method: partial(explained, method, 2) for method in METHODS if method != OCCLUSION}
    print(f"{options.model}: {len(files)} images of {options.data}\n| method | deletion | insertion | seconds |")
    print("| --- | --- | --- | --- |")
    for name, make in candidates.items():
        try:
            report(name, predictor, files, make)
        except ExplanationError as error:
            print(f"| {name} | {error} | | |", flush=True)


def report(name: str, predictor: Predictor, files: list[Path], make: Mapping) -> None:
    make(files[0])  # what is loaded once is not counted
    areas, seconds = [], 0.0
    for file in files:
        start = time.perf_counter()
        values = make(file)
        seconds += time.perf_counter() - start
        curves = faithfulness(predictor, file, values)
        areas.append((curves.deletion_area, curves.insertion_area))
    cells = [f"{mean:.3f}" for mean in np.mean(areas, axis=0)]
    print(f"| {name} | {' | '.join(cells)} | {seconds / len(files):.2f} |", flush=True)


if __name__ == "__main__":
    main()

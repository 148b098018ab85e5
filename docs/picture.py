"""Trains a detector on `bccd` with two learning rates and draws the picture of the README: predictions and leaderboard.

Run it with the image sets in `AUTOML_VISION_TEST_DATA`: `python docs/picture.py [--minutes 12]`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from automl_vision import (
    AutoMLVisionConfig,
    Dataset,
    Experiment,
    GridParameterSampling,
    Predictor,
    Run,
    Workspace,
    choice,
)
from automl_vision.serving.drawing import draw_objects
from automl_vision.serving.readers import upright

PICTURE = Path(__file__).parent / "images" / "result.webp"
_LEARNING_RATES = (0.0006, 0.0012)
_WIDTH, _MARGIN, _IMAGES, _LINE = 1600, 24, 3, 44  # pixels, pixels, images in a row, pixels per table row
_PAPER, _INK, _FAINT = "#ffffff", "#1f2328", "#59636e"


def train(data: Path, minutes: float) -> Run:
    """Trains with each learning rate, for a few epochs on a small canvas."""
    config = AutoMLVisionConfig(
        task="image-object-detection",
        model_name="fasterrcnn_efficientnet_lite0_fpn",
        training_data=str(data),
        experiment_timeout_hours=minutes / 60,
        hyperparameter_sampling=GridParameterSampling({"learning_rate": choice(*_LEARNING_RATES)}),
        iterations=len(_LEARNING_RATES),
        arguments={"number_of_epochs": 3, "min_size": 224, "max_size": 300},
    )
    run = Experiment(Workspace(), "picture").submit(config)
    run.wait_for_completion(show_output=True)
    return run


def draw(run: Run) -> Image.Image:
    """Draws predictions on the first test images above the leaderboard."""
    board = run.leaderboard()
    rows = [board.columns(), *board.cells()]
    pictures = [_fitted(picture) for picture in _predicted(run)]
    top = 2 * _MARGIN + pictures[0].height
    sheet = Image.new("RGB", (_WIDTH, top + _LINE * len(rows) + _MARGIN), _PAPER)
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (_MARGIN + number * (picture.width + _MARGIN), _MARGIN))
    _draw_table(ImageDraw.Draw(sheet), rows, top)
    return sheet


def _predicted(run: Run) -> list[Image.Image]:
    trained = Dataset.load(run.folder.manifest)
    shown = [row for row, split in enumerate(trained.splits) if split == "test"][:_IMAGES]
    files = [Path(trained.root) / trained.table["image"][row].as_py() for row in shown]
    predictions = Predictor(run.model_path, score_threshold=0.5)(files)
    return [draw_objects(upright(file.read_bytes()), each) for file, each in zip(files, predictions, strict=True)]


def _fitted(picture: Image.Image) -> Image.Image:
    width = (_WIDTH - (_IMAGES + 1) * _MARGIN) // _IMAGES
    return picture.resize((width, picture.height * width // picture.width))


def _draw_table(canvas: ImageDraw.ImageDraw, rows: list[list[str]], top: int) -> None:
    """Draws aligned columns in the largest font in which the widest row fits."""
    for size in range(26, 10, -1):
        font = ImageFont.load_default(size)
        widths = [max(canvas.textlength(row[i], font) for row in rows) + 1.2 * size for i in range(len(rows[0]))]
        if sum(widths) <= _WIDTH - 2 * _MARGIN:
            break
    for number, row in enumerate(rows):
        for i, cell in enumerate(row):
            place = (_MARGIN + sum(widths[:i]), top + number * _LINE)
            canvas.text(place, cell, font=font, fill=_INK if number else _FAINT)


def main() -> None:
    """Trains, or takes a finished run, and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=12.0, help="budget of the run")
    parser.add_argument("--run", help="id of a finished run of this script in the workspace, instead of a new one")
    options = parser.parse_args()
    if options.run:
        run = Run(Workspace(), options.run)
    else:
        run = train(Path(os.environ["AUTOML_VISION_TEST_DATA"]) / "bccd", options.minutes)
    PICTURE.parent.mkdir(exist_ok=True)
    draw(run).save(PICTURE, quality=80, method=6)
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB, of run {run.id}\n")


if __name__ == "__main__":
    main()

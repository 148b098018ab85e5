"""Boxes and masks on images."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from automl_vision.data.masks import MaskCode
from automl_vision.serving.predictions import ObjectPrediction

_MASK_OPACITY = 0.45


def draw_objects(image: Image.Image, prediction: ObjectPrediction) -> Image.Image:
    """A copy of an image with the objects' boxes, labels, scores and masks; each class has its colour."""
    drawn = image.convert("RGB")
    colours = [_colour(i, len(prediction.labels)) for i in range(len(prediction.labels))]
    objects = prediction.objects
    if objects.masks is not None and objects.masks:
        pixels = np.array(drawn, np.float32)
        for text, label in zip(objects.masks, objects.labels.tolist(), strict=True):
            inside = MaskCode.from_text(text).decode()
            pixels[inside] = (1 - _MASK_OPACITY) * pixels[inside] + _MASK_OPACITY * np.array(colours[label])
        drawn = Image.fromarray(pixels.round().astype(np.uint8))
    canvas = ImageDraw.Draw(drawn)
    line = max(1, round(max(drawn.size) / 400))
    font = ImageFont.load_default(size=max(10, round(max(drawn.size) / 50)))
    for box, score, label in zip(objects.boxes.tolist(), objects.scores.tolist(), objects.labels.tolist(), strict=True):
        canvas.rectangle(box, outline=colours[label], width=line)
        text = f"{prediction.labels[label]} {score:.2f}"
        left, top, right, bottom = canvas.textbbox((box[0], box[1]), text, font=font)
        shift = min(0.0, drawn.height - bottom) if box[1] < bottom - top else box[1] - bottom
        place = (left, top + shift, right, bottom + shift)
        canvas.rectangle(place, fill=colours[label])
        canvas.text((box[0], box[1] + shift), text, fill="white", font=font)
    return drawn


def _colour(index: int, count: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(index / max(count, 1), 0.85, 0.8)
    return round(255 * red), round(255 * green), round(255 * blue)

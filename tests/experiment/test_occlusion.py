"""Occlusion finds what a known function of the pixels depends on, in the pixels of the original image.

The networks are functions of NumPy whose answer is known, so a wrong place or scale of a map cannot hide.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import ExplanationError
from automl_vision.serving.explainer import Explainer
from automl_vision.serving.explanation import Explanation
from automl_vision.serving.faithfulness import faithfulness
from automl_vision.serving.model_folder import ModelDescription, ObjectSettings, Preprocessing
from automl_vision.serving.occlusion import explain_objects, explain_occlusion
from automl_vision.serving.predictor import Predictor

RED = (230, 20, 20)


def noise(width: int, height: int, *boxes: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Grey noise with red rectangles."""
    grey = np.random.default_rng(0).integers(90, 150, (height, width, 1), dtype=np.uint8)
    pixels = np.repeat(grey, 3, axis=2)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = RED
    return pixels


def redness(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(inputs[:, 0] - inputs[:, 1:].max(axis=1), 0, None)


def labels(*, short_side: int = 64, crop: int = 64) -> Predictor:
    """A classifier whose logit is the amount of red."""

    def network(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        amount = redness(inputs).sum(axis=(1, 2)) / 100
        return [np.stack([amount, np.ones_like(amount)], axis=1)]

    settings = Preprocessing((0.0,) * 3, (1.0,) * 3, short_side=short_side, crop=crop)
    description = ModelDescription("image-classification", ("red", "not"), settings, 1.0, (), "m", "a")
    return Predictor.of("nowhere", description, network)


def objects(*, grid: str | None = None) -> Predictor:
    """A detector with one box around what is red in the left half of a view, and one in the right half."""

    def network(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        boxes, scores = np.zeros((len(inputs), 2, 4), np.float32), np.zeros((len(inputs), 2), np.float32)
        for i, red in enumerate(redness(inputs) > 0.35):
            for half in (0, 1):
                rows, columns = np.nonzero(red[:, half * 32 : half * 32 + 32])
                if len(rows):
                    left = columns.min() + 32 * half
                    boxes[i, half] = left, rows.min(), columns.max() + 1 + 32 * half, rows.max() + 1
                    scores[i, half] = min(1.0, len(rows) / 100)
        return [boxes, scores, np.zeros(scores.shape, np.int64)]

    settings = Preprocessing((0.0,) * 3, (1.0,) * 3, canvas=(64, 64))
    description = ModelDescription(
        "image-object-detection", ("thing", "other"), settings, 1.0, (0.2, 0.2), "m", "a",
        objects=ObjectSettings(detections=10, tile_grid=grid),
    )  # fmt: skip
    return Predictor.of("nowhere", description, network)


def mean_inside(found: Explanation, box: tuple[int, int, int, int]) -> float:
    x1, y1, x2, y2 = box
    return float(found.attributions[y1:y2, x1:x2].mean())


@pytest.mark.parametrize(
    ("width", "height", "box", "settings", "unseen"),
    [
        (64, 64, (40, 10, 54, 24), {}, None),
        (200, 100, (120, 20, 140, 40), {}, np.s_[:, :49]),
        (100, 260, (30, 120, 60, 150), {"short_side": 80}, np.s_[:89, :]),
        (1000, 100, (480, 30, 510, 60), {}, np.s_[:, :449]),  # beyond the aspect of which the middle is kept
        (20, 24, (4, 12, 9, 17), {}, np.s_[:1, :]),  # smaller than the network's input
    ],
)
def test_a_map_lies_where_the_class_is_decided_in_pixels_of_the_image(width, height, box, settings, unseen):
    predictor, image = labels(**settings), noise(width, height, box)
    found = explain_occlusion(predictor, image, "red", masks=400)
    assert found.attributions.shape == (height, width)
    y, x = np.unravel_index(found.attributions.argmax(), found.attributions.shape)
    assert box[0] <= x < box[2], (x, y)
    assert box[1] <= y < box[3], (x, y)
    if unseen is not None:
        assert not found.attributions[unseen].any()
    noisy = np.random.default_rng(1).random((height, width)).astype(np.float32)
    areas = [faithfulness(predictor, image, values, "red") for values in (found.attributions, noisy)]
    assert areas[0].deletion_area < areas[1].deletion_area - 0.05
    assert areas[0].insertion_area > areas[1].insertion_area  # by little: what is blurred is still red


def test_an_attribution_is_what_showing_a_pixel_adds_to_the_probability():
    predictor = labels()
    nothing = explain_occlusion(predictor, noise(64, 64), "red", masks=50)
    assert np.abs(nothing.attributions).max() < 0.01
    image = noise(64, 64, (20, 20, 40, 40))
    one, same, other = (explain_occlusion(predictor, image, masks=50, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.attributions, same.attributions)
    assert not np.array_equal(one.attributions, other.attributions)
    assert one.label == "red"
    assert 0 < one.attributions.max() <= 1.2
    against = explain_occlusion(predictor, noise(64, 64, (20, 20, 40, 40)), "not", masks=50, seed=1)
    assert np.allclose(against.attributions, -one.attributions, atol=1e-5)


@pytest.mark.parametrize(("grid", "size"), [(None, (128, 96)), ("2x2", (128, 96)), (None, (48, 60))])
def test_the_map_of_a_box_lies_on_its_object_and_not_on_the_other(grid, size):
    width, height = size
    boxes = [(width // 8, height // 8, width // 8 + width // 5, height // 3),
             (5 * width // 8, height // 2, 5 * width // 8 + width // 5, 5 * height // 6)]  # fmt: skip
    calls: list[tuple[int, int]] = []
    found = explain_objects(
        objects(grid=grid), noise(width, height, *boxes), most=2, masks=400, progress=lambda *done: calls.append(done)
    )
    assert len(found) == 2
    assert calls[-1] == (400, 400)
    for one in found:
        own, other = sorted(boxes, key=lambda box: abs(box[0] - one.box[0]))
        assert np.allclose(one.box, own, atol=4)
        own_mean = mean_inside(one, own)
        assert own_mean > 4 * abs(mean_inside(one, other))
        assert own_mean > 4 * abs(float(one.attributions.mean()))
        y, x = np.unravel_index(one.attributions.argmax(), one.attributions.shape)
        assert own[0] - 4 <= x < own[2] + 4, (x, y, own)
        assert own[1] - 4 <= y < own[3] + 4, (x, y, own)


def test_the_overlay_colours_and_outlines_the_strongest_pixels(tmp_path: Path):
    values = np.zeros((80, 100), np.float32)
    values[20:40, 30:50] = 1
    found = Explanation("occlusion", "red", 0.9, values, noise(100, 80), (30.0, 20.0, 50.0, 40.0))
    picture = np.asarray(found.overlay()).astype(int)
    spread = picture.max(axis=2) - picture.min(axis=2)
    assert spread[30, 40] > 40
    assert spread[75, 90] == 0
    cyan = (picture == (0, 230, 255)).all(axis=2)
    assert 20 < cyan.sum() < 400
    assert (picture == 255).all(axis=2).any()
    found.save(tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as saved:
        assert saved.size == (100, 80)
    assert found.beside().size == (200, 80)
    assert found.to_json() == {"method": "occlusion", "label": "red", "probability": 0.9, "box": [30, 20, 50, 40]}
    flat = Explanation("occlusion", "red", 0.9, np.zeros((80, 100), np.float32), noise(100, 80))
    assert (np.asarray(flat.overlay()) == np.asarray(Image.fromarray(flat.image).convert("L"))[..., None]).all()


@pytest.mark.parametrize(
    ("predictor", "arguments", "message"),
    [
        (labels(), {"label": "rad"}, 'the model has no class "rad". Did you mean "red"'),
        (objects(), {"label": "thin"}, 'the model has no class "thin". Did you mean "thing"'),
        (objects(), {"method": "xrai"}, "xrai explains labels of whole images; for objects use: occlusion"),
        (labels(), {"method": "oclusion"}, 'named "oclusion". Did you mean "occlusion"'),
        (labels(), {"masks": 1}, "needs at least 2 masks, not 1"),
    ],
)
def test_what_cannot_be_explained_is_refused_with_a_way_out(predictor, arguments, message):
    masks = arguments.pop("masks", 20)
    with pytest.raises(ExplanationError) as refused:
        Explainer(predictor, masks=masks)(noise(64, 64, (5, 5, 25, 25)), **arguments)
    assert message in str(refused.value)


def test_an_image_without_objects_has_no_explanations():
    assert explain_objects(objects(), noise(64, 64), masks=10) == []
    assert explain_objects(objects(), noise(64, 64, (5, 5, 25, 25)), "other", masks=10) == []
    with pytest.raises(ExplanationError, match="explain them with explain_objects"):
        explain_occlusion(objects(), noise(64, 64))
    with pytest.raises(ExplanationError, match="the map must have the image's height and width"):
        faithfulness(labels(), noise(64, 64), np.zeros((10, 10), np.float32))

"""Random changes of images with objects, for any picture: box, mask and pixels agree, and a box stays a box."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from automl_vision.serving.objects import FILL
from automl_vision.tasks.object_targets import ImageObjects
from automl_vision.tasks.object_transforms import (
    LEAST_SIDE,
    LEAST_VISIBLE,
    ObjectTransform,
    _iou_cropped,
    copy_paste,
    filter_visible,
    mosaic,
    scaled_onto,
)

GREY, FIRST_SHADE, SHADE_STEP = 60, 130, 40
"""Of the picture and of its objects, each of which has a shade of its own; the canvas is `FILL` around it."""

Picture = tuple[NDArray[np.uint8], ImageObjects]
Change = Callable[[Picture, int], tuple[Tensor, ImageObjects]]
CANVAS = (64, 96)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """A grey picture with up to three rectangles, which do not overlap: one in each third."""
    height, width = draw(st.integers(20, 90)), draw(st.integers(30, 90))
    third = width // 3
    boxes = []
    for k in range(draw(st.integers(0, 3))):
        x1, y1 = draw(st.integers(k * third, (k + 1) * third - 5)), draw(st.integers(0, height - 5))
        boxes.append((x1, y1, draw(st.integers(x1 + 5, (k + 1) * third)), draw(st.integers(y1 + 5, height))))
    return picture(height, width, boxes)


def picture(height: int, width: int, boxes: list[tuple[int, int, int, int]]) -> Picture:
    pixels = np.full((height, width, 3), GREY, np.uint8)
    masks = np.zeros((len(boxes), height, width), np.uint8)
    for k, (x1, y1, x2, y2) in enumerate(boxes):
        pixels[y1:y2, x1:x2] = FIRST_SHADE + SHADE_STEP * k
        masks[k, y1:y2, x1:x2] = 1
    none = torch.zeros(len(boxes), dtype=torch.bool)
    boxes_ = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return pixels, ImageObjects(boxes_, torch.arange(len(boxes)), none, torch.from_numpy(masks))


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def _changed(augmentation: str, *, flip: bool = False, iou_crop: float = 0.0) -> Change:
    def change(drawn: Picture, seed: int) -> tuple[Tensor, ImageObjects]:
        return ObjectTransform(CANVAS, augmentation, flip, iou_crop)(*drawn, np.random.default_rng(seed))

    return change


def _iou_crop(drawn: Picture, seed: int) -> tuple[Tensor, ImageObjects]:
    pixels, objects = drawn
    if not len(objects):
        return as_tensor(pixels), objects
    return _iou_cropped(as_tensor(pixels), objects, np.random.default_rng(seed))


def _jitter(drawn: Picture, seed: int) -> tuple[Tensor, ImageObjects]:
    pixels, objects = drawn
    random = np.random.default_rng(seed)
    return scaled_onto(as_tensor(pixels), objects, CANVAS, float(random.uniform(0.6, 1.6)), random)


def _mosaic(drawn: Picture, seed: int) -> tuple[Tensor, ImageObjects]:
    random = np.random.default_rng(seed)
    return mosaic([_changed("flip")(drawn, seed + k) for k in range(4)], random)


CHANGES = {
    "none": _changed("none"),
    "flip": _changed("flip"),
    "both flips": _changed("flip", flip=True),
    "IoU crop": _iou_crop,
    "scale jitter": _jitter,
    "mosaic": _mosaic,
    "all": _changed("standard", flip=True, iou_crop=0.5),
}


def bounds(mask: Tensor) -> list[float]:
    """Left, top, right and bottom of a mask."""
    rows, columns = torch.nonzero(mask.any(dim=1))[:, 0], torch.nonzero(mask.any(dim=0))[:, 0]
    return [float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)]


@pytest.mark.parametrize("name", CHANGES)
@settings(max_examples=80, deadline=None)
@given(pictures(), st.integers(0, 10_000))
def test_boxes_stay_boxes_and_agree_with_masks_and_pixels(name: str, drawn: Picture, seed: int):
    image, objects = CHANGES[name](drawn, seed)
    height, width = image.shape[1:]
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    assert (sides >= LEAST_SIDE).all()  # ordered corners, and no line
    assert (objects.boxes >= 0).all()
    assert (objects.boxes[:, 2:] <= torch.tensor([width, height])).all()
    assert objects.masks is not None
    assert objects.masks.shape == (len(objects), height, width)
    assert len(objects) == len(objects.crowd) == len(objects.boxes)
    for label, box, mask in zip(objects.labels.tolist(), objects.boxes.tolist(), objects.masks, strict=True):
        assert set(mask.unique().tolist()) <= {0, 1}
        assert np.abs(np.array(bounds(mask)) - box).max() <= 2.0
        if name != "all":  # which changes colours
            inner = image[0][_eroded(mask)].float()
            assert not len(inner) or abs(inner.mean() - (FIRST_SHADE + SHADE_STEP * label)) <= 8


def _eroded(mask: Tensor) -> Tensor:
    """A mask without its outermost pixels, which resizing mixes with their neighbours."""
    outside = 1 - pad(mask[None].float(), [2, 2, 2, 2])
    inner: Tensor = max_pool2d(outside, 5, 1)[0] == 0
    return inner


@settings(max_examples=150, deadline=None)
@given(pictures(), st.floats(0.5, 1.0), st.integers(0, 1000))
def test_a_smaller_scale_shrinks_areas_by_its_square(drawn: Picture, scale: float, seed: int):
    """Where nothing is cut off, nothing is lost but what is too small, and all of it is on the canvas."""
    pixels, objects = drawn
    image, moved = scaled_onto(as_tensor(pixels), objects, CANVAS, scale, np.random.default_rng(seed))
    height, width = pixels.shape[:2]
    factor = scale * min(CANVAS[0] / height, CANVAS[1] / width)
    wanted = {int(label): areas(objects)[i] * factor**2 for i, label in enumerate(objects.labels)}
    for label, area, box in zip(moved.labels.tolist(), areas(moved), moved.boxes, strict=True):
        sides = (box[2:] - box[:2]).min()
        assert area == pytest.approx(wanted[label], rel=0.05, abs=float(2 * (box[2:] - box[:2]).max() / sides + 1))
    for label in set(wanted) - set(moved.labels.tolist()):
        before = objects.boxes[label, 2:] - objects.boxes[label, :2]
        assert (before * factor).min() < LEAST_SIDE + 0.5
    shown = (image != FILL).any(dim=0).sum().item()
    assert shown == pytest.approx(height * width * factor**2, rel=0.1)


def areas(objects: ImageObjects) -> list[float]:
    return (objects.boxes[:, 2:] - objects.boxes[:, :2]).prod(dim=1).tolist()


@settings(max_examples=100, deadline=None)
@given(pictures(), st.integers(0, 1000))
def test_a_flip_mirrors_image_boxes_and_masks_exactly(drawn: Picture, seed: int):
    """The same seed places the picture the same, so that what is flipped is its mirror image or it itself."""
    image, objects = _changed("none")(drawn, seed)
    flipped, moved = _changed("flip")(drawn, seed)
    if torch.equal(image, flipped) and not torch.equal(image, image.flip(2)):
        assert torch.equal(moved.boxes, objects.boxes)
        return
    assert torch.equal(flipped, image.flip(2))
    mirrored = objects.boxes[:, [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1]) + torch.tensor([CANVAS[1], 0.0] * 2)
    torch.testing.assert_close(moved.boxes, mirrored, rtol=0, atol=1e-4)
    assert objects.masks is not None
    assert moved.masks is not None
    assert torch.equal(moved.masks, objects.masks.flip(2))


@settings(max_examples=60, deadline=None)
@given(pictures(), st.integers(0, 10_000))
def test_a_crop_keeps_what_is_seen_enough(drawn: Picture, seed: int):
    """No object grows; one of which less than a quarter is left is gone, and a whole one is as large as before."""
    _, objects = drawn
    before = areas(objects)
    for change in (_iou_crop, _jitter):
        _, moved = change(drawn, seed)
        factor = 1.0 if change is _iou_crop else _scale_of(drawn, seed)
        for label, area in zip(moved.labels.tolist(), areas(moved), strict=True):
            assert LEAST_VISIBLE * 0.8 <= area / (before[label] * factor**2) <= 1.25  # sizes are whole pixels


def _scale_of(drawn: Picture, seed: int) -> float:
    """Of the picture on the canvas after `_jitter`."""
    height, width = drawn[0].shape[:2]
    return float(np.random.default_rng(seed).uniform(0.6, 1.6)) * min(CANVAS[0] / height, CANVAS[1] / width)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-5, 25) for _ in range(4)], st.floats(0, 1), st.booleans()), max_size=6),
    st.booleans(),
)
def test_lines_inverted_and_hidden_boxes_are_dropped(rows: list[tuple[float, ...]], with_masks: bool):
    boxes = torch.tensor([row[:4] for row in rows], dtype=torch.float32).reshape(-1, 4)
    shares = torch.tensor([row[4] for row in rows], dtype=torch.float32)
    masks = torch.tensor([[[int(row[5])]] for row in rows], dtype=torch.uint8).reshape(-1, 1, 1) if with_masks else None
    labels = torch.arange(len(rows))
    kept = filter_visible(ImageObjects(boxes, labels, torch.zeros(len(rows), dtype=torch.bool), masks), shares)
    good = [
        min(box[2] - box[0], box[3] - box[1]) >= LEAST_SIDE and share >= LEAST_VISIBLE and (not with_masks or row[5])
        for box, share, row in zip(boxes, shares, rows, strict=True)
    ]
    assert kept.labels.tolist() == [number for number, is_good in enumerate(good) if is_good]


def test_what_lies_mostly_outside_is_dropped():
    pixels, objects = picture(60, 60, [(0, 0, 10, 60), (20, 20, 40, 40)])
    image = as_tensor(pixels)

    class Corner:
        """Always the far end."""

        def integers(self, high: int) -> int:
            return high - 1

    _, moved = scaled_onto(image, objects, (60, 60), 1.5, Corner())  # sees x and y from 20 on
    assert moved.labels.tolist() == [1]
    assert moved.boxes[0].tolist() == pytest.approx([0, 0, 30, 30], abs=1)


def test_a_mosaic_keeps_what_is_seen():
    parts = [picture(64, 96, [(30, 20, 60, 50)]) for _ in range(4)]
    canvases = [(as_tensor(p), o) for p, o in parts]
    image, objects = mosaic(canvases, np.random.default_rng(0))
    assert image.shape == (3, 64, 96)
    for box, mask in zip(objects.boxes.int(), objects.masks, strict=True):
        x1, y1, x2, y2 = box.tolist()
        assert mask[y1:y2, x1:x2].all()
        assert (image[:, y1:y2, x1:x2] == FIRST_SHADE).all()


@settings(max_examples=60, deadline=None)
@given(pictures(), pictures(), st.integers(0, 1000))
def test_pasted_objects_lie_in_front(first: Picture, second: Picture, seed: int):
    transform = ObjectTransform((64, 96), "flip")
    onto, source = (transform(*drawn, np.random.default_rng(seed)) for drawn in (first, second))
    image, objects = copy_paste(onto, source, np.random.default_rng(seed))
    chosen = torch.from_numpy(np.random.default_rng(seed).random(len(source[1])) < 0.5)
    pasted = source[1].take(torch.nonzero(chosen)[:, 0])
    front = pasted.masks.bool().any(dim=0)
    assert torch.equal(image[:, front], source[0][:, front])
    assert torch.equal(image[:, ~front], onto[0][:, ~front])
    behind = len(objects) - len(pasted)
    assert torch.equal(objects.masks[behind:], pasted.masks)
    assert torch.equal(objects.boxes[behind:], pasted.boxes)
    assert not (objects.masks[:behind].bool() & front).any()
    for box, mask in zip(objects.boxes, objects.masks, strict=True):
        assert max(abs(a - b) for a, b in zip(bounds(mask), box.tolist(), strict=True)) <= 2.0


def test_what_a_pasted_object_hides_is_gone_or_smaller():
    behind, front = picture(64, 96, [(10, 10, 40, 40), (60, 20, 70, 30)]), picture(64, 96, [(30, 5, 80, 60)])
    onto, source = ((as_tensor(p), o) for p, o in (behind, front))

    class Always:
        """Pastes everything."""

        def random(self, count: int) -> NDArray[np.float64]:
            return np.zeros(count)

    _, objects = copy_paste(onto, source, Always())
    assert objects.boxes.tolist() == [[10, 10, 30, 40], [30, 5, 80, 60]]
    assert objects.labels.tolist() == [0, 0]
    assert int(objects.masks[0].sum()) == 20 * 30

"""Boxes and masks stay correct on their way to the detector and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.masks import MaskCode, encode_mask
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.models.detectors.rcnn import _mask_targets, as_rois
from automl_vision.recipes.advisor import advise, suggestions
from automl_vision.recipes.detector_input import (
    decide_geometry,
    detector_geometry,
    enlarged_side,
    kept_size,
    wanted_side,
)
from automl_vision.recipes.geometry import Geometry, fit_canvas, fit_geometry
from automl_vision.recipes.hyperparameters import (
    ClassificationHyperparameters,
    DetectionHyperparameters,
    OneStageHyperparameters,
    SegmentationHyperparameters,
)
from automl_vision.serving.objects import (
    FILL,
    Postprocessing,
    TileGrid,
    nms,
    paste,
    postprocess,
    view_pixels,
    views,
)
from automl_vision.tasks.object_targets import ImageObjects, ObjectTargets, pad_objects
from automl_vision.tasks.task import create_task
from conftest import small_detector

DETECTION = "image-object-detection"
SEGMENTATION = "image-instance-segmentation"
FRCNN = "fasterrcnn_test_efficientnet_fpn"


def test_padding_and_crowds_are_not_valid_objects():
    objects = [
        ImageObjects(
            torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            torch.arange(len(boxes)),
            torch.zeros(len(boxes), dtype=torch.bool),
        )
        for boxes in ([(0, 0, 9, 9), (5, 5, 20, 20)], [], [(1, 1, 8, 8)])
    ]
    objects[0].crowd[1] = True
    targets = pad_objects(objects)
    assert targets.boxes.shape == (3, 2, 4)
    assert targets.valid.tolist() == [[True, False], [False, False], [True, False]]
    assert targets.crowd.tolist() == [[False, True], [False, False], [False, False]]
    assert pad_objects([objects[1]]).boxes.shape == (1, 1, 4)
    assert len(targets[:2]) == 2


@pytest.mark.parametrize("shape", [(100, 160), (160, 100), (64, 96), (33, 400), (500, 20), (10, 10)])
@pytest.mark.parametrize("grid", [None, TileGrid(2, 2, 0.25), TileGrid(3, 1, 0.0)])
def test_boxes_found_in_views_return_to_their_place_in_the_image(shape: tuple[int, int], grid: TileGrid | None):
    """What a perfect detector sees in each view is found where it is, once."""
    canvas = (64, 96)
    whole = canvas if grid is None else grid.whole_size(canvas)
    scale = min(whole[0] / shape[0], whole[1] / shape[1])
    kept = (max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale)))
    truth = np.array([0.3, 0.25, 0.65, 0.8]) * np.array([shape[1], shape[0]] * 2)
    pixels = np.zeros((*kept, 3), np.uint8)
    box = truth * np.array([kept[1] / shape[1], kept[0] / shape[0]] * 2)
    outputs = []
    for left, top, right, bottom in views(*kept, grid):
        placed = view_pixels(pixels[..., :3], (left, top, right, bottom), canvas)
        assert placed.shape == (*canvas, 3)
        visible = box - np.array([left, top] * 2)
        inside = visible.clip(0, [right - left, bottom - top] * 2)
        factor = min(1.0, canvas[0] / (bottom - top), canvas[1] / (right - left))
        full = bool(np.allclose(inside, visible))
        outputs.append([inside[None] * factor, np.array([0.9 if full else 0.0]), np.array([1])])
    settings = Postprocessing(canvas, grid, 0.25, 0.5, 10)
    objects = postprocess(outputs, kept, shape, settings)
    assert len(objects.scores) == 1
    assert objects.labels.tolist() == [1]
    tolerance = 0.02 * max(shape) + 0.5 / scale
    np.testing.assert_allclose(objects.boxes[0], truth, atol=tolerance)


def test_tiles_cover_the_image_and_overlap():
    for across, down, overlap in ((1, 1, 0.25), (3, 2, 0.25), (2, 2, 0.0), (4, 3, 0.5)):
        boxes = TileGrid(across, down, overlap).boxes(90, 130)
        covered = np.zeros((90, 130), int)
        for left, top, right, bottom in boxes:
            covered[top:bottom, left:right] += 1
        assert len(boxes) == across * down
        assert covered.min() >= 1
        assert (covered.max() > 1) == (overlap > 0 and across * down > 1)


def test_a_view_is_placed_at_the_upper_left_of_a_grey_canvas():
    pixels = np.full((30, 40, 3), 7, np.uint8)
    placed = view_pixels(pixels, (0, 0, 40, 30), (64, 96))
    assert (placed[:30, :40] == 7).all()
    assert (placed[30:] == FILL).all()
    assert (placed[:, 40:] == FILL).all()
    assert view_pixels(np.full((128, 100, 3), 7, np.uint8), (0, 0, 100, 128), (64, 96))[63, 49].tolist() == [7, 7, 7]


def test_suppression_keeps_the_boxes_that_torchvision_keeps():
    from torchvision.ops import batched_nms

    from automl_vision.models.detectors.boxes import nms_keep

    generator = torch.Generator().manual_seed(1)
    corner = torch.rand(3, 200, 2, generator=generator) * 100
    boxes = torch.cat([corner, corner + torch.rand(3, 200, 2, generator=generator) * 60 + 1], dim=2)
    labels = torch.randint(0, 3, (3, 200), generator=generator)
    scores = torch.linspace(1, 0.01, 200)
    kept = nms_keep(boxes, labels, 0.4)
    for i in range(3):
        expected = sorted(batched_nms(boxes[i], scores, labels[i], 0.4).tolist())
        assert torch.nonzero(kept[i])[:, 0].tolist() == expected
        assert nms(boxes[i].double().numpy(), labels[i].numpy(), 0.4).tolist() == expected


def test_a_pasted_mask_fills_its_box():
    code = paste(np.ones((28, 28), np.float32), np.array([3.2, 4.0, 17.7, 30.0]), (40, 50), 0.5)
    assert code.bounds() == (3.0, 4.0, 18.0, 30.0)
    half = np.zeros((28, 28), np.float32)
    half[:, :14] = 1
    area = paste(half, np.array([0.0, 0, 40, 20]), (20, 40), 0.5).area()
    assert area == pytest.approx(400, abs=20)
    assert paste(np.zeros((28, 28), np.float32), np.array([0.0, 0, 5, 5]), (20, 20), 0.5).area() == 0


@pytest.mark.parametrize(
    ("sizes", "short", "long", "expected"),
    [
        ([(480, 640)] * 3, 480, 1333, (480, 640)),
        ([(640, 480)] * 3, 320, 1333, (416, 320)),
        ([(100, 1000)] * 3, 480, 640, (64, 640)),
        ([(300, 300), (900, 900)], 320, 320, (320, 320)),
        ([], 320, 1333, (320, 320)),
    ],
)
def test_the_canvas_follows_the_images(sizes: list[tuple[int, int]], short: int, long: int, expected: tuple[int, int]):
    assert fit_canvas(np.array(sizes, np.float64).reshape(-1, 2), short, long) == expected


def test_levels_and_anchors_follow_the_boxes():
    random = np.random.default_rng(0)

    def geometry(low: float, high: float, aspect: float) -> Geometry:
        sides = np.exp(random.uniform(np.log(low), np.log(high), 400))
        boxes = np.stack([sides * aspect**0.5, sides / aspect**0.5], axis=1)
        return fit_geometry(boxes, np.full(100, 4), (416, 416), most_detections=100)

    small, large, tall = geometry(8, 30, 1.0), geometry(100, 400, 1.0), geometry(20, 100, 3.0)
    assert small.lowest == 2
    assert large.lowest == 3
    assert large.highest > small.highest >= 5
    assert small.anchor_scale * 2 ** ((small.lowest + small.highest) / 2) < large.anchor_scale * 2 ** (
        (large.lowest + large.highest) / 2
    )
    assert tall.aspects[1] == pytest.approx(3.0, rel=0.05)
    assert small.detections == 20
    assert geometry(8, 30, 1.0).detections == 20
    crowded = fit_geometry(np.full((10, 2), 9.0), np.array([80]), (64, 64), most_detections=100)
    assert crowded.detections == 100
    assert fit_geometry(np.zeros((0, 2)), np.zeros(3, int), (64, 64), most_detections=7).detections == 7


def test_the_canvas_grows_for_small_boxes_within_its_limits(boxes: Dataset):
    sizes = np.full((len(boxes), 2), 2000.0)
    training = boxes.splits == "train"
    assert wanted_side(boxes, sizes, training) == 608
    assert wanted_side(boxes, np.full((len(boxes), 2), 250.0), training) == 320
    assert wanted_side(boxes, np.full((len(boxes), 2), 80.0), training) == 320


def test_an_enlarged_input_is_proposed_where_boxes_stay_small(boxes: Dataset):
    wide = replace(boxes, table=boxes.table.drop_columns(["height", "width"]))
    for name in ("height", "width"):
        wide = replace(wide, table=wide.table.append_column(name, pa.array([2000] * len(boxes))))
    found = {
        "small boxes": enlarged_side(wide, DetectionHyperparameters()),
        "boxes that are large enough": enlarged_side(boxes, DetectionHyperparameters()),
        "a given size": enlarged_side(wide, DetectionHyperparameters(min_size=400)),
        "tiles": enlarged_side(wide, DetectionHyperparameters(tile_grid_size="2x2")),
        "another family": enlarged_side(wide, OneStageHyperparameters()),
    }
    assert found == {name: 896 if name == "small boxes" else None for name in found}  # 1.5 times 608, in steps of 32


def test_images_of_detectors_are_kept_whole_within_the_canvas(boxes: Dataset, tmp_path: Path):
    hyperparameters = small_detector(DETECTION, FRCNN)
    size = kept_size(hyperparameters, decide_geometry(boxes, hyperparameters))
    assert size == detector_geometry(boxes, hyperparameters).size
    pixels = open_pixels(boxes, size, tmp_path)
    for row in range(len(boxes)):
        height, width = pixels[row].shape[:2]
        full = boxes.table["height"][row].as_py(), boxes.table["width"][row].as_py()
        assert height <= size[0]
        assert width <= size[1]
        assert height / width == pytest.approx(full[0] / full[1], rel=0.05)
    settings = small_detector(DETECTION, FRCNN, tile_grid_size="2x2", tile_overlap_ratio=0.5)
    tiled = kept_size(settings, decide_geometry(boxes, settings))
    assert tiled == (round(size[0] * 1.5), round(size[1] * 1.5))
    assert kept_size(ClassificationHyperparameters(validation_resize_size=300), None) == 300


@pytest.mark.parametrize("tiles", [None, "2x2"])
def test_the_evaluation_batch_holds_the_objects_where_they_are(masks: Dataset, tmp_path: Path, tiles: str | None):
    hyperparameters = small_detector(SEGMENTATION, "maskrcnn_test_efficientnet_fpn", tile_grid_size=tiles)
    task = create_task(SEGMENTATION, masks, hyperparameters, decide_geometry(masks, hyperparameters))
    pixels = open_pixels(masks, task.pixel_size, tmp_path)
    rows = list(range(8))
    batch = task.evaluation_batch(pixels, rows)
    views_each = 5 if tiles else 1
    assert len(batch.images) == views_each * len(rows)
    seen = 0
    for image, boxes, valid, drawn in zip(
        batch.images, batch.targets.boxes, batch.targets.valid, batch.targets.masks, strict=True
    ):
        for box, mask in zip(boxes[valid], drawn[valid], strict=True):
            inside = image[:, mask.bool()].float().mean(dim=1)
            assert (inside.max() - inside.min()) > 60  # red or blue, on grey
            rows_in, columns_in = torch.nonzero(mask.any(1))[:, 0], torch.nonzero(mask.any(0))[:, 0]
            found = torch.stack([columns_in[0], rows_in[0], columns_in[-1] + 1, rows_in[-1] + 1])
            assert (found[:2] - box[:2]).min() >= -1
            assert (box[2:] - found[2:]).min() >= -1
            if tiles is None:  # a tile may cut off a triangle's tip, which its box keeps
                assert (found - box).abs().max() <= 5
            seen += 1
    assert seen > 5


def test_training_images_depend_on_seed_and_row_alone(masks: Dataset, tmp_path: Path):
    hyperparameters = small_detector(
        SEGMENTATION, "maskrcnn_test_efficientnet_fpn", augmentation="standard", mosaic=0.5, copy_paste=0.5
    )
    task = create_task(SEGMENTATION, masks, hyperparameters, decide_geometry(masks, hyperparameters))
    pixels = open_pixels(masks, task.pixel_size, tmp_path)
    together = task.train_batch(pixels, [1, 2, 4, 5], seed=(0, 1))
    alone = task.train_batch(pixels, [4], seed=(0, 1))
    other = task.train_batch(pixels, [4], seed=(0, 2))
    assert torch.equal(together.images[2], alone.images[0])
    assert not torch.equal(alone.images, other.images)
    count = int(alone.targets.valid.sum())
    assert torch.equal(together.targets.boxes[2, :count], alone.targets.boxes[0, :count])


def test_the_last_epochs_see_no_mosaics(boxes: Dataset, tmp_path: Path):
    def images(share: float, **settings: object) -> torch.Tensor:
        hyperparameters = small_detector(DETECTION, FRCNN, augmentation="none", **settings)
        task = create_task(DETECTION, boxes, hyperparameters, decide_geometry(boxes, hyperparameters))
        task.epoch_begins(share)
        return task.train_batch(open_pixels(boxes, task.pixel_size, tmp_path), [1, 2], seed=(0, 1)).images

    plain = images(0.0)
    assert torch.equal(images(0.9, mosaic=1.0), plain)
    assert not torch.equal(images(0.5, mosaic=1.0), plain)


def test_an_image_that_is_drawn_again_is_augmented_differently(boxes: Dataset, tmp_path: Path):
    hyperparameters = small_detector(DETECTION, FRCNN, augmentation="standard")
    task = create_task(DETECTION, boxes, hyperparameters, decide_geometry(boxes, hyperparameters))
    pixels = open_pixels(boxes, task.pixel_size, tmp_path)
    alone = task.train_batch(pixels, [4], seed=(0, 1)).images
    again = task.train_batch(pixels, [4, 4, 4], seed=(0, 1), repeats=[0, 1, 2]).images
    assert torch.equal(again[0], alone[0])
    assert not torch.equal(again[0], again[1])
    assert not torch.equal(again[1], again[2])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_true_masks_are_those_of_pycocotools(masks: Dataset, tmp_path: Path):
    from pycocotools import mask as coco

    hyperparameters = small_detector(SEGMENTATION, "maskrcnn_test_efficientnet_fpn")
    task = create_task(SEGMENTATION, masks, hyperparameters, decide_geometry(masks, hyperparameters))
    rows = np.arange(6)
    truth = task.scoring.ground_truth(rows)
    for i in range(len(truth)):
        row = rows[truth.image[i]]
        size = task.sizes[row].tolist()
        index = masks.objects.rows_of(int(row))[int((truth.image[:i] == truth.image[i]).sum())]
        polygons = [p.tolist() for p in masks.objects.segments(index)]
        expected = coco.decode(coco.merge(coco.frPyObjects(polygons, *size))).astype(bool)
        assert (MaskCode.from_text(truth.masks[i]).decode() == expected).all()
        assert encode_mask(expected).to_text() == truth.masks[i]


def _with_boxes(sides: float, image: int, rare: int = 0, last: float | None = None) -> Dataset:
    """A hundred boxes of one size in images of one size; on some images one box has a class of its own.

    Args:
        sides: of the boxes.
        image: sides of the images.
        rare: images with a box of another class.
        last: sides of the boxes of the last ten images, if they differ.
    """
    from automl_vision.data.annotations import Annotations, Record
    from automl_vision.data.manifest import build_manifest
    from automl_vision.data.object import Object
    from automl_vision.data.scan import ImageFacts

    annotations = Annotations("boxes")
    for i in range(20):
        side = sides if last is None or i < 10 else last
        places = [(50.0 * k + 3, 20.0, 50.0 * k + 3 + side, 20.0 + side) for k in range(5)]
        annotations.add(
            Record(
                f"{i}.png",
                f"{i}",
                objects=[Object("b" if i < rare and k == 0 else "a", place) for k, place in enumerate(places)],
            )
        )
    facts = [ImageFacts(f"{i}.png", image, image, f"{i}") for i in range(20)]
    table, classes = build_manifest(annotations, facts, DETECTION)
    return Dataset(table, "/nowhere", DETECTION, classes, "test")


@pytest.mark.parametrize(
    ("sides", "image", "settings"),
    [
        (100.0, 1000, {}),
        (20.0, 600, {}),
        (20.0, 4000, {"min_size": 608, "tile_grid_size": "6x6", "tile_overlap_ratio": 0.25}),
        (20.0, 1200, {"min_size": 608, "tile_grid_size": "3x3", "tile_overlap_ratio": 0.25}),
        (4.0, 400, {}),  # the images have no more pixels
    ],
)
def test_small_objects_are_advised_a_larger_canvas_or_tiles(sides: float, image: int, settings: dict[str, object]):
    advice = advise(_with_boxes(sides, image))
    assert advice.settings == settings
    assert advice.sides[2] == pytest.approx(sides)
    assert (advice.cost > 1) == bool(settings)
    assert all(str(value) in advice.sentences[-1] for value in settings.values())


def test_objects_suggest_what_automode_tries(boxes: Dataset, masks: Dataset):
    def names(dataset: Dataset, **settings: object) -> list[list[str]]:
        family = SegmentationHyperparameters if dataset.task == SEGMENTATION else DetectionHyperparameters
        return [list(changes) for changes in suggestions(dataset, family(**settings))]

    few = [["mosaic"]]
    assert names(_with_boxes(100.0, 1000)) == few
    assert names(_with_boxes(20.0, 1200)) == [["min_size"], ["min_size", "tile_grid_size", "tile_overlap_ratio"], *few]
    one_stage = suggestions(_with_boxes(20.0, 1200), OneStageHyperparameters())
    assert [list(changes) for changes in one_stage] == [["tile_grid_size", "tile_overlap_ratio"], *few]
    assert names(_with_boxes(20.0, 1200), min_size=300) == names(_with_boxes(20.0, 1200))[1:]
    several = [dataset[np.bincount(dataset.objects.image, minlength=len(dataset)) > 1] for dataset in (masks, boxes)]
    assert [names(dataset) for dataset in several] == [[["copy_paste"], *few], few]
    assert names(masks) == few  # an image has one or none
    assert names(boxes.with_splits(np.full(len(boxes), "test"))) == []


def test_a_class_on_few_images_is_suggested_to_be_drawn_more_often():
    rare = {"repeat_factor_threshold": 0.2}
    assert rare not in suggestions(_with_boxes(100.0, 1000), DetectionHyperparameters())
    assert rare in suggestions(_with_boxes(100.0, 1000, rare=1), DetectionHyperparameters())
    assert rare not in suggestions(_with_boxes(100.0, 1000, rare=2), DetectionHyperparameters())


def test_advice_follows_the_training_boxes_alone():
    dataset = _with_boxes(100.0, 2000, last=8.0)
    assert "tile_grid_size" in advise(dataset).settings
    advice = advise(dataset.with_splits(np.repeat(["train", "test"], 10)))
    assert (advice.settings, advice.sides) == ({}, (100.0,) * 5)


def test_advice_without_objects_is_an_error(shapes: Dataset):
    with pytest.raises(DataError, match="needs labelled objects"):
        advise(shapes)


class _Knowing(torch.nn.Module):
    """A detector that answers with the targets it is given."""

    def forward(self, images: torch.Tensor, targets: ObjectTargets) -> tuple[dict[str, torch.Tensor], Any]:
        scores = targets.valid.float() * 0.9
        outputs: tuple[torch.Tensor, ...] = (targets.boxes, scores, targets.labels)
        if targets.masks is not None:
            index = torch.arange(targets.boxes.shape[1]).repeat(len(images))
            masks = _mask_targets(targets, as_rois(targets.boxes), index, 28)
            outputs = (*outputs, masks.reshape(*scores.shape, 28, 28))
        return {"none": scores.sum() * 0}, outputs


def perfect_score(dataset: Dataset, task_name: str, model_name: str, cache: Path, **changes: object) -> float:
    """The mean average precision of a detector that knows, from canvas to image and through the metrics."""
    hyperparameters = small_detector(task_name, model_name, **changes)
    task = create_task(task_name, dataset, hyperparameters, decide_geometry(dataset, hyperparameters))
    pixels = open_pixels(dataset, task.pixel_size, cache)
    rows = np.flatnonzero(dataset.splits == "val")[:40]
    parts = [task.predict(_Knowing(), task.evaluation_batch(pixels, [row])) for row in rows.tolist()]
    outputs = task.join(parts)
    return float(task.scoring.metrics(outputs, rows, task.scoring.calibrate(outputs, rows))["mean_average_precision"])


@pytest.mark.parametrize("tiles", [None, "2x2"])
def test_a_detector_that_returns_its_targets_has_a_perfect_score(
    boxes: Dataset, masks: Dataset, tmp_path: Path, tiles: str | None
):
    assert perfect_score(boxes, DETECTION, FRCNN, tmp_path) == 1.0
    assert perfect_score(masks, SEGMENTATION, "maskrcnn_test_efficientnet_fpn", tmp_path) == 1.0
    # an object that a tile cuts is found in part, too, which costs precision
    assert perfect_score(boxes, DETECTION, FRCNN, tmp_path, tile_grid_size=tiles) > 0.6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task", "least"),
    [("bccd", DETECTION, 0.999), ("ppe-boxes", DETECTION, 0.97), ("car-damage", SEGMENTATION, 0.97)],
)
def test_a_detector_that_returns_its_targets_is_nearly_perfect_on_real_images(
    real_data: Path, tmp_path: Path, name: str, task: str, least: float
):
    """Boxes of less than two pixels on the canvas are lost, and masks are kept at 28 x 28."""
    dataset = Dataset.open(real_data / name, task=task).with_validation(0.2)
    model_name = FRCNN if task == DETECTION else "maskrcnn_test_efficientnet_fpn"
    assert perfect_score(dataset, task, model_name, tmp_path, min_size=480) >= least

"""Object detection: every image has any number of objects, each with a class and a box."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl_vision.core.records import Calibration, MetricInterval, Report
from automl_vision.core.tasks import OBJECT_DETECTION
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import Pixels
from automl_vision.evaluation import detection as evaluation
from automl_vision.evaluation.objects import FoundObjects, TrueObjects
from automl_vision.evaluation.paired import RESAMPLES
from automl_vision.recipes.detector_input import tile_grid
from automl_vision.recipes.geometry import MULTI_SCALE, Geometry, rounded_side
from automl_vision.recipes.hyperparameters import DetectorHyperparameters, Hyperparameters, OneStageHyperparameters
from automl_vision.recipes.normalization import Normalization
from automl_vision.serving.model_folder import ObjectSettings, Preprocessing
from automl_vision.serving.objects import LEAST_SCORE, Box, Decoding, decode_image, view_pixels, views
from automl_vision.serving.predictions import ObjectPrediction
from automl_vision.tasks.object_parity import COMPARED_FROM, RECORDED, object_parity, recorded_objects
from automl_vision.tasks.object_targets import ImageObjects, pad_objects
from automl_vision.tasks.object_transforms import LEAST_VISIBLE, ObjectTransform, mosaic, sound
from automl_vision.tasks.task import Batch, Parity, Task, stack


class DetectionTask(Task[FoundObjects]):
    """Boxes with classes; the losses are the detector's own, the mean average precision is Pascal VOC's."""

    name = OBJECT_DETECTION
    output_names: ClassVar[tuple[str, ...]] = ("boxes", "scores", "labels")
    largest_batch = 4
    hyperparameters: DetectorHyperparameters

    def __init__(self, dataset: Dataset, hyperparameters: Hyperparameters, geometry: Geometry | None = None) -> None:
        super().__init__(dataset, hyperparameters, geometry)
        if geometry is None:
            raise TypeError("a detector's task needs the geometry that was decided for its trial")
        self.geometry = geometry
        self.objects = dataset.objects
        columns = [dataset.table[name].to_numpy().astype(np.int64) for name in ("height", "width")]
        self.sizes: NDArray[np.int64] = np.stack(columns, axis=1)  # (images, 2), height and width in the files
        self._training_rows = np.flatnonzero(dataset.splits == "train")
        self._least_score = LEAST_SCORE

    @property
    def object_settings(self) -> ObjectSettings:
        """How the detector's outputs become objects, as a model folder keeps it."""
        decoding, settings = self.decoding, self.hyperparameters
        return ObjectSettings(
            detections=decoding.detections,
            mask_threshold=decoding.mask_threshold,
            tile_grid=settings.tile_grid_size,
            tile_overlap=settings.tile_overlap_ratio,
            tile_nms=settings.tile_predictions_nms_threshold,
        )

    def preprocessing(self, normalization: Normalization) -> Preprocessing:
        """The whole image on the canvas."""
        return Preprocessing(mean=normalization.mean, std=normalization.std, canvas=self.geometry.size)

    def parity(self, outputs: FoundObjects, exported: Sequence[ObjectPrediction], calibration: Calibration) -> Parity:
        """Differences of boxes, scores and masks, object by object."""
        objects = [each.objects for each in exported]
        return object_parity(outputs, objects, compared_from=self.compared_from, shown_from=min(calibration.thresholds))

    def reproduction(
        self,
        outputs: FoundObjects,
        recorded: Mapping[str, NDArray[Any]],
        images: Sequence[int],
        calibration: Calibration,
    ) -> Parity:
        """Differences of boxes, scores and masks, object by object; the best few where all scores are low."""
        objects = recorded_objects(recorded, images)
        shown_from = min(calibration.thresholds)
        parity = object_parity(outputs, objects, compared_from=COMPARED_FROM, shown_from=shown_from, tolerance=RECORDED)
        if parity.is_empty:
            parity = object_parity(outputs, objects, compared_from=0.0, shown_from=shown_from, tolerance=RECORDED)
        return replace(parity, problem=None) if parity.is_empty else parity  # both find nothing

    @property
    def compared_from(self) -> float:
        """The score from which the exported model must find the same objects."""
        return COMPARED_FROM if self._least_score else 0.0

    def with_all_scores(self) -> DetectionTask:
        """The same task, which also finds objects with scores near 0."""
        task = copy.copy(self)
        task._least_score = 0.0
        return task

    @property
    def decoding(self) -> Decoding:
        """How the detector's outputs become objects."""
        settings = self.hyperparameters
        return Decoding(
            canvas=self.geometry.size,
            grid=tile_grid(settings),
            tile_nms=settings.tile_predictions_nms_threshold,
            mask_threshold=0.5,
            detections=settings.box_detections_per_image,
            least_score=self._least_score,
        )

    def train_batch(self, pixels: Pixels, rows: Sequence[int], *, seed: tuple[int, ...]) -> Batch:
        """Randomly changed training images; of a tiled image one of its views."""
        settings, canvas = self.hyperparameters, self._training_canvas((*seed, rows[0]))
        transform = ObjectTransform(canvas, settings.augmentation, settings.vertical_flip, settings.iou_crop)
        made = [self._training_image(pixels, row, transform, np.random.default_rng([*seed, row])) for row in rows]
        images, objects = zip(*made, strict=True)
        return Batch(stack(list(images)), pad_objects(objects), (*seed, rows[0]), tuple(rows))

    def _training_canvas(self, seed: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of a training batch; with `multi_scale` each batch has its own."""
        height, width = self.geometry.size
        settings = self.hyperparameters
        if not (isinstance(settings, OneStageHyperparameters) and settings.multi_scale):
            return height, width
        factor = np.random.default_rng([*seed, 1]).uniform(*MULTI_SCALE)
        return rounded_side(height * factor), rounded_side(width * factor)

    def _training_image(
        self, pixels: Pixels, row: int, transform: ObjectTransform, random: np.random.Generator
    ) -> tuple[Tensor, ImageObjects]:
        if random.random() >= self.hyperparameters.mosaic:
            return self._transformed(pixels, row, transform, random)
        others = random.choice(self._training_rows, 3).tolist()
        return mosaic([self._transformed(pixels, each, transform, random) for each in (row, *others)], random)

    def _transformed(
        self, pixels: Pixels, row: int, transform: ObjectTransform, random: np.random.Generator
    ) -> tuple[Tensor, ImageObjects]:
        image = pixels[row]
        parts = views(image.shape[0], image.shape[1], self.decoding.grid)
        view = parts[int(random.integers(len(parts)))]
        left, top, right, bottom = view
        return transform(image[top:bottom, left:right], self._view_objects(row, image.shape[:2], view), random)

    def evaluation_batch(self, pixels: Pixels, rows: Sequence[int]) -> Batch:
        """Each image on the canvas, and its tiles."""
        images, objects, sizes = [], [], []
        for row in rows:
            image = pixels[row]
            sizes.append((image.shape[0], image.shape[1]))
            for view in views(image.shape[0], image.shape[1], self.decoding.grid):
                images.append(torch.from_numpy(view_pixels(image, view, self.geometry.size)).permute(2, 0, 1))
                objects.append(self._on_canvas(self._view_objects(row, image.shape[:2], view), view))
        return Batch(stack(images), pad_objects(objects), rows=tuple(rows), sizes=tuple(sizes))

    def _view_objects(self, row: int, size: Sequence[int], view: Box) -> ImageObjects:
        """The objects of a part of an image, in pixels of that part.

        Args:
            row: of the manifest.
            size: height and width of the image as it is kept.
            view: left, top, right and bottom in its pixels.
        """
        mine = self.objects.rows_of(row)
        scale = np.array([size[1] / self.sizes[row, 1], size[0] / self.sizes[row, 0]] * 2)
        index = np.arange(mine.start, mine.stop)
        boxes = torch.from_numpy((self.objects.bbox[index] * scale).astype(np.float32))
        labels = torch.from_numpy(self.objects.label[index].astype(np.int64))
        crowd = torch.from_numpy(self.objects.iscrowd[index])
        whole = ImageObjects(boxes, labels, crowd, self._masks(row, size))
        left, top, right, bottom = view
        limit = torch.tensor([right - left, bottom - top] * 2, dtype=torch.float32)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp(min=1e-6)
        cut = (boxes - torch.tensor([left, top] * 2, dtype=torch.float32)).clamp(min=0).minimum(limit)
        masks = None if whole.masks is None else whole.masks[:, top:bottom, left:right]
        shares = (cut[:, 2:] - cut[:, :2]).prod(dim=1) / areas
        return ImageObjects(cut, labels, crowd, masks).take(torch.nonzero(shares >= LEAST_VISIBLE)[:, 0])

    def _masks(self, row: int, size: Sequence[int]) -> Tensor | None:  # noqa: ARG002 - masks override it
        """Masks of an image's objects at the size at which it is kept; None for boxes."""
        return None

    def _on_canvas(self, objects: ImageObjects, view: Box) -> ImageObjects:
        """The objects of a view where `view_pixels` places it: at the upper left, shrunk if it is too large."""
        left, top, right, bottom = view
        factor = min(1.0, self.geometry.height / (bottom - top), self.geometry.width / (right - left))
        boxes = objects.boxes * factor if factor < 1 else objects.boxes
        masks = objects.masks
        if masks is not None:
            canvas = torch.zeros(len(masks), *self.geometry.size, dtype=torch.uint8)
            height, width = round((bottom - top) * factor), round((right - left) * factor)
            if factor < 1:
                masks = masks[:, _nearest(height, masks.shape[1])][:, :, _nearest(width, masks.shape[2])]
            canvas[:, :height, :width] = masks
            masks = canvas
        return sound(ImageObjects(boxes, objects.labels, objects.crowd, masks))

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The sum of the detector's losses."""
        losses: dict[str, Tensor] = network(batch.images, batch.targets)
        return torch.stack(list(losses.values())).sum()

    def predict(self, network: nn.Module, batch: Batch) -> FoundObjects:
        """The objects in each image, in pixels of the image file."""
        loss = float("nan")
        if self.hyperparameters.log_validation_loss:
            losses, outputs = network(batch.images, batch.targets)
            loss = float(sum(losses.values()))
        else:
            outputs = network(batch.images)
        arrays = [output.float().cpu().numpy() for output in outputs]
        per_row = len(batch.images) // len(batch.rows)
        images = []
        for i, (row, kept) in enumerate(zip(batch.rows, batch.sizes, strict=True)):
            of_row = range(i * per_row, (i + 1) * per_row)
            original = (int(self.sizes[row, 0]), int(self.sizes[row, 1]))
            images.append(decode_image([[a[j] for a in arrays] for j in of_row], kept, original, self.decoding))
        counts = [len(objects.scores) for objects in images]
        with_masks = images[0].masks is not None
        return FoundObjects(
            images=len(images),
            image=np.repeat(np.arange(len(images)), counts),
            label=np.concatenate([objects.labels for objects in images]),
            bbox=np.concatenate([objects.boxes for objects in images]),
            score=np.concatenate([objects.scores for objects in images]),
            masks=[mask for objects in images for mask in objects.masks or ()] if with_masks else None,
            loss=loss,
        )

    def join(self, parts: Sequence[FoundObjects]) -> FoundObjects:
        """The objects of several batches."""
        return FoundObjects.join(parts)

    def output_arrays(self, outputs: FoundObjects) -> dict[str, NDArray[Any]]:
        """The objects' columns."""
        return outputs.to_arrays()

    def validation_loss(self, outputs: FoundObjects, rows: NDArray[np.intp]) -> float:  # noqa: ARG002
        """The detector's own loss on the validation images."""
        return outputs.loss

    def calibrate(self, outputs: FoundObjects, rows: NDArray[np.intp]) -> Calibration:  # noqa: ARG002
        """The score from which objects are shown, as it was asked for."""
        return Calibration(thresholds=(self.hyperparameters.box_score_threshold,) * len(self.classes))

    def metrics(self, outputs: FoundObjects, rows: NDArray[np.intp], calibration: Calibration) -> dict[str, float]:
        """The metrics that `validation_metric_type` asks for."""
        kinds = self.hyperparameters.validation_metric_type
        return self._metrics(outputs, self._truth(rows), calibration, kinds)

    def report(self, outputs: FoundObjects, rows: NDArray[np.intp], calibration: Calibration) -> Report:
        """All metrics with intervals, figures by class, precision-recall curves."""
        truth, thresholds = self._truth(rows), self.thresholds(calibration)
        intervals = evaluation.detection_intervals(outputs, truth, thresholds)
        return Report(
            metrics=self._metrics(outputs, truth, calibration),
            intervals={name: MetricInterval(**vars(interval)) for name, interval in intervals.items()},
            per_class=evaluation.per_class(outputs, truth, self.classes, thresholds),
            charts={"precision_recall": evaluation.precision_recall_curves(outputs, truth, self.classes, thresholds)},
        )

    def comparison(self, outputs: FoundObjects, rows: NDArray[np.intp], calibration: Calibration) -> dict[str, Any]:
        """Mean average precision on resamples of the images."""
        values = evaluation.resampled_precision(outputs, self._truth(rows), self.thresholds(calibration))
        return {RESAMPLES: values, "images": np.array(len(rows))}

    def thresholds(self, calibration: Calibration) -> evaluation.Thresholds:
        """From which overlap and which score an object counts."""
        score = min(calibration.thresholds)
        return evaluation.Thresholds(self.hyperparameters.validation_iou_threshold, score, len(self.classes))

    def _metrics(
        self, outputs: FoundObjects, truth: TrueObjects, calibration: Calibration, kinds: str = "coco_voc"
    ) -> dict[str, float]:
        return evaluation.detection_metrics(outputs, truth, self.thresholds(calibration), kinds=kinds)

    def _truth(self, rows: NDArray[np.intp]) -> TrueObjects:
        """The true objects of some rows, in the order of the rows."""
        spans = [self.objects.rows_of(int(row)) for row in rows]
        index = np.concatenate([np.arange(span.start, span.stop) for span in spans]) if len(rows) else np.zeros(0, int)
        return TrueObjects(
            sizes=self.sizes[rows],
            image=np.repeat(np.arange(len(rows)), [len(span) for span in spans]),
            label=self.objects.label[index].astype(np.int64),
            bbox=self.objects.bbox[index],
            crowd=self.objects.iscrowd[index],
            difficult=self.objects.difficult[index],
            masks=self._true_masks(index),
        )

    def _true_masks(self, index: NDArray[np.intp]) -> list[str] | None:  # noqa: ARG002
        """Codes of the masks of some objects; None for boxes."""
        return None


def _nearest(wanted: int, there: int) -> Tensor:
    """The rows of a picture with so many that another with `wanted` shows."""
    return ((torch.arange(wanted) + 0.5) * there / wanted).long().clamp(max=there - 1)

"""A detector that is fitted in a second: class and box of each cell are linear in frozen maps of features.

For simulations that need many detectors. The maps are EfficientNet-Lite0's at strides 8, 16 and 32 for a canvas of 320
pixels, brought to cells of 16 pixels and reduced to their principal components; they are kept in a file. Per class a
logistic regression says whether a cell lies in the middle of an object (as FCOS samples centres), and ridge regressions
say where the object's edges are. It finds less than a trained detector.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from automl_vision import Dataset
from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation.detection import average_precisions, match_objects
from automl_vision.serving.objects import nms, place

CANVAS, STRIDE, COMPONENTS, BATCH = 320, 16, 96, 16
SIDE = CANVAS // STRIDE
LEAST_SCORE, MOST_CELLS, SAME, MIDDLE = 0.05, 80, 0.5, 0.35


def maps_of(dataset: Dataset, file: Path) -> np.ndarray:
    """(images, cells, components), float32, of all images; computed once."""
    if file.exists():
        return np.load(file)
    import timm
    import torch
    from torch.nn import functional as F

    from automl_vision.core.tasks import CLASSIFICATION
    from automl_vision.models.registry import create_model
    from automl_vision.recipes.hyperparameters import ClassificationHyperparameters

    settings = ClassificationHyperparameters()
    made = create_model("efficientnet_lite0", task=CLASSIFICATION, classes=2, hyperparameters=settings)
    body = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(2, 3, 4))
    body.load_state_dict(made.network.state_dict(), strict=False)
    body.eval().to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (made.normalization.mean, made.normalization.std))
    parts: list[Any] = []
    with torch.inference_mode():
        for start in range(0, len(dataset), BATCH):
            pixels = np.stack([_canvas(dataset[row]) for row in range(start, min(start + BATCH, len(dataset)))])
            images = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std
            fine, own, coarse = body(images.contiguous(memory_format=torch.channels_last))
            joined = torch.cat([F.avg_pool2d(fine, 2), own, F.interpolate(coarse, scale_factor=2)], dim=1)
            parts.append(joined.flatten(2).transpose(1, 2).float().numpy())
    maps = np.concatenate(parts)
    flat = maps.reshape(-1, maps.shape[2])
    flat = (flat - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-3)
    sample = flat[np.random.default_rng(0).permutation(len(flat))[:20_000]].astype(np.float64)
    _, axes = np.linalg.eigh(sample.T @ sample)
    found = flat @ axes[:, ::-1][:, :COMPONENTS].astype(np.float32)
    found = (found / np.sqrt(np.square(found).mean())).reshape(len(maps), -1, COMPONENTS)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, found)
    return found


def _canvas(image: Any) -> np.ndarray:
    from PIL import Image

    scale = CANVAS / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    return place(np.asarray(image.image().resize(size, Image.Resampling.BILINEAR)), (CANVAS, CANVAS))


class LinearDetector:
    """Fits and finds on the maps of one dataset.

    Args:
        dataset: with boxes.
        maps: of `maps_of`.
    """

    def __init__(self, dataset: Dataset, maps: np.ndarray) -> None:
        self.dataset, self.maps, self.classes = dataset, maps, len(dataset.classes)
        self.scale = CANVAS / dataset.sizes.max(axis=1)
        at = (np.arange(SIDE) + 0.5) * STRIDE
        self.centres = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)  # (cells, 2), x and y
        self.targets = [self._targets(row) for row in range(len(dataset))]

    def _targets(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """(cells,), the class of the object that a cell is in the middle of, or -1; (cells, 4), its edges."""
        objects = self.dataset.objects
        label, edges = np.full(len(self.centres), -1), np.zeros((len(self.centres), 4))
        rows = np.array(objects.rows_of(row), np.int64)
        boxes = objects.bbox[rows] * self.scale[row]
        for i in np.argsort(-(boxes[:, 2:] - boxes[:, :2]).prod(axis=1)).tolist():  # small ones last, they win
            middle, half = (boxes[i, :2] + boxes[i, 2:]) / 2, (boxes[i, 2:] - boxes[i, :2]) / 2
            inside = (np.abs(self.centres - middle) <= np.maximum(half * MIDDLE, STRIDE / 2)).all(axis=1)
            label[inside] = int(objects.label[rows[i]])
            edges[inside] = np.concatenate([(middle - self.centres[inside]) / STRIDE, np.tile(np.log(half), (inside.sum(), 1))], axis=1)  # fmt: skip # noqa: E501
        return label, edges

    def fit(self, rows: np.ndarray) -> None:
        """Learn from some images."""
        inputs = _with_one(self.maps[rows].reshape(-1, self.maps.shape[2]).astype(np.float64))
        label = np.concatenate([self.targets[row][0] for row in rows.tolist()])
        edges = np.concatenate([self.targets[row][1] for row in rows.tolist()])
        self.weights = np.stack([_logistic(inputs, label == c) for c in range(self.classes)], axis=1)
        is_object = label >= 0
        near = np.concatenate([inputs, np.eye(self.classes)[label.clip(0)]], axis=1)[is_object]
        gram = near.T @ near + 10 * np.eye(near.shape[1])
        self.edges = np.linalg.solve(gram, near.T @ edges[is_object])

    def find(self, rows: np.ndarray) -> Detections:
        """The objects in some images, by their positions among these."""
        found: list[np.ndarray] = []
        for position, row in enumerate(rows.tolist()):
            inputs = _with_one(self.maps[row].astype(np.float64))
            scores = 1 / (1 + np.exp(-np.clip(inputs @ self.weights, -30, 30)))
            for label in range(self.classes):
                cells = np.flatnonzero(scores[:, label] >= LEAST_SCORE)
                cells = cells[np.argsort(-scores[cells, label])][:MOST_CELLS]
                boxes = self._boxes(inputs[cells], label, self.centres[cells]) / self.scale[row]
                kept = nms(boxes, np.zeros(len(boxes), np.int64), SAME)
                count = len(kept)
                columns = [np.full(count, position), np.full(count, label), scores[cells[kept], label]]
                found.append(np.column_stack([*columns, boxes[kept]]))
        values = np.concatenate(found) if found else np.zeros((0, 7))
        return Detections.from_unsorted(
            len(rows), values[:, 0].astype(int), values[:, 1].astype(int), values[:, 3:], values[:, 2].clip(0, 1)
        )

    def _boxes(self, inputs: np.ndarray, label: int, centres: np.ndarray) -> np.ndarray:
        near = np.concatenate([inputs, np.tile(np.eye(self.classes)[label], (len(inputs), 1))], axis=1)
        edges = near @ self.edges
        middle, half = centres + edges[:, :2] * STRIDE, np.exp(edges[:, 2:].clip(-1, 6))
        return np.concatenate([middle - half, middle + half], axis=1)

    def mean_average_precision(self, rows: np.ndarray) -> float:
        """At an overlap of 0.5, on some images."""
        own = self.dataset[rows]
        objects = own.objects
        sizes = own.sizes[:, ::-1]
        true = GroundTruth(
            sizes, objects.image, objects.label.astype(int), objects.bbox, objects.iscrowd, objects.difficult
        )  # fmt: skip
        matches = match_objects(self.find(rows), true, self.classes, iou=SAME)
        return float(np.nanmean(average_precisions(matches)[0]))


def _with_one(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, np.ones((len(values), 1))], axis=1)


def _logistic(inputs: np.ndarray, truth: np.ndarray, penalty: float = 10.0, steps: int = 10) -> np.ndarray:
    """Weights by Newton's method with halved steps."""
    ridge = np.full(inputs.shape[1], penalty)
    ridge[-1] = 1e-3
    weights = np.zeros(inputs.shape[1])
    weights[-1] = np.log((truth.sum() + 1) / (len(truth) - truth.sum() + 1))

    def loss(candidate: np.ndarray) -> float:
        logits = inputs @ candidate
        return float((np.logaddexp(0, logits) - truth * logits).sum() + 0.5 * ridge @ candidate**2)

    now = loss(weights)
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (chance - truth) + ridge * weights
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(ridge)
        step = np.linalg.solve(curvature, slope)
        while (new := loss(weights - step)) > now and np.abs(step).max() > 1e-4:
            step /= 2
        if now - new < 1e-3 * now:
            break
        weights, now = weights - step, new
    return weights

"""What of a detector's hyperparameters shapes its network."""

from __future__ import annotations

from automl_vision.recipes.hyperparameters import DetectorHyperparameters, OneStageHyperparameters
from automl_vision.recipes.network import NetworkSettings


def detector_settings(hyperparameters: DetectorHyperparameters) -> NetworkSettings:
    """What shapes a detector, or the images that it is shown."""
    return NetworkSettings(
        nms_iou_threshold=hyperparameters.nms_iou_threshold,
        tile_grid_size=hyperparameters.tile_grid_size,
        tile_overlap_ratio=hyperparameters.tile_overlap_ratio,
        multi_scale=isinstance(hyperparameters, OneStageHyperparameters) and hyperparameters.multi_scale,
    )

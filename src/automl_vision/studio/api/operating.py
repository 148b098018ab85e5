"""The operating point of a trial: what thresholds decide, and which of them the model keeps."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from automl_vision.core.errors import ConfigError, Problem
from automl_vision.core.tasks import Kind
from automl_vision.experiment.decisions import DecisionTable
from automl_vision.studio.api.evaluation import Found
from automl_vision.studio.api.trials import Split
from automl_vision.studio.opened import Opened, OpenedWorkspace
from automl_vision.studio.operations import operations
from automl_vision.studio.packaged import packaged_model

router = operations("operating point", "/runs/{run_id}/trials/{number}")

Packed = Annotated[str, Field(description="little-endian numbers in Base64")]


class PackedTable(BaseModel):
    """Answers of a model with their scores, image by image, as compact arrays."""

    images: int
    rows: Packed = Field(description="int32, (images,), of the run's dataset")
    answers: Packed = Field(description="uint32, (images,), number of answers for each image")
    label: Packed = Field(description="uint16, (answers,), position of the class")
    score: Packed = Field(description="float64, (answers,), 0 to 1")
    right: Packed = Field(description="uint8, (answers,), 1 where the answer is right")
    true_image: Packed = Field(description="uint32, (truths,), positions of images that have something to find")
    true_label: Packed = Field(description="uint16, (truths,), of which class")
    true_number: Packed = Field(description="uint16, (truths,), how many")


class ThresholdTables(BaseModel):
    """From which score an answer is shown: images to choose it on, and others to show what it does."""

    kind: Kind = Field(description="what is labelled")
    classes: list[str]
    own: list[float] = Field(description="(classes,), the thresholds of the model itself")
    choose: PackedTable
    show: PackedTable
    chosen_on: str = Field(description="what the first images are", examples=["validation images"])
    shown_on: str = Field(description="what the others are", examples=["test images"])


class SavedPoint(BaseModel):
    """The operating point that a model decides by."""

    wanted: str
    thresholds: list[float]
    sentences: list[str]


class OperatingPointState(BaseModel):
    """Whether the trial is packaged as its run's model, and which operating point that has."""

    model: str | None = Field(description="its folder; null where the run's model is of another trial")
    reason: str | None = Field(description="why nothing can be saved")
    saved: SavedPoint | None = Field(description="null where the model decides by its own thresholds")


class NewOperatingPoint(BaseModel):
    """Thresholds to be saved into the run's model."""

    thresholds: list[Annotated[float, Field(ge=0, le=1)]] = Field(description="(classes,)")
    wanted: str = Field("", max_length=200, description="why these, in words")


@router.get("/thresholds")
def get_thresholds(found: Found) -> ThresholdTables:
    """Return the score of every answer, from which a page computes what each threshold does."""
    with found.lock:
        tables = found.decisions
    dataset = found.evaluated.dataset
    return ThresholdTables(
        kind=dataset.kind,
        classes=list(dataset.classes),
        own=tables.own.tolist(),
        choose=packed(tables.choose),
        show=packed(tables.show),
        chosen_on=tables.chosen_on,
        shown_on=tables.shown_on,
    )


@router.get("/operating-point")
def get_operating_point(opened: Opened, run_id: str, number: int) -> OperatingPointState:
    """Return the operating point that the run's model decides by, if it was made of this trial."""
    return _state(opened, run_id, number)


@router.put("/operating-point")
def save_operating_point(
    opened: Opened, run_id: str, number: int, point: NewOperatingPoint, split: Split = None
) -> OperatingPointState:
    """Save thresholds into the run's model, with what they do on the images of a split."""
    from automl_vision.experiment.decisions import fixed_operating_points
    from automl_vision.experiment.operating import set_operating_point

    found = opened.evaluation(run_id, number, split)
    try:
        with found.lock:
            points = fixed_operating_points(found.evaluated, point.thresholds, point.wanted)
    except ValueError as error:
        raise ConfigError([Problem(("thresholds",), str(error))], subject="The operating point") from None
    set_operating_point(opened.trial(run_id, number), points)
    return _state(opened, run_id, number)


@router.delete("/operating-point")
def remove_operating_point(opened: Opened, run_id: str, number: int) -> OperatingPointState:
    """Let the run's model decide by its own thresholds again."""
    from automl_vision.experiment.operating import set_operating_point

    set_operating_point(opened.trial(run_id, number), None)
    return _state(opened, run_id, number)


def packed(table: DecisionTable) -> PackedTable:
    """A table as compact arrays."""
    candidates, images = table.candidates, len(table.rows)
    image, label = np.nonzero(candidates.positives)
    return PackedTable(
        images=images,
        rows=_packed(table.rows, "<i4"),
        answers=_packed(np.bincount(candidates.image, minlength=images), "<u4"),
        label=_packed(candidates.label, "<u2"),
        score=_packed(candidates.score, "<f8"),
        right=_packed(candidates.right, "<u1"),
        true_image=_packed(image, "<u4"),
        true_label=_packed(label, "<u2"),
        true_number=_packed(candidates.positives[image, label], "<u2"),
    )


def _state(opened: OpenedWorkspace, run_id: str, number: int) -> OperatingPointState:
    from automl_vision.serving.model_folder import ModelDescription

    opened.trial(run_id, number)
    folder, reason = packaged_model(opened, run_id, number)
    saved = None if folder is None else ModelDescription.load(folder).operating_point
    return OperatingPointState(
        model=None if folder is None else str(folder),
        reason=reason,
        saved=None
        if saved is None
        else SavedPoint(
            wanted=saved.wanted,
            thresholds=list(saved.thresholds),
            sentences=list(saved.measured.get("sentences", [])),
        ),
    )


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode("ascii")

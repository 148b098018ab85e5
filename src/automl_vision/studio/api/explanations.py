"""What a prediction depends on, as a picture over the image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from automl_vision.core.numbers import finite
from automl_vision.studio.api.evaluation import WorkProgress, progress_of
from automl_vision.studio.explanations import ExplainedImage
from automl_vision.studio.opened import Opened, OpenedWorkspace
from automl_vision.studio.operations import operations
from automl_vision.studio.packaged import packaged_model
from automl_vision.studio.work import Background, Progress
from automl_vision.web.problems import NotFoundError

router = operations("explanations", "/runs/{run_id}/trials/{number}")

Label = Annotated[str | None, Query(description="the class to explain; by default the most probable one")]
_DONE = WorkProgress(state="done", done=1, total=1, reason=None)


class ExplanationState(BaseModel):
    """Whether an explanation is there, and what it explains."""

    progress: WorkProgress | None = Field(description="null where the trial is not packaged")
    reason: str | None = Field(description="why there can be none")
    label: str | None
    probability: float | None
    method: str | None


@router.get("/explanations/{row}")
def get_explanation(
    opened: Opened, work: Background, run_id: str, number: int, row: int, label: Label = None
) -> ExplanationState:
    """Return whether an image is explained; the first request begins the work, later ones say how far it is."""
    model, reason = packaged_model(opened, run_id, number)
    if model is None:
        command = f"automl-vision explain IMAGE --run {run_id} --trial {number}"
        text = f"{reason}. From Python every trial can be explained, with torch: trial.explain(image). {command}"
        return ExplanationState(progress=None, reason=text, label=None, probability=None, method=None)
    place = _place(opened, model, run_id, row, label)
    known = place.read()
    if known is not None:
        return ExplanationState(
            progress=_DONE,
            reason=None,
            label=known["label"],
            probability=finite(known["probability"]),
            method=known["method"],
        )
    image = opened.run_dataset(run_id)[row]

    def do(progress: Progress) -> None:
        place.make(model, image, label, progress)

    piece = work.start(
        "explanation",
        f"Explanation of {image.reference}",
        do,
        key=(opened.name, str(place.overlay)),
        light=True,
        workspace=opened.name,
        page=f"/runs/{run_id}/trials/{number}/mistakes?row={row}",
    )
    return ExplanationState(progress=progress_of(piece), reason=None, label=None, probability=None, method=None)


@router.get("/explanations/{row}/overlay", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
def get_explanation_overlay(opened: Opened, run_id: str, number: int, row: int, label: Label = None) -> Response:
    """Return the picture of an explanation as WebP: what the prediction depends on in colour over the grey image."""
    model, reason = packaged_model(opened, run_id, number)
    if model is None:
        raise NotFoundError(str(reason))
    place = _place(opened, model, run_id, row, label)
    if place.read() is None:
        raise NotFoundError("this image is not explained yet")
    return FileResponse(place.overlay, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})


def _place(opened: OpenedWorkspace, model: Path, run_id: str, row: int, label: str | None) -> ExplainedImage:
    dataset = opened.run_dataset(run_id)
    if not 0 <= row < len(dataset):
        raise NotFoundError(f"the dataset has {len(dataset)} images; there is no row {row}")
    digest = dataset.table["digest"][row].as_py() or dataset.table["image"][row].as_py()
    return ExplainedImage.of(model, digest, label, opened.workspace.cache_path)

"""Decisions of people about images that a model gets wrong: the label is wrong, the model is, or it is left open."""

from __future__ import annotations

from pydantic import BaseModel, Field

from automl_vision.experiment.label_reviews import LabelReview, LabelReviews, Verdict
from automl_vision.studio.opened import Opened, OpenedWorkspace
from automl_vision.studio.operations import operations

router = operations("reviews", "/runs/{run_id}")


class Reviews(BaseModel):
    """The decisions about a run's images."""

    path: str = Field(description="the file that keeps them")
    reviews: list[LabelReview] = Field(description="the ones that hold, the newest last")
    wrong_labels: int = Field(description="how many labels are called wrong")


class NewReview(BaseModel):
    """A decision about an image."""

    row: int = Field(ge=0, description="of the image in the run's dataset")
    trial: int = Field(ge=0, description="whose prediction was looked at")
    verdict: Verdict
    suggested: str | None = Field(None, description="the right class, where the label is wrong and it is known")


@router.get("/reviews")
def list_reviews(opened: Opened, run_id: str) -> Reviews:
    """List the decisions that hold."""
    return _reviews(opened, run_id)


@router.post("/reviews", status_code=201)
def add_review(opened: Opened, run_id: str, review: NewReview) -> Reviews:
    """Record a decision about an image; the verdict "undone" takes the one before back."""
    opened.trial(run_id, review.trial)
    LabelReviews(opened.run(run_id).run.folder).add(
        opened.run_dataset(run_id), review.row, review.verdict, trial=review.trial, suggested=review.suggested
    )
    return _reviews(opened, run_id)


def _reviews(opened: OpenedWorkspace, run_id: str) -> Reviews:
    kept = LabelReviews(opened.run(run_id).run.folder)
    standing = list(kept.standing().values())
    wrong = sum(review.verdict == "label" for review in standing)
    return Reviews(path=str(kept.path), reviews=standing, wrong_labels=wrong)

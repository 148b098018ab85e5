"""What people decided about images that a model gets wrong: is the label wrong, the model, or is it left open?

The decisions of a run are lines of one file in its folder, which is only ever appended to, so that nothing is lost and
any number of processes may read it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from automl_vision.core.account import account_name
from automl_vision.core.errors import DataError
from automl_vision.core.files import append_json_line, read_lines
from automl_vision.core.records.record import Record
from automl_vision.core.text import did_you_mean
from automl_vision.data.dataset import Dataset
from automl_vision.doctor.check import identity_of
from automl_vision.doctor.findings import Finding, Severity
from automl_vision.doctor.listing import plural
from automl_vision.doctor.report import DataReport
from automl_vision.workspace.run_folder import RunFolder

REVIEWS_FILE = "label_reviews.jsonl"
WITH_SUGGESTION, WITHOUT_SUGGESTION = "reviewed-label", "reviewed-image"
"""Names of the findings of `review_report`."""

Verdict = Literal["label", "model", "skip", "undone"]


class LabelReview(Record):
    """One decision about one image."""

    time: float = Field(description="seconds since 1970")
    digest: str = Field(description="of the image's contents, by which it is found in other versions of the data")
    image: str = Field(description="its path, as in the run's dataset")
    row: int = Field(description="of the image in the run's dataset")
    trial: int = Field(description="whose prediction was looked at")
    verdict: Verdict = Field(
        description='"label": the label is wrong; "model": the model is; "skip": left open; "undone": taken back'
    )
    suggested: str | None = Field(default=None, description="the right class, where the label is wrong and it is known")
    who: str = Field(default="", description="who decided")


class LabelReviews:
    """The decisions about the images of one run.

    Attributes:
        path: the file, one JSON object per line; it need not exist yet.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.path = Path(folder.path) / REVIEWS_FILE
        self._folder = folder

    def add(
        self,
        dataset: Dataset,
        row: int,
        verdict: Verdict,
        *,
        trial: int,
        suggested: str | None = None,
        who: str | None = None,
    ) -> LabelReview:
        """Record a decision; it replaces earlier ones about the same image.

        Args:
            dataset: of the run.
            row: of the image in it.
            verdict: what was decided; "undone" takes the decision before back.
            trial: number of the trial whose prediction was looked at.
            suggested: the right class, one of the dataset's, where the label is wrong.
            who: decided it; None for the user of this process.

        Raises:
            DataError: there is no such image or class, or a class is suggested though the label is not called wrong.
            RunNotFoundError: the run was deleted.
        """
        self._folder.require()
        if not 0 <= row < len(dataset):
            raise DataError(f"the dataset has {len(dataset)} images; there is no row {row}")
        if suggested is not None and verdict != "label":
            raise DataError(f'a class can be suggested where the label is wrong, not with the verdict "{verdict}"')
        if suggested is not None and suggested not in dataset.classes:
            raise DataError(f'the data has no class "{suggested}".{did_you_mean(suggested, dataset.classes)}')
        review = LabelReview(
            time=time.time(),
            digest=dataset.table["digest"][row].as_py() or "",
            image=dataset.table["image"][row].as_py(),
            row=row,
            trial=trial,
            verdict=verdict,
            suggested=suggested,
            who=account_name() if who is None else who,
        )
        append_json_line(self.path, review.model_dump(mode="json"))
        return review

    def read(self) -> list[LabelReview]:
        """All that was ever decided, in order; lines that are not reviews are skipped."""
        lines, _ = read_lines(self.path)
        return [review for review in map(_parsed, lines) if review is not None]

    def standing(self) -> dict[int, LabelReview]:
        """The decision that holds for each image that has one, by row of the run's dataset, the newest last."""
        standing: dict[int, LabelReview] = {}
        for review in self.read():
            standing.pop(review.row, None)
            if review.verdict != "undone":
                standing[review.row] = review
        return standing


def review_report(dataset: Dataset, reviews: Sequence[LabelReview]) -> DataReport:
    """The labels that people called wrong as a report, which `Dataset.apply` takes like one of the doctor.

    Images are found by their contents, so that the dataset may be another version than the run's. With one class per
    image, those with a suggested class are proposed to be relabelled; the others are only listed and can be excluded.

    Args:
        dataset: to be corrected.
        reviews: decisions that hold, as `LabelReviews.standing` returns them; those with another verdict are left out.
    """
    wrong = [review for review in reviews if review.verdict == "label"]
    rows = _rows_of(dataset, wrong)
    found = [(row, review) for review, mine in zip(wrong, rows, strict=True) for row in mine]
    has_class = [dataset.kind == "label" and review.suggested in dataset.classes for _, review in found]
    parts = {
        known: [case for case, has in zip(found, has_class, strict=True) if has == known] for known in (True, False)
    }
    gone = sum(not mine for mine in rows)
    return DataReport(
        root=dataset.root,
        identity=identity_of(dataset),
        counts={"images": len(dataset), "classes": len(dataset.classes), "reviewed images that are not here": gone},
        findings=tuple(_finding(cases, known) for known, cases in parts.items() if cases),
        checks=(WITH_SUGGESTION, WITHOUT_SUGGESTION),
        value_range=dataset.value_range,
    )


def _finding(cases: list[tuple[int, LabelReview]], has_class: bool) -> Finding:
    severity: Severity = "warning"
    return Finding(
        check=WITH_SUGGESTION if has_class else WITHOUT_SUGGESTION,
        severity=severity,
        title="Labels that a person called wrong" + ("" if has_class else ", without the right one"),
        advice="Relabel them." if has_class else "Label them again, or exclude them.",
        count=len(cases),
        actions=("relabel", "exclude", "none") if has_class else ("none", "exclude"),
        summary=f"{plural(len(cases), 'label')} called wrong",
        rows=np.array([row for row, _ in cases], np.int64),
        suggestions=tuple(str(review.suggested) for _, review in cases) if has_class else (),
        notes=tuple(_note(review) for _, review in cases),
    )


def _note(review: LabelReview) -> str:
    said = f", it is {review.suggested}" if review.suggested else ""
    by = f" by {review.who}" if review.who else ""
    return f"called wrong{by} beside the prediction of trial {review.trial}{said}"


def _rows_of(dataset: Dataset, reviews: Sequence[LabelReview]) -> list[list[int]]:
    """The rows of each review's image: of its path if the contents are the same, else of all images of its contents."""
    digests, images = dataset.table["digest"].to_pylist(), dataset.table["image"].to_pylist()
    by_digest: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        by_digest.setdefault(digest or "", []).append(row)
    by_path = {(image, digest or ""): row for row, (image, digest) in enumerate(zip(images, digests, strict=True))}
    found = []
    for review in reviews:
        here = by_path.get((review.image, review.digest))
        found.append([here] if here is not None else by_digest.get(review.digest, []) if review.digest else [])
    return found


def _parsed(line: bytes) -> LabelReview | None:
    try:
        return LabelReview.model_validate_json(line)
    except ValidationError:
        return None

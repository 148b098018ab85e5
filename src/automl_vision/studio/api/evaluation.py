"""How good a trial is, and where not: metrics, confusion, calibration, slices, and the images behind each number."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from automl_vision.core.numbers import finite
from automl_vision.core.records import MetricInterval
from automl_vision.experiment.image_cases import ImageCase, ImageFilter, Outcome, SeenObject
from automl_vision.studio.api.trials import Split
from automl_vision.studio.evaluations import OpenedEvaluation
from automl_vision.studio.opened import Opened
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page
from automl_vision.studio.work import Background, Progress, Work
from automl_vision.web.problems import NotFoundError

router = operations("evaluation", "/runs/{run_id}/trials/{number}")

MOST_CLASSES = 100
"""Above, a confusion matrix is only listed by its worst pairs."""

_MOST_PAIRS = 100


def found_evaluation(opened: Opened, run_id: str, number: int, split: Split = None) -> OpenedEvaluation:
    """The predictions that a request is about."""
    return opened.evaluation(run_id, number, split)


Found = Annotated[OpenedEvaluation, Depends(found_evaluation)]
"""A trial's predictions on a split."""


class MetricFigure(BaseModel):
    """A metric on the images of a split."""

    name: str
    value: MetricInterval | None = Field(description="null where it is undefined on these images")
    meaning: str
    source: str = Field(description="library or paper that defines it")
    lower_is_better: bool
    is_primary: bool = Field(description="whether it ranks the run's trials")


class ErrorKind(BaseModel):
    """A kind of a detector's errors."""

    name: str
    count: int
    meaning: str


class ConfusedPair(BaseModel):
    """How often one class is taken for another."""

    true: str
    predicted: str
    count: int
    of: int = Field(description="how many there are of the true class")


class EvaluationSummary(BaseModel):
    """How good a trial is on the images of one split."""

    run: str
    trial: int
    split: str
    images: int
    sentence: str = Field(description="the primary metric with its interval, and on which images")
    metrics: list[MetricFigure] = Field(description="all of the task")
    classes: list[dict[str, str | int | float | None]] = Field(description="figures of each class")
    mistakes: int = Field(description="images that the model gets wrong")
    suspected: int = Field(description="of these, those whose label may be wrong")
    suspicion: str = Field(description="how far that was right where it was measured")
    kinds: list[ErrorKind] = Field(description="of a detector's errors")


class LabelOutcome(BaseModel):
    """How often a label is found, missed and predicted wrongly."""

    label: str
    found: int
    missed: int
    wrong: int


class Confusion(BaseModel):
    """What is taken for what."""

    sentence: str
    noun: str = Field(description="what is counted, in the singular")
    rows: list[str] = Field(description="true classes, and for detectors no object")
    columns: list[str] = Field(description="predicted classes, and for detectors not found")
    matrix: list[list[int]] | None = Field(description="(true, predicted); null above 100 classes and for many labels")
    pairs: list[ConfusedPair] = Field(description="the most frequent confusions")
    outcomes: list[LabelOutcome] = Field(description="with many labels per image")


class SetsFigures(BaseModel):
    """Sets of labels that hold the truth in all but a share of the cases (conformal prediction)."""

    error_rate: float
    threshold: float = Field(description="a label is in a set if its probability is at least this")
    covered: MetricInterval
    mean_size: float
    images: int


class CalibrationFigures(BaseModel):
    """How far probabilities or scores can be trusted, before and after calibration."""

    split: str
    images: int
    method: str
    error_before: MetricInterval | None
    error_after: MetricInterval | None
    loss_before: MetricInterval | None
    loss_after: MetricInterval | None
    sets: SetsFigures | None
    text: str


class SliceFigures(BaseModel):
    """A metric on a part of the images."""

    attribute: str = Field(examples=["brightness"])
    value: str
    images: int
    metric: MetricInterval | None
    rest: MetricInterval | None = Field(description="on all other images")
    difference: MetricInterval | None = Field(description="of the slice minus the rest")
    p_value: float | None = Field(description="Holm-corrected")
    is_different: bool


class WorkProgress(BaseModel):
    """How far something is that takes longer than a request."""

    state: Literal["waiting", "running", "done", "failed", "canceled"]
    done: int
    total: int | None
    reason: str | None = Field(description="why it failed")


class Slices(BaseModel):
    """Where a trial is worse than elsewhere; the images are read once for it, in the background."""

    progress: WorkProgress
    metric: str
    lower_is_better: bool
    sentence: str
    slices: list[SliceFigures] = Field(description="the worst first; empty until the work is done")


class Case(BaseModel):
    """An image with what is right and what is predicted."""

    row: int = Field(description="of the run's dataset; in addresses of its image")
    image: str = Field(description="path, as in the dataset")
    width: int
    height: int
    truth: str
    predicted: str
    loss: float | None
    is_mistake: bool
    suspected: str = Field(description="why the label may be wrong; empty where nothing speaks against it")
    suggested: str | None = Field(description="the class that the label should be, if it is wrong and there is one")


class LabelScore(BaseModel):
    """The probability of a class."""

    label: str
    probability: float
    is_true: bool
    is_predicted: bool


class DrawnObject(BaseModel):
    """An object, labelled or detected."""

    label: str
    box: tuple[float, float, float, float] = Field(description="x1, y1, x2, y2 in pixels")
    polygons: list[list[float]] = Field(description="x, y, x, y, ... in pixels")
    score: float | None
    error: str = Field(description="kind of error; empty where it is right")


class CaseDetails(Case):
    """One image with all that is predicted for it."""

    digest: str
    labels: list[LabelScore] = Field(description="the most probable classes and the true ones")
    true_objects: list[DrawnObject]
    found_objects: list[DrawnObject] = Field(description="at the operating threshold, or the asked one")


Threshold = Annotated[
    float | None,
    Query(ge=0, le=1, description="probability or score from which answers are shown; without it, the model's own"),
]


def wanted_images(  # noqa: PLR0913 - each one is a parameter of the address
    *,
    mistakes: Annotated[bool, Query(description="only images that the model gets wrong")] = False,
    suspected: Annotated[bool, Query(description="only images whose label may be wrong")] = False,
    true: Annotated[str | None, Query(description='a class that the image has, or "no object"')] = None,
    predicted: Annotated[str | None, Query(description='a class that is predicted, or "not found"')] = None,
    label: Annotated[str | None, Query(description="a label, with many labels per image")] = None,
    outcome: Annotated[Outcome | None, Query(description="what happens to the label, or at `threshold`")] = None,
    kind: Annotated[str | None, Query(description="a kind of a detector's errors")] = None,
    attribute: Annotated[str | None, Query(description="of a slice, with its value")] = None,
    value: Annotated[str | None, Query(description="of the slice's attribute")] = None,
    threshold: Threshold = None,
    lowest: Annotated[float | None, Query(ge=0, le=1, description="confidence of an answer, with `highest`")] = None,
    highest: Annotated[float | None, Query(ge=0, le=1, description="confidence of an answer, with `lowest`")] = None,
    before_scaling: Annotated[bool, Query(description="the confidence before temperature scaling")] = False,
) -> ImageFilter:
    """Which images a request asks for."""
    part = (attribute, value) if attribute is not None and value is not None else None
    bounds = (lowest, highest) if lowest is not None and highest is not None else None
    return ImageFilter(
        mistakes, suspected, true, predicted, label, outcome, kind, part, threshold, bounds, before_scaling
    )


Wanted = Annotated[ImageFilter, Depends(wanted_images)]


@router.get("/evaluation")
def get_evaluation(found: Found, run_id: str, number: int) -> EvaluationSummary:
    """Return every metric of a trial with its interval, and how many images it gets wrong."""
    from automl_vision.evaluation.metric import metrics_of
    from automl_vision.evaluation.mistakes import KINDS
    from automl_vision.experiment.reports.evaluation_sections import score_sentence

    evaluated = found.evaluated
    with found.lock:
        table = metrics_of(evaluated.predictions.task)
        mistakes = evaluated.mistakes()
        return EvaluationSummary(
            run=run_id,
            trial=number,
            split=evaluated.split,
            images=len(evaluated.rows),
            sentence=score_sentence(evaluated),
            metrics=[
                MetricFigure(
                    name=name,
                    value=value.record(),
                    meaning=table[name].meaning,
                    source=table[name].source,
                    lower_is_better=not table[name].higher_is_better,
                    is_primary=name == evaluated.primary.name,
                )
                for name, value in found.metrics.items()
            ],
            classes=[_known(row) for row in evaluated.per_class()],
            mistakes=len(mistakes),
            suspected=sum(bool(mistake.suspected) for mistake in mistakes),
            suspicion=evaluated.suspicion,
            kinds=[
                ErrorKind(name=name, count=count, meaning=KINDS[name]) for name, count in found.cases.kinds().items()
            ],
        )


@router.get("/confusion")
def get_confusion(found: Found) -> Confusion:
    """Return what is taken for what; each cell's images are those of `cases` with the same `true` and `predicted`."""
    from automl_vision.experiment.image_confusion import confusion_of

    with found.lock:
        table = confusion_of(found.evaluated)
        figures = found.figures.in_mode(None)
        name = "label_outcomes" if table.outcomes else "confusion"
        sentence = figures[name].layout.meta["summary"] if name in figures else figures.missing.get(name, "")
    return Confusion(
        sentence=sentence,
        noun=table.noun,
        rows=list(table.rows),
        columns=list(table.columns),
        matrix=None if table.matrix is None or len(table.rows) > MOST_CLASSES + 1 else table.matrix.tolist(),
        pairs=[ConfusedPair(**vars(pair)) for pair in table.pairs(_MOST_PAIRS)],
        outcomes=[LabelOutcome(**vars(outcome)) for outcome in table.outcomes],
    )


@router.get("/calibration")
def get_calibration(
    found: Found, error_rate: Annotated[float, Query(gt=0, lt=1, description="that prediction sets may have")] = 0.1
) -> CalibrationFigures:
    """Return how far probabilities or scores can be trusted, and what conformal sets hold."""
    with found.lock:
        report = found.evaluated.calibration(error_rate)
    sets = report.sets
    return CalibrationFigures(
        split=report.split,
        images=report.images,
        method=report.method,
        error_before=report.error_before.record(),
        error_after=report.error_after.record(),
        loss_before=report.loss_before.record(),
        loss_after=report.loss_after.record(),
        sets=None if sets is None else SetsFigures(**{**vars(sets), "covered": vars(sets.covered)}),
        text=report.text,
    )


@router.get("/slices")
def get_slices(found: Found, work: Background, opened: Opened, run_id: str, number: int) -> Slices:
    """Return the metric on parts of the images; the first request begins the work, later ones say how far it is."""
    from automl_vision.evaluation.slices import worst_sentence

    evaluated = found.evaluated

    def do(progress: Progress) -> list[Any]:
        return evaluated.slices(progress=progress)  # without the lock: it takes long

    piece = work.start(
        "slices",
        f"Slices of {evaluated.name} on {evaluated.split} images",
        do,
        key=(opened.name, run_id, number, evaluated.split),
        workspace=opened.name,
        page=f"/runs/{run_id}/trials/{number}?tab=slices",
    )
    slices = piece.result if piece.state == "done" else None
    return Slices(
        progress=progress_of(piece),
        metric=evaluated.primary.name,
        lower_is_better=not evaluated.primary.higher_is_better,
        sentence="" if slices is None else worst_sentence(slices, evaluated.primary),
        slices=[_slice(part) for part in slices or ()],
    )


@router.get("/cases")
def list_cases(found: Found, wanted: Wanted, limit: Limit = 50, cursor: Cursor = 0) -> Page[Case]:
    """List the images of a split that a filter leaves, the worst first."""
    with found.lock:
        positions = found.cases.find(wanted, _attributes(found, wanted))
        items = [case_of(found.cases.case(position)) for position in positions[cursor : cursor + limit].tolist()]
    end = cursor + limit
    return Page(items=items, total=len(positions), next=end if end < len(positions) else None)


@router.get("/cases/{row}")
def get_case(found: Found, row: int, threshold: Threshold = None) -> CaseDetails:
    """Return one image with its probabilities or objects."""
    with found.lock:
        cases = found.cases
        position = cases.position(row)
        return CaseDetails(
            **case_of(cases.case(position)).model_dump(),
            digest=found.evaluated.dataset.table["digest"][row].as_py() or "",
            labels=[LabelScore(**vars(label)) for label in cases.scored_labels(position)],
            true_objects=[_drawn(value) for value in cases.true_objects(position)],
            found_objects=[_drawn(value) for value in cases.found_objects(position, threshold)],
        )


def progress_of(work: Work) -> WorkProgress:
    """How far a piece of work is."""
    return WorkProgress(state=work.state, done=work.done, total=work.total, reason=work.reason)


def case_of(found: ImageCase) -> Case:
    """An image as the API gives it."""
    width, height = found.size
    fields = {name: value for name, value in vars(found).items() if name != "size"}
    return Case(**{**fields, "loss": finite(found.loss)}, width=width, height=height)


def _attributes(found: OpenedEvaluation, wanted: ImageFilter) -> dict[str, Any] | None:
    """What the images of a slice have in common; those that are read only where the slice is by one of these."""
    if wanted.slice is None or wanted.slice[0] in found.cases.attributes:
        return None
    if wanted.slice[0] not in found.attributes:
        raise NotFoundError(f'no slice is by "{wanted.slice[0]}"')
    return found.attributes


def _slice(part: Any) -> SliceFigures:
    return SliceFigures(
        attribute=part.attribute,
        value=part.value,
        images=part.images,
        metric=part.metric.record(),
        rest=part.rest.record(),
        difference=part.difference.record(),
        p_value=finite(part.p_value),
        is_different=part.is_different,
    )


def _drawn(value: SeenObject) -> DrawnObject:
    return DrawnObject(**{**vars(value), "polygons": [list(part) for part in value.polygons]})


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """Figures of a class without NaN."""
    return {name: finite(value) if isinstance(value, float) else value for name, value in row.items()}

"""The sections that say how good predictions are: metrics, classes, charts, calibration, slices and mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl_vision.core.numbers import finite
from automl_vision.core.text import as_sentence
from automl_vision.data.scan import Progress
from automl_vision.doctor.thumbnails import thumbnails
from automl_vision.evaluation.calibration_report import CalibrationReport
from automl_vision.evaluation.copies import NearDuplicates
from automl_vision.evaluation.metric import find_metric
from automl_vision.evaluation.mistakes import Mistake
from automl_vision.evaluation.slices import Slice, slice_table, worst_sentence
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.experiment.figures import Figures
from automl_vision.experiment.reports.blocks import Block, Chart, Gallery, Section, Sentences, Shot, Table

MAX_MISTAKES = 24  # that are shown; about 10 KB each
_MAX_CLASSES, _MAX_SLICES = 100, 40  # rows of a table
_SHOWN_OBJECTS = 60  # per image


def score_sentence(evaluated: Evaluated) -> str:
    """The primary metric with its interval, and on which images."""
    seen = {
        "val": "validation images, which chose the epoch and the calibration, so it is a little too good",
        "test": "test images, which nothing was chosen on",
    }.get(evaluated.split, "images")
    value = evaluated.interval()
    return as_sentence(f"{evaluated.primary.words} {value.text(3)} on {len(evaluated.rows)} {seen}")


@dataclass(frozen=True)
class Findings:
    """What is wrong with predictions, and where.

    Attributes:
        slices: the metric on parts of the images, the worst first.
        mistakes: the worst first.
        copies: the metric without near-duplicates of training images; None where the images were not read.
        calibration: how far probabilities or scores can be trusted.
    """

    slices: Sequence[Slice]
    mistakes: Sequence[Mistake]
    copies: NearDuplicates | None
    calibration: CalibrationReport

    @staticmethod
    def of(evaluated: Evaluated, *, pixels: bool, progress: Progress | None) -> Findings:
        """Look for them.

        Args:
            evaluated: the predictions.
            pixels: whether images are read, once, for brightness, sharpness and near-duplicates.
            progress: called with (images done, images in all) while images are read.
        """
        has_training = pixels and bool((evaluated.dataset.splits == "train").any())
        copies = evaluated.near_duplicates(progress=progress) if has_training else None
        slices = evaluated.slices(pixels=pixels, progress=progress)
        return Findings(slices, evaluated.mistakes(), copies, evaluated.calibration())

    def sentences(self, evaluated: Evaluated) -> tuple[str, ...]:
        """What they say, in short."""
        suspected = sum(bool(mistake.suspected) for mistake in self.mistakes)
        doubt = f"; in {suspected} of them the label may be wrong" if suspected else ""
        error = self.calibration
        return (
            as_sentence(worst_sentence(self.slices, evaluated.primary)),
            f"{len(self.mistakes)} of {len(evaluated.rows)} images have mistakes{doubt}",
            f"Calibration error {error.error_after.text(3)} after {error.method}, {error.error_before.text(3)} before",
            *([as_sentence(self.copies.text)] if self.copies is not None else []),
        )


def metrics_section(evaluated: Evaluated) -> Section:
    """Every metric with its interval and meaning, and the figures of each class."""
    rows = []
    for name, interval in evaluated.metrics().items():
        value = "undefined on these images" if finite(interval.value) is None else interval.text(4)
        rows.append([name, value, find_metric(evaluated.predictions.task, name).meaning])
    blocks: list[Block] = [Table(["metric", "value, 95 % interval", "meaning"], rows)]
    classes = evaluated.per_class()
    if classes:
        names = list(classes[0])
        cells = [[_cell(row[name]) for name in names] for row in classes[:_MAX_CLASSES]]
        more = f"the first {_MAX_CLASSES} of {len(classes)} classes" if len(classes) > _MAX_CLASSES else ""
        blocks.append(Table([name.replace("_", " ") for name in names], cells, more))
    return Section("metrics", "Metrics", tuple(blocks))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def charts_section(*groups: Figures) -> Section | None:
    """The figures, and why others are missing; None if there is nothing to say."""
    bare = [group.in_mode(None) for group in groups]
    blocks: list[Block] = [Chart(name, figure) for group in bare for name, figure in group.items()]
    missing = {name: reason for group in bare for name, reason in group.missing.items()}
    if missing:
        reasons = "; ".join(f"{name.replace('_', ' ')} ({reason})" for name, reason in missing.items())
        blocks.append(Sentences((f"Not drawn: {reasons}.",)))
    return Section("charts", "Charts", tuple(blocks)) if blocks else None


def slices_section(evaluated: Evaluated, slices: Sequence[Slice], copies: NearDuplicates | None) -> Section:
    """The metric on parts of the images, the worst first."""
    without_copies = [as_sentence(copies.text)] if copies is not None else []
    sentence = Sentences((as_sentence(worst_sentence(slices, evaluated.primary)), *without_copies))
    if not slices:
        return Section("slices", "Where it is worse", (sentence,))
    columns, rows = slice_table(slices, evaluated.primary)
    different = frozenset(i for i, part in enumerate(slices[:_MAX_SLICES]) if part.is_different)
    more = f"the worst {_MAX_SLICES} of {len(slices)} slices; " if len(slices) > _MAX_SLICES else ""
    caption = f"{more}p-values of a paired resampling test against all other images, Holm-corrected; bold: below 0.05"
    return Section("slices", "Where it is worse", (sentence, Table(columns, rows[:_MAX_SLICES], caption, different)))


def mistakes_section(evaluated: Evaluated, mistakes: Sequence[Mistake]) -> Section:
    """The worst mistakes as pictures."""
    if not mistakes:
        return Section("mistakes", "Mistakes", (Sentences(("There are none.",)),))
    pictures = gallery(evaluated, mistakes[:MAX_MISTAKES])
    has_objects = any(shot.true or shot.found for shot in pictures.shots)
    drawn = " Truth is drawn solid and white, predictions dashed and yellow." if has_objects else ""
    texts = [f"The worst {len(pictures.shots)} of {len(mistakes)} images with mistakes.{drawn}"]
    if any(mistake.suspected for mistake in mistakes):
        texts.append(f"Where the label may be wrong it is said so. How far that can be trusted: {evaluated.suspicion}.")
    return Section("mistakes", "Mistakes", (Sentences(tuple(texts)), pictures))


def trust_section(evaluated: Evaluated, calibration: CalibrationReport) -> Section:
    """Calibration, and the thresholds with the best F1."""
    points = evaluated.operating_points()
    rows = [
        [
            point.label,
            "" if point.threshold is None else f"{point.threshold:.3f}",
            *("" if math.isnan(value.value) else value.text(3) for value in (point.precision, point.recall)),
            str(point.positives),
            point.sentence,
        ]
        for point in (points.overall, *points.classes[:_MAX_CLASSES])
    ]
    columns = ["class", "threshold", "precision", "recall", "cases", ""]
    chosen = f"{points.wanted}: chosen on {points.fitted_on} images, measured on {points.images} others"
    lines = tuple(" ".join(line.split()) for line in calibration.text.splitlines())
    return Section("trust", "Calibration and thresholds", (Sentences(lines), Table(columns, rows, chosen)))


def gallery(evaluated: Evaluated, mistakes: Sequence[Mistake]) -> Gallery:
    """Some mistakes as pictures."""
    data = evaluated.dataset
    small = thumbnails(data.root, [evaluated.image(mistake) for mistake in mistakes], value_range=data.value_range)
    return Gallery(tuple(_shot(evaluated, mistake, small) for mistake in mistakes))


def _shot(evaluated: Evaluated, mistake: Mistake, small: dict[str, str]) -> Shot:
    image = evaluated.dataset[int(evaluated.rows[mistake.image])]
    return Shot(
        uri=small.get(image.reference),
        size=image.size,
        name=image.reference,
        truth=mistake.truth,
        predicted=mistake.predicted,
        true=image.objects[:_SHOWN_OBJECTS],
        found=tuple(evaluated.found_objects(mistake.image))[:_SHOWN_OBJECTS],
        note=f"the label may be wrong: {mistake.suspected}" if mistake.suspected else "",
    )


def evaluation_sections(evaluated: Evaluated, findings: Findings, figures: Sequence[Figures]) -> list[Section]:
    """All of them, in order."""
    charts = charts_section(*figures)
    return [
        *([charts] if charts is not None else []),
        metrics_section(evaluated),
        slices_section(evaluated, findings.slices, findings.copies),
        mistakes_section(evaluated, findings.mistakes),
        trust_section(evaluated, findings.calibration),
    ]

"""The sections that say how good predictions are: metrics, classes, charts, calibration, slices and mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automl_vision.core.numbers import finite
from automl_vision.doctor.thumbnails import thumbnails
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
    value = evaluated.primary.interval(evaluated.cases)
    return _sentence(f"{evaluated.primary.name} {value.text(3)} on {len(evaluated.rows)} {seen}")


def finding_sentences(evaluated: Evaluated, slices: Sequence[Slice], mistakes: Sequence[Mistake]) -> tuple[str, ...]:
    """What slices and mistakes say."""
    return (
        _sentence(worst_sentence(slices, evaluated.primary)),
        f"{len(mistakes)} of {len(evaluated.rows)} images have mistakes",
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


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
        blocks.append(Sentences(tuple(f"No {name.replace('_', ' ')}: {reason}" for name, reason in missing.items())))
    return Section("charts", "Charts", tuple(blocks)) if blocks else None


def slices_section(evaluated: Evaluated, slices: Sequence[Slice]) -> Section:
    """The metric on parts of the images, the worst first."""
    sentence = Sentences((_sentence(worst_sentence(slices, evaluated.primary)),))
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
    text = f"The worst {len(pictures.shots)} of {len(mistakes)} images with mistakes.{drawn}"
    return Section("mistakes", "Mistakes", (Sentences((text,)), pictures))


def gallery(evaluated: Evaluated, mistakes: Sequence[Mistake]) -> Gallery:
    """Some mistakes as pictures."""
    small = thumbnails(evaluated.dataset.root, [evaluated.image(mistake) for mistake in mistakes])
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
    )


def evaluation_sections(
    evaluated: Evaluated, slices: Sequence[Slice], mistakes: Sequence[Mistake], figures: Sequence[Figures]
) -> list[Section]:
    """All of them, in order."""
    charts = charts_section(*figures)
    return [
        *([charts] if charts is not None else []),
        metrics_section(evaluated),
        slices_section(evaluated, slices),
        mistakes_section(evaluated, mistakes),
    ]

"""What the reports of a run, of an evaluation and of a comparison say."""

from __future__ import annotations

from automl_vision.core.errors import RunFailedError
from automl_vision.core.text import as_sentence
from automl_vision.data.dataset import Dataset
from automl_vision.data.scan import Progress
from automl_vision.evaluation.slices import LEVEL
from automl_vision.experiment.compared import (
    compare_classes,
    compare_slices,
    compare_trials,
    most_different,
    part_table,
)
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.experiment.figures import training_figures
from automl_vision.experiment.reports.blocks import Report, Section, Sentences, Table
from automl_vision.experiment.reports.evaluation_sections import (
    MAX_MISTAKES,
    Findings,
    evaluation_sections,
    gallery,
    score_sentence,
)
from automl_vision.experiment.reports.run_sections import data_section, model_sections, settings_section
from automl_vision.experiment.run import Run

MAX_PARTS = 100
"""Classes and slices in the report of a comparison; of more, those that differ most."""


def report_run(
    run: Run,
    *,
    trial: int | None = None,
    split: str | None = None,
    pixels: bool = True,
    progress: Progress | None = None,
) -> Report:
    """The report of a run: verdict, leaderboard, charts, slices, mistakes, data, model card and how to use the model.

    Args:
        run: with at least one finished trial.
        trial: number of the trial that is looked at closely; None for the best one.
        split: "val" or "test"; None for the test images if there are any.
        pixels: whether every image is read, unless that was done before: for the check of the data, for brightness,
            contrast and sharpness, and for near-duplicates.
        progress: called with (images done, images in all) while images are read.

    Raises:
        RunFailedError: no trial has a result, or there is no such trial.
        KeyError: no image of the split was predicted.
    """
    chosen = run.get_best_child() if trial is None else run.get_child(trial)
    if chosen is None:
        raise RunFailedError(f'run "{run.id}" has no trial with a result')
    evaluated = chosen.evaluated(split)
    findings = Findings.of(evaluated, pixels=pixels, progress=progress)
    outline, board, verdict = run.folder.outline(), run.leaderboard(), run.verdict()
    decision = run.folder.record().decision
    says = [
        verdict.sentence if verdict is not None else "",
        decision.reason if decision is not None else "",
    ]
    value = evaluated.interval()
    rows = frozenset(i for i, row in enumerate(board) if row.trial == chosen.number)
    return Report(
        kicker=f"{outline.task} · run {run.id}",
        title=f"{chosen.model_name} on {_name_of(evaluated.dataset)}",
        facts=(
            (f"{evaluated.primary.words}, {evaluated.split}", value.text(3)),
            *((f"{split} images", f"{count:,}") for split, count in evaluated.dataset.summary()["images"].items()),
            ("classes", f"{len(evaluated.dataset.classes):,}"),
            ("trials", str(len(board))),
        ),
        verdict=(
            score_sentence(evaluated),
            *(as_sentence(text) for text in says if text),
            *findings.sentences(evaluated),
        ),
        sections=(
            Section("board", "Leaderboard", (Table(board.columns(), board.cells(), marked=rows),)),
            *evaluation_sections(
                evaluated, findings, [training_figures(chosen.folder), evaluated.figures(), run.figures()]
            ),
            data_section(evaluated.dataset, run.folder, pixels=pixels, progress=progress),
            settings_section(chosen),
            *model_sections(run, chosen),
        ),
    )


def report_evaluation(evaluated: Evaluated, *, pixels: bool = True, progress: Progress | None = None) -> Report:
    """The report of a model on any labelled images: verdict, charts, metrics, slices, mistakes and the data.

    Args:
        evaluated: what `evaluate` returned, or one split of a trial.
        pixels: whether images are read for brightness, contrast and sharpness, and for near-duplicates.
        progress: called with (images done, images in all) while images are read.
    """
    findings = Findings.of(evaluated, pixels=pixels, progress=progress)
    value = evaluated.interval()
    return Report(
        kicker=f"{evaluated.predictions.task} · evaluation",
        title=f"{evaluated.name} on {_name_of(evaluated.dataset)}",
        facts=(
            (f"{evaluated.primary.words}, {evaluated.split}", value.text(3)),
            ("images", f"{len(evaluated.rows):,}"),
            ("classes", f"{len(evaluated.dataset.classes):,}"),
        ),
        verdict=(score_sentence(evaluated), *findings.sentences(evaluated)),
        sections=(
            *evaluation_sections(evaluated, findings, [evaluated.figures()]),
            data_section(evaluated.dataset, None, pixels=False, progress=None),
        ),
    )


def report_comparison(first: Evaluated, second: Evaluated, metric: str | None = None) -> Report:
    """The report of two models on the same images: paired tests over all, by class and by slice, and what only one
    gets right.

    Args:
        first, second: of the same split of the same data.
        metric: name; None for the primary one of the first.

    Raises:
        DataError: the two were not evaluated on the same images with the same labels.
        ValueError: the task has no such metric.
    """
    found = compare_trials(first, second, metric)
    test = found.comparison
    classes = most_different(compare_classes(first, second), MAX_PARTS)
    slices = most_different(compare_slices(first, second, metric), MAX_PARTS)
    is_different = "can be told apart" if test.p_value < LEVEL else "cannot be told apart"
    rows = [
        [name, one.text(4), two.text(4)]
        for (name, one), two in zip(first.metrics().items(), second.metrics().values(), strict=True)
    ]
    return Report(
        kicker=f"{first.predictions.task} · comparison on {len(first.rows)} {first.split} images",
        title=f"{first.name} and {second.name}",
        facts=(
            (f"{found.metric}, second minus first", test.difference.text(3)),
            ("p", f"{test.p_value:.2g}"),
            ("only the first right", str(len(found.only_first))),
            ("only the second right", str(len(found.only_second))),
        ),
        verdict=(
            f"By {found.metric} the two {is_different} on these images: {test.difference.text(3)}, "
            f"p {test.p_value:.2g} ({test.test})",
            f"Both are right on {found.both} images, neither on {found.neither}",
        ),
        sections=(
            Section("metrics", "Metrics", (Table(["metric", first.name, second.name], rows),)),
            Section("classes", "Classes", (Table(*part_table(classes, "class", first.class_figure)),)),
            *([Section("slices", "Slices", (Table(*part_table(slices, "slice", found.metric)),))] if slices else []),
            _only_right("first", second, found.only_first),
            _only_right("second", first, found.only_second),
        ),
    )


def _only_right(position: str, wrong: Evaluated, images: tuple[str, ...]) -> Section:
    """The images that only one of two models gets right, with what the other says."""
    title = f"Only the {position} is right ({len(images)})"
    by_image = {wrong.image(mistake): mistake for mistake in wrong.mistakes()}
    shown = [by_image[image] for image in images[:MAX_MISTAKES]]
    if not shown:
        return Section(position, title, (Sentences(("On no image.",)),))
    return Section(position, title, (Sentences((f"What {wrong.name} says:",)), gallery(wrong, shown)))


def _name_of(dataset: Dataset) -> str:
    """What people call the data: the last part of where it is."""
    return dataset.root.rstrip("/").rpartition("/")[2] or dataset.root

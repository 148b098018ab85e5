"""The model card: what the model is, how good it is shown to be, and what it must not be used for unseen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from automl_vision.core.files import write_text
from automl_vision.serving.model_folder import CARD_FILE, ModelDescription, OperatingPoint


def write_card(description: ModelDescription, folder: Path) -> None:
    """Write `card.md` from what `model.json` says."""
    write_text(folder / CARD_FILE, card_text(description))


def card_text(description: ModelDescription) -> str:
    """The card as Markdown (after Mitchell et al. 2019)."""
    weights = description.weights
    parts = [
        f"# {description.model_name} for {description.task}",
        f"{len(description.classes)} classes: {', '.join(description.classes)}.",
        "## How good it is",
        *(_split_table(split, report) for split, report in description.metrics.items()),
        "Intervals are of 95 %, over images (Wilson for accuracy, bootstrap otherwise). The validation images chose "
        "the epoch and what was fitted after it, so their figures are a little too good; test images, where there are "
        "any, saw neither.",
        *_refit(description),
        *_operating_point(description.operating_point),
        *_prediction_sets(description),
        "## What it needs",
        description.preprocessing.sentence,
        "## Where it comes from",
        _bullets(
            {
                "Trained on": ", ".join(f"{n} {split}" for split, n in description.data.get("images", {}).items()),
                "Data fingerprint": description.data.get("fingerprint"),
                "First weights": weights.get("source"),
                "Licence of the first weights": weights.get("licence") or "not stated by their source",
                "Created": description.provenance.get("created"),
            }
        ),
        "## Proof of the export",
        _bullets(
            {
                **{name.replace("_", " ").capitalize(): value for name, value in description.parity.items()},
                **{
                    f"Latency of one image, {name}": f"{figures['median_ms']:.1f} ms (p95 {figures['p95_ms']:.1f} ms)"
                    for name, figures in description.latency.items()
                },
            }
        ),
        *_formats(description),
    ]
    return "\n\n".join(parts) + "\n"


def _refit(description: ModelDescription) -> list[str]:
    """Says that the figures of validation images are of another model; nothing where they are of this one."""
    if "refit_epochs" not in description.provenance:
        return []
    return [
        "This model was trained on the validation images too. Their figures, its temperature and its thresholds are of "
        "the model before that; the test images, where there are any, judge this one."
    ]


def _formats(description: ModelDescription) -> list[str]:
    """A table of the formats; nothing for a model that has only the first one, unmeasured."""
    entries = {name: entry for name, entry in description.formats.items() if "metric" in entry}
    if not entries:
        return []
    rows = [
        f"| {name} | {entry['file']} | {entry['bytes'] / 1e6:.1f} | {entry['latency']['batch 1']['median_ms']:.1f} | "
        f"{entry['metric']['value']:.4f} | {_change(entry)} | {'refused' if 'refused' in entry else 'yes'} |"
        for name, entry in entries.items()
    ]
    metric = next(iter(entries.values()))["metric"]["name"]
    head = [
        f"| runtime | file | MB | ms per image, 1 thread | {metric} | change, interval | usable |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    refusals = [
        f"{name} was refused: {entry['refused']}." for name, entry in description.formats.items() if "refused" in entry
    ]
    return ["## Formats", "\n".join([*head, *rows]), *([_lines(refusals)] if refusals else [])]


def _change(entry: dict[str, Any]) -> str:
    change = entry.get("difference")
    return "" if change is None else f"{change['value']:+.4f} ({change['low']:+.4f} to {change['high']:+.4f})"


def _operating_point(point: OperatingPoint | None) -> list[str]:
    """What was chosen and how it does; nothing for the model's own thresholds."""
    if point is None:
        return []
    measured = point.measured
    figures = {
        name.capitalize(): f"{interval['value']:.4f} ({interval['low']:.4f} to {interval['high']:.4f})"
        for name in ("precision", "recall", "answered")
        if (interval := measured.get(name)) is not None
    }
    chosen = f"Thresholds were chosen on {point.fitted_on} images" if point.fitted_on else "Nothing was fitted"
    scores = f" Scores are calibrated ({point.score_map.words})." if point.score_map is not None else ""
    return [
        "## Operating point",
        f"The decisions are those of a saved operating point; wanted was {point.wanted}. {chosen}; the figures below "
        f"are of {measured.get('images', 0)} images ({measured.get('split', '')}).{scores}",
        _bullets(figures),
        *([_lines(measured["sentences"])] if measured.get("sentences") else []),
    ]


def _prediction_sets(description: ModelDescription) -> list[str]:
    """A table of the sets; nothing for a detector."""
    if not description.prediction_sets:
        return []
    rows = [
        f"| {entry.error_rate:g} | {entry.threshold:.4f} | "
        + (
            f"{entry.covered['value']:.4f} ({entry.covered['low']:.4f} to {entry.covered['high']:.4f}) | "
            f"{entry.mean_size:.2f} |"
            if entry.covered is not None
            else "| |"
        )
        for entry in description.prediction_sets
    ]
    head = ["| error rate | probability from | truth held on test images | labels |", "| --- | --- | --- | --- |"]
    return ["### Prediction sets", "\n".join([*head, *rows])]


def _split_table(split: str, report: dict[str, Any]) -> str:
    intervals = report["intervals"]
    rows = [
        f"| {name} | {value:.4f} | "
        + (f"{intervals[name]['low']:.4f} to {intervals[name]['high']:.4f} |" if name in intervals else "|")
        for name, value in report["metrics"].items()
    ]
    return "\n".join([f"### {split}", "", "| metric | value | interval |", "| --- | --- | --- |", *rows])


def _lines(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _bullets(values: dict[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in values.items() if value is not None)

"""The model card: what the model is, how good it is shown to be, and what it must not be used for unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_vision.serving.model_folder import CARD_FILE, ModelDescription


def write_card(description: ModelDescription, folder: Path) -> None:
    """Write `card.md` from what `model.json` says."""
    (folder / CARD_FILE).write_text(card_text(description), encoding="utf-8")


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
    ]
    return "\n\n".join(parts) + "\n"


def _split_table(split: str, report: dict[str, Any]) -> str:
    intervals = report["intervals"]
    rows = [
        f"| {name} | {value:.4f} | "
        + (f"{intervals[name]['low']:.4f} to {intervals[name]['high']:.4f} |" if name in intervals else "|")
        for name, value in report["metrics"].items()
    ]
    return "\n".join([f"### {split}", "", "| metric | value | interval |", "| --- | --- | --- |", *rows])


def _bullets(values: dict[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in values.items() if value is not None)

"""One trial of ours with chosen hyperparameters, for the scripts beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from automl_vision.core.records import Evaluation
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.checking import check_hyperparameters
from automl_vision.recipes.trial_spec import TrialSpec


class Kept:
    """Keeps what a trial reports, and prints it where it is told how to print an evaluation.

    Attributes:
        messages: in their order.
        evaluations: of each epoch, as JSON values.

    Args:
        figures: an evaluation as text; None prints nothing.
    """

    def __init__(self, figures: Callable[[Evaluation], str] | None = None) -> None:
        self.messages: list[str] = []
        self.evaluations: list[dict[str, Any]] = []
        self._figures, self._start = figures, time.monotonic()

    def message(self, text: str) -> None:
        """Keep a sentence."""
        self.messages.append(text)
        self._print(text)

    def progress(self, *_: object, **__: float) -> None:
        """Keep nothing."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """Keep the figures of an epoch."""
        self.evaluations.append(evaluation.model_dump())
        if self._figures is not None:
            self._print(f"epoch {evaluation.epoch}: {self._figures(evaluation)}")

    def stop_reason(self) -> str | None:
        """Never stop it."""
        return None

    def _print(self, text: str) -> None:
        if self._figures is not None:
            print(f"{time.monotonic() - self._start:6.0f} s  {text}", flush=True)


def settings_of(pairs: list[str]) -> dict[str, Any]:
    """Hyperparameters of `NAME=VALUE`, with values as in YAML."""
    return {name: yaml.safe_load(value) for name, _, value in (pair.partition("=") for pair in pairs)}


def prepared(
    dataset: Dataset,
    model_name: str,
    settings: Mapping[str, Any],
    folder: Path,
    *,
    cache: Path,
    seed: int = 0,
    seconds: float | None = None,
    threads: int = 0,
) -> TrialSpec:
    """A trial that is ready to be trained; ends the program where the algorithm does not have such hyperparameters.

    Args:
        dataset: with a split for every image.
        model_name: of the algorithm.
        settings: hyperparameters; the others have their defaults.
        folder: of the trial, made here; its data is kept there too.
        cache: of decoded images.
        seed: of its random choices.
        seconds: of wall-clock time; None for no limit.
        threads: that it may use; 0: all.
    """
    hyperparameters, mistakes = check_hyperparameters(dataset.task, settings, model_name)
    if hyperparameters is None:
        raise SystemExit("\n".join(map(str, mistakes)))
    folder.mkdir(parents=True, exist_ok=True)
    dataset.save(folder / "data.parquet")
    return TrialSpec(
        task=dataset.task,
        manifest=str(folder / "data.parquet"),
        fingerprint=dataset.fingerprint,
        model_name=model_name,
        hyperparameters=hyperparameters,
        folder=str(folder),
        cache=str(cache),
        seed=seed,
        budget_seconds=seconds,
        threads=threads,
    )

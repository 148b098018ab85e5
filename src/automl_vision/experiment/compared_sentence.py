"""The paired test of two trials in a sentence."""

from __future__ import annotations

from automl_vision.core.numbers import finite
from automl_vision.core.text import as_sentence
from automl_vision.evaluation.slices import LEVEL
from automl_vision.experiment.compared import Compared
from automl_vision.experiment.evaluated import Evaluated


def compared_sentence(compared: Compared, first: Evaluated, names: tuple[str, str]) -> str:
    """Whether the difference is real.

    Args:
        compared: the test.
        first: the first trial.
        names: what the two are called.
    """
    test, metric = compared.comparison, first.metric(compared.metric)
    if finite(test.p_value) is None:
        return f"{metric.words} of the two cannot be compared on these {test.images} {first.split} images."
    figures = f"{test.difference.text(3)}, p {test.p_value:.2g}, {test.test} on {test.images} {first.split} images"
    if test.p_value >= LEVEL:
        return as_sentence(f"{names[1]} cannot be told from {names[0]} by {metric.words} ({figures})")
    better = "better" if metric.score(test.difference.value) > 0 else "worse"
    return as_sentence(f"{names[1]} is {better} than {names[0]} by {metric.words} ({figures})")

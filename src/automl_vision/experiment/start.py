"""The algorithm that a config starts from on this machine."""

from __future__ import annotations

from automl_vision.compute.local import visible_gpus
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.recipes.catalog import family_of
from automl_vision.recipes.checking import check_hyperparameters
from automl_vision.recipes.start_models import Start, choose_start

_OF_WEIGHTS = ("weights", "checkpoint_run_id", "checkpoint_filename")  # which are those of one algorithm


def start_of(config: AutoMLVisionConfig) -> Start:
    """The algorithm of a config, or the default for this machine where it names none.

    Asks the hub of weights whether it answers where that decides.

    Args:
        config: what to run.
    """
    settings = config.settings
    names_weights = any(settings.get(name) is not None for name in _OF_WEIGHTS)
    if config.names_algorithm or names_weights or not settings.get("pretrained", True):
        return Start(config.algorithm, "")

    def accepts(name: str) -> bool:
        if config.hyperparameter_sampling is not None:  # its space was checked for the default's hyperparameters
            return family_of(config.task, name) is family_of(config.task, config.algorithm)
        return check_hyperparameters(config.task, settings, name)[0] is not None

    return choose_start(
        config.task,
        has_gpu=config.compute_target == "cuda" or (config.compute_target == "local" and bool(visible_gpus())),
        minutes=60 * config.experiment_timeout_hours,
        accepts=accepts,
    )

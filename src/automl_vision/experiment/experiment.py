"""`Experiment`: runs that belong together; submitting a run starts it in its own process."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_vision.compute.local import visible_gpus
from automl_vision.compute.targets import require_target, uses_this_machine
from automl_vision.core.errors import ConfigError, RunFailedError
from automl_vision.core.version import VERSION
from automl_vision.data.dataset import Dataset
from automl_vision.data.joining import join_validation
from automl_vision.data.manifest_file import is_manifest
from automl_vision.data.scan import Progress
from automl_vision.data.usability import require_usable
from automl_vision.evaluation.metric import find_metric
from automl_vision.experiment.config import AutoMLVisionConfig
from automl_vision.experiment.run import Run
from automl_vision.experiment.start import start_of
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.runs.pace import find_pace
from automl_vision.runs.plan import Plan, plan_run
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.start import start_run
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.policies import POLICIES
from automl_vision.search.samplers import SAMPLINGS
from automl_vision.serving.model_folder import WEIGHTS_FILE
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.workspace import Workspace


class Experiment:
    """A name under which runs are kept.

    Args:
        workspace: where.
        name: letters, digits, spaces, `-`, `_` and `.`.

    Raises:
        ConfigError: the name has other characters.
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        if not name.strip() or not all(c.isalnum() or c in " -_." for c in name) or name.startswith("."):
            raise ConfigError(
                [f"an experiment's name is made of letters, digits, spaces, - _ and ., not {name!r}"],
                subject="The experiment",
            )
        self.workspace = workspace
        self.name = name

    def submit(self, config: AutoMLVisionConfig, *, queue: bool = True) -> Run:
        """Start a run and return at once; the run goes on after this process ends.

        The data is opened here, so that mistakes in it are reported at once. Runs that use this machine work one after
        another, in the order in which they were submitted; until its turn a run is `Queued`, and its time does not
        begin. Runs on a cluster leave that to the cluster.

        Args:
            config: what to run.
            queue: wait until the runs before this one have ended; if not, it starts at once beside them.

        Raises:
            ComputeError: the compute target is not available.
            DataError: the data cannot be used.
            RunNotFoundError: `checkpoint_run_id` names no run.
        """
        with prepared_run(config, self) as (folder, lock):
            start_run(folder, lock, queue=queue)
        return Run(self.workspace, folder.id)

    def plan(self, config: AutoMLVisionConfig, *, images: int | None = None) -> Plan:
        """Estimate what a run of a config would do with its time; nothing is started.

        The speed of the algorithm is taken from earlier runs of the workspace, else from the benchmarks.

        Args:
            config: what to run.
            images: of its data; by default the data is opened and counted.

        Raises:
            DataError: the data cannot be used.
            RunNotFoundError: `checkpoint_run_id` names no run.
        """
        if images is None:
            images = len(open_training_data(config, self.workspace))
        spec = run_spec(config, self, Path())
        first = spec.trials[0]
        pace = find_pace(self.workspace, spec.task, first.model_name, first.hyperparameters.model_dump(mode="json"))
        gpus = len(visible_gpus()) if uses_this_machine(config.compute_target) else config.max_concurrent_iterations
        return plan_run(
            spec,
            pace,
            images=images,
            lanes=max(1, min(gpus, config.max_concurrent_iterations)),
        )

    def runs(self) -> list[Run]:
        """The experiment's runs, oldest first."""
        ids = self.workspace.run_ids()
        return [
            Run(self.workspace, run_id)
            for run_id in ids
            if self.workspace.run_folder(run_id).record().experiment == self.name
        ]

    def __repr__(self) -> str:
        return f"Experiment({self.name!r}, {self.workspace!r})"


@contextmanager
def prepared_run(config: AutoMLVisionConfig, experiment: Experiment) -> Iterator[tuple[RunFolder, int]]:
    """Open the data of a run and write its folder, for a process that works on it; raises what `submit` raises.

    Args:
        config: what to run.
        experiment: to which the run belongs.

    Yields:
        The run's folder, and the descriptor of its lock, which that process inherits.
    """
    require_target(config.compute_target)
    workspace = experiment.workspace
    dataset = open_training_data(config, workspace)
    folder = RunFolder(workspace.runs_path / new_run_id(experiment.name))
    manifest = workspace.keep_manifest(dataset)
    version = workspace.datasets.find(dataset.fingerprint)
    spec = run_spec(config, experiment, manifest, data_version=None if version is None else version.id)
    folder.path.mkdir(parents=True)
    with folder.lock.hold() as lock:
        folder.create(spec.model_dump(), experiment=experiment.name)
        yield folder, lock


def open_training_data(config: AutoMLVisionConfig, workspace: Workspace) -> Dataset:
    """Open the training data, joined with the validation data, for the config's task.

    Args:
        config: has the data, or its path or registered name.
        workspace: where datasets are registered.

    Raises:
        DataError: it cannot be used.
    """
    dataset = _opened(config.training_data, config, workspace)
    if config.validation_data is not None:
        dataset = join_validation(dataset, _opened(config.validation_data, config, workspace))
    return dataset


def run_spec(
    config: AutoMLVisionConfig, experiment: Experiment, manifest: Path, *, data_version: str | None = None
) -> RunSpec:
    """Return the specification of the run that a config describes."""
    start = start_of(config)
    hyperparameters = config.hyperparameters_of(start.model)
    epochs = {"number_of_epochs": hyperparameters.most_epochs} if config.epochs_by_time else {}
    hyperparameters = hyperparameters.model_copy(update=epochs)
    algorithm = {} if config.fixed_algorithm is None else {"model_name": config.fixed_algorithm}
    trial = PlannedTrial(
        model_name=start.model,
        hyperparameters=hyperparameters,
        start_from=_start_from(experiment.workspace, hyperparameters),
    )
    return RunSpec(
        version=VERSION,
        experiment=experiment.name,
        task=config.task,
        manifest=str(manifest),
        data_version=data_version,
        max_bad_share=config.max_bad_share,
        primary_metric=config.metric,
        lower_is_better=not find_metric(config.task, config.metric).higher_is_better,
        trials=[trial],
        budget_seconds=3600 * config.experiment_timeout_hours,
        seed=config.seed,
        compute_target=config.compute_target,
        threads=config.threads,
        processes=config.processes_per_trial,
        workspace=str(experiment.workspace.path),
        arguments=config.settings | epochs | algorithm,
        iterations=config.most_trials,
        concurrent=config.max_concurrent_iterations,
        sampling=None if config.hyperparameter_sampling is None else SAMPLINGS.to_json(config.hyperparameter_sampling),
        policy=None if config.policy is None else POLICIES.to_json(config.policy),
        automode=config.automode,
        start_reason=start.reason,
        gate=config.automode_gate,
        ensemble=config.enable_voting_ensemble,
        refit_full=config.refit_full,
        max_latency_ms=config.max_latency_ms,
        max_size_mb=config.max_size_mb,
    )


def new_run_id(experiment: str) -> str:
    """Return a readable, unique id for a run."""
    words = "-".join("".join(c if c.isalnum() else " " for c in experiment).split())
    return f"{words}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def _opened(data: Dataset | str, config: AutoMLVisionConfig, workspace: Workspace) -> Dataset:
    if isinstance(data, str):
        path = workspace.datasets.resolve(data)
        dataset = open_as(config, path)
        if not is_manifest(path):  # a manifest is only loaded, everything else was checked
            return dataset
    else:
        dataset = data.as_task(config.task).with_range(config.value_range)
    require_usable(dataset, max_bad_share=config.max_bad_share)
    return dataset


def open_as(
    config: AutoMLVisionConfig, path: str, *, max_bad_share: float | None = None, progress: Progress | None = None
) -> Dataset:
    """Open data as a config reads it.

    Args:
        config: that says how.
        path: of the data, or a URL.
        max_bad_share: of images, and of objects, that may be unusable; None takes the config's.
        progress: called with (images done, images in all).

    Raises:
        DataError: the data cannot be opened, or more of it is unusable.
    """
    return Dataset.open(
        path,
        task=config.task,
        max_bad_share=config.max_bad_share if max_bad_share is None else max_bad_share,
        allow_outside=config.allow_outside,
        exif=config.exif,
        value_range=config.value_range,
        progress=progress,
    )


def _start_from(workspace: Workspace, hyperparameters: Hyperparameters) -> str | None:
    """Return the weights of an earlier run: those of its model, or the named file of one of its trials.

    Raises:
        RunNotFoundError: no run has the id.
        RunFailedError: the run has no such weights.
    """
    run_id, filename = hyperparameters.checkpoint_run_id, hyperparameters.checkpoint_filename
    if run_id is None:
        return None
    folder = workspace.run_folder(run_id)
    if filename is None:
        found = [folder.model / WEIGHTS_FILE]
    else:
        best = folder.record().best_trial
        trials = sorted(folder.trials(), key=lambda trial: trial.number != best)
        found = [trial.path / Path(filename).name for trial in trials]
    for weights in found:
        if weights.exists():
            return str(weights)
    raise RunFailedError(f'checkpoint_run_id: run "{run_id}" has no {filename or "model"} to start from')

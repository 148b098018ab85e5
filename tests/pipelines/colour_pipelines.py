"""Pipelines over images of three colours; their runs were not trained, but have packaged models."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from automl_vision import Dataset, Workspace
from automl_vision.core.records import RunStatus
from automl_vision.experiment.experiment import Experiment, run_spec
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.definition import PipelineDefinition
from automl_vision.pipelines.results import DataTaken, Results, Trained, TrainedRun
from automl_vision.pipelines.running import run_pipeline
from automl_vision.pipelines.steps import find_step
from automl_vision.workspace.run_folder import RunFolder
from colour_models import COLOURS, GOOD, write_colour_model

RULE = {"margin": 0.3, "worst_slice_margin": None, "min_images": 15}


def colour_context(workspace: Workspace, data: Path | str, **settings: object) -> PipelineContext:
    """A pipeline over a folder of images."""
    values = {"name": "colours", "task": "image-classification", "data": str(data), "endpoint": "colours"}
    gates = {"promotion": RULE, "data": {"ignore": ["tiny-image"], "max_errors": 100}}
    return PipelineContext(PipelineDefinition(**{"gates": gates, **values, **settings}), workspace)


def write_run(
    context: PipelineContext, run_id: str, weights: np.ndarray = GOOD, classes: tuple[str, ...] = COLOURS
) -> RunFolder:
    """A run that completed, with a model of given weights and the data of the pipeline's newest version."""
    taken = run_pipeline(context, until="data").done[0].result
    assert isinstance(taken, DataTaken)
    folder = RunFolder(context.workspace.runs_path / run_id)
    manifest = context.workspace.datasets.get(taken.version).manifest
    config = context.definition.config(training_data=manifest)
    spec = run_spec(config, Experiment(context.workspace, context.definition.name), Path(manifest))
    folder.create(spec.model_dump(), experiment=context.definition.name)
    folder.update(status=RunStatus.COMPLETED, best_trial=0)
    folder.trial(0).write_plan(spec.trials[0].model_dump(mode="json"))
    Dataset.load(manifest).save(folder.manifest)
    write_colour_model(folder.model, weights, classes=classes, run=run_id, trial=0)
    return folder


def trained_as(context: PipelineContext, run_id: str, **model: object) -> Trained:
    """Keep a run as the result of the training step for the data and settings as they are."""
    write_run(context, run_id, **model)
    results = Results()
    results.add(run_pipeline(context, until="data").done[0].result)
    champion = context.champion()
    trained = Trained(
        key=find_step("train").digest_of(context, results),
        sentence="written by a test",
        runs=[TrainedRun(run=run_id, start="start", score=0.9, status="Completed")],
        chosen=run_id,
        metric="accuracy",
        champion="" if champion is None else champion.id,
    )
    context.store.save(trained)
    return trained

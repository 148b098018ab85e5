"""Runs that this process works on, with the fork server that is loaded already.

A submitted run starts a process and a fork server of its own, which takes about 12 seconds of work. These are for tests
of what a run does, not of how it is started and what it survives.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from automl_vision import AutoMLVisionConfig, Experiment, Run
from automl_vision.experiment.experiment import prepared_run
from automl_vision.experiment.run import reopened_run
from automl_vision.runs.controller import work_on_run
from conftest import SMALL_MODEL
from processes import wait_for


def small_config(data: Path, *, epochs: int) -> AutoMLVisionConfig:
    """The config of one small trial from random weights on folders of classes."""
    sizes = dict.fromkeys(("training_crop_size", "validation_crop_size", "validation_resize_size"), 32)
    arguments = {"number_of_epochs": epochs, "pretrained": False, "linear_probe": False, **sizes}
    return AutoMLVisionConfig(
        task="image-classification", training_data=str(data), model_name=SMALL_MODEL, arguments=arguments
    )


def work_here(experiment: Experiment, config: AutoMLVisionConfig) -> Run:
    """Work on a run to its end, as the process would that `submit` starts."""
    run, worker = start_here(experiment, config)
    worker.join()
    return run


def start_here(experiment: Experiment, config: AutoMLVisionConfig) -> tuple[Run, threading.Thread]:
    """Work on a run in a thread."""
    with prepared_run(config, experiment) as (folder, lock):
        worker = threading.Thread(target=work_on_run, args=(folder, os.dup(lock)), daemon=True)
        worker.start()
    return Run(experiment.workspace, folder.id), worker


def resume_here(run: Run) -> None:
    """Go on with a run to its end, as the process would that `resume` starts."""
    with reopened_run(run.folder) as lock:
        work_on_run(run.folder, os.dup(lock))


def kill_controller(run: Run) -> bool:
    """kill -9 the process that works on a run, and wait until the kernel has released it; False when there is none."""
    pid = run.folder.record().pid
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False
    if run.id not in command:
        return False
    os.kill(int(pid), signal.SIGKILL)
    wait_for(lambda: not run.folder.is_active())
    return True

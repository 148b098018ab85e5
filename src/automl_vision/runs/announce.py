"""`python -m automl_vision.runs.announce FOLDER STATUS` shows a waiting run's status in MLflow, and ends.

It is a process of its own so that a run that waits for hours does not hold MLflow's 110 MB of memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

from automl_vision.runs.mlflow_observer import published
from automl_vision.runs.spec import read_run_spec
from automl_vision.workspace.run_folder import RunFolder

if __name__ == "__main__":
    folder = RunFolder(Path(sys.argv[1]))
    spec = read_run_spec(folder.id, folder.spec())
    with published(folder, spec) as publisher:
        publisher.run_waits(spec, sys.argv[2])

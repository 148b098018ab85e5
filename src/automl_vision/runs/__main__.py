"""`python -m automl_vision.runs FOLDER` works on the run of that folder, whose lock and ticket it may inherit.

A module of this name is not imported again by each trial's process, as any other main module would be.
"""

from __future__ import annotations

from automl_vision.runs.entry import main

main()

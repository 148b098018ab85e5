"""`python -m automl_vision.sweeps FOLDER` works on the run of that folder.

A module of this name is not imported again by each trial's process, as any other main module would be.
"""

from __future__ import annotations

from automl_vision.sweeps.run import main

main()

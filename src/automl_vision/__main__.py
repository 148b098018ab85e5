"""`python -m automl_vision` is the command `automl-vision`, also where the folder of scripts is not in the path."""

from __future__ import annotations

from automl_vision.cli.main import main

main()

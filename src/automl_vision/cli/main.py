"""Entry point of `automl-vision`: a mistake of the user is one message and exit code 2."""

from __future__ import annotations

import os
import sys

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.late import not_in_the_predictor


def main() -> None:
    """Run the command line; on a machine that has only what the predictor needs, `predict` still works."""
    try:
        sys.exit(_run())
    except AutoMLVisionError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _run() -> int:
    command = sys.argv[1:2]
    try:
        from automl_vision.cli.commands import add_train, app

        add_train(called=command == ["train"])
        app()
    except ModuleNotFoundError as error:
        if command != ["predict"]:
            raise not_in_the_predictor("any command but `automl-vision predict`", error) from error
        from automl_vision.serving.command import main as predict

        return predict()
    return 0

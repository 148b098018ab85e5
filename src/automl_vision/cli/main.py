"""Entry point of `automl-vision`: a mistake of the user is one message and exit code 2."""

from __future__ import annotations

import os
import sys

from automl_vision.core.errors import AutoMLVisionError


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
    try:
        from automl_vision.cli.commands import add_train, app
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        if sys.argv[1:2] == ["predict"]:
            from automl_vision.serving.command import main as predict

            return predict()
        sys.stderr.write("only `automl-vision predict` works here; for the rest: pip install automl-vision\n")
        return 2
    add_train(called=sys.argv[1:2] == ["train"])
    app()
    return 0

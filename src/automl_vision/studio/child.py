"""Calls a function in a process of its own: what needs torch or much time does not belong into the server."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from automl_vision.core import errors
from automl_vision.core.errors import AutoMLVisionError, ConfigError, Problem

_PROGRAM = "from automl_vision.studio.child import main; main()"
_LINES = 5  # of what a process said before it failed


class ChildError(AutoMLVisionError):
    """A process of the studio has a fault."""


def call_in_child(function: str, arguments: dict[str, Any]) -> Any:
    """Call a function of the product in another process, and return its JSON value.

    Args:
        function: as "module:name"; it takes the arguments as keywords.
        arguments: JSON values.

    Raises:
        AutoMLVisionError: what the function raised.
        ChildError: the process failed otherwise.
    """
    request = json.dumps({"function": function, "arguments": arguments})
    command = [sys.executable, "-c", _PROGRAM]
    done = subprocess.run(command, input=request, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = "\n".join(done.stderr.splitlines()[-_LINES:])
        raise ChildError(f"the studio's process for {function} ended with {done.returncode}: {said}")
    answer = json.loads(lines[-1])
    if "error" in answer:
        raise _error(answer)
    return answer["value"]


def _error(answer: dict[str, Any]) -> AutoMLVisionError:
    """The error that the function raised."""
    if answer["problems"]:
        problems = [Problem(tuple(problem["path"]), problem["sentence"]) for problem in answer["problems"]]
        return ConfigError(problems, subject=answer["subject"])
    kind: type[AutoMLVisionError] = getattr(errors, answer["error"], AutoMLVisionError)
    return kind(answer["message"])


def main() -> None:
    """Call the function that the standard input names."""
    from automl_vision.core.late import load
    from automl_vision.core.plugins import load_plugins

    load_plugins()
    request = json.load(sys.stdin)
    try:
        answer = {"value": load(request["function"])(**request["arguments"])}
    except AutoMLVisionError as error:
        found = error.problems if isinstance(error, ConfigError) else []
        answer = {
            "error": type(error).__name__,
            "message": str(error),
            "subject": getattr(error, "subject", ""),
            "problems": [{"path": problem.path, "sentence": problem.sentence} for problem in found],
        }
    sys.stdout.write(f"\n{json.dumps(answer)}\n")

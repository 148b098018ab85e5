"""The command line in this process: what a command prints and its exit code, without the start of a process."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from automl_vision.cli.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run_command(*arguments: object, environment: dict[str, str] | None = None) -> Done:
    """Call the program's entry point with arguments and more environment."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setattr(sys, "argv", ["automl-vision", *map(str, arguments)])
        patch.setattr(sys.modules["__main__"], "__package__", None)  # or the name would be that of how tests started
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    return Done(int(ended.value.code or 0), output.getvalue(), errors.getvalue())

"""A real MLflow server on PostgreSQL for tests, where the machine has PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAM = Path(__file__).parents[1] / "examples" / "mlflow_server.py"
_NOT_INSTALLED = 3


@contextmanager
def mlflow_on_postgresql() -> Iterator[str]:
    """Run `examples/mlflow_server.py`; yields the address of the server, and skips where there is no PostgreSQL."""
    program = subprocess.Popen(
        [sys.executable, str(_PROGRAM)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            if not line and program.wait() == _NOT_INSTALLED:
                pytest.skip(program.stderr.read() if program.stderr else "")
            yield line.strip().removeprefix("export MLFLOW_TRACKING_URI=")
        finally:
            program.terminate()

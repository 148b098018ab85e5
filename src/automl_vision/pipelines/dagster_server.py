"""Opens a pipeline in Dagster on this machine, with its daemon; nothing is reported to anyone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from automl_vision.core.errors import MissingPackageError, PipelineError
from automl_vision.core.interruption import Interruption
from automl_vision.core.system import apart, end_group
from automl_vision.core.telemetry import TELEMETRY_OFF
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.dagster_settings import dagster_home
from automl_vision.web.listening import listening_socket

HOST = "127.0.0.1"
FILE_VARIABLE = "AUTOML_VISION_PIPELINE"
"""Names the pipeline's file to Dagster's processes."""

_ENDING = 20.0  # seconds


def dagster_environment(workspace: Path, file: Path) -> dict[str, str]:
    """The environment of Dagster's processes."""
    return {
        **os.environ,
        **TELEMETRY_OFF,
        "DAGSTER_HOME": str(dagster_home(workspace)),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded",  # by a command that needs a project of its own
        "AUTOML_VISION_WORKSPACE": str(workspace),
        FILE_VARIABLE: str(file.resolve()),
    }


def serve_pipeline(context: PipelineContext, file: Path, *, port: int, announce: Callable[[str], None]) -> None:
    """Serve Dagster's pages on loopback, and run its sensors and schedule, until Ctrl-C or SIGTERM.

    What was done by `automl-vision pipeline` before is shown too.

    Args:
        context: of the pipeline.
        file: that defines it.
        port: to listen on; 0 takes a free one.
        announce: called with the address.

    Raises:
        MissingPackageError: Dagster is not installed.
        AddressTakenError: the port is taken.
        PipelineError: Dagster ended by itself.
    """
    environment = dagster_environment(context.workspace.path, file)
    _tell_what_is_known(context, environment)
    with listening_socket(HOST, port) as listener:  # let go again: Dagster listens by itself
        chosen = int(listener.getsockname()[1])
    command = [sys.executable, "-m", "dagster", "dev", "-m", "automl_vision.pipelines.dagster_code",
               "-h", HOST, "-p", str(chosen), "--log-level", "warning"]  # fmt: skip
    with Interruption():
        process = subprocess.Popen(command, env=environment, **apart())  # its signals are not ignored either
        try:
            announce(f"http://{HOST}:{chosen}  Ctrl-C ends it")
            code = process.wait()
        except KeyboardInterrupt:
            return
        finally:
            _end(process)
    raise PipelineError(f"Dagster ended by itself with code {code}; what it wrote above says why")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Dagster and the processes that it started; a run that trains has a session of its own and goes on."""
    with suppress(ProcessLookupError, ValueError):  # Windows has no such signal to send
        process.send_signal(signal.SIGINT)
    for at_once in (False, True):
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING)
        end_group(process.pid, at_once=at_once)


def _tell_what_is_known(context: PipelineContext, environment: dict[str, str]) -> None:
    try:
        import dagster
        import dagster_webserver  # noqa: F401 - it is what the pages need
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f'{error.name} is not installed. Install it with: pip install "automl-vision[pipelines]"; '
            "automl-vision pipeline run needs none of it"
        ) from None
    from automl_vision.pipelines.dagster_assets import report_known

    os.environ |= {name: environment[name] for name in ("DAGSTER_HOME", "DAGSTER_DISABLE_TELEMETRY")}
    with dagster.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        report_known(instance, context.definition, context.workspace)

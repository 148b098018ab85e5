"""The operations of the API, one module a noun; the OpenAPI description follows from their types."""

from __future__ import annotations

from automl_vision.studio.api import activity, run_control, run_files, runs, session, system, trials, work

ROUTERS = (
    system.router,
    session.router,
    runs.router,
    run_control.router,
    run_files.router,
    trials.router,
    activity.router,
    work.router,
)

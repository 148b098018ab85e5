"""The operations of the API, one module a noun; the OpenAPI description follows from their types."""

from __future__ import annotations

from automl_vision.studio.api import gates, models, predictions, queue, runs, session, system, trials, work

ROUTERS = (
    system.router,
    session.router,
    runs.router,
    trials.router,
    work.router,
    models.router,
    gates.router,
    gates.data_router,
    predictions.router,
    queue.router,
)

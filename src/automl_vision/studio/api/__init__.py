"""The operations of the API, one module a noun; the OpenAPI description follows from their types."""

from __future__ import annotations

from automl_vision.studio.api import (
    comparison,
    evaluation,
    explanations,
    operating,
    reviews,
    runs,
    session,
    system,
    trials,
    work,
)

ROUTERS = (
    system.router,
    session.router,
    runs.router,
    trials.router,
    evaluation.router,
    operating.router,
    explanations.router,
    reviews.router,
    comparison.router,
    work.router,
)

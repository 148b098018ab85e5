"""The operations of the API, one module a noun; the OpenAPI description follows from their types."""

from __future__ import annotations

from automl_vision.studio.api import (
    activity,
    comparison,
    data,
    data_doctor,
    data_fixes,
    data_images,
    data_uploads,
    evaluation,
    explanations,
    jobs,
    operating,
    reviews,
    run_control,
    run_files,
    runs,
    session,
    settings,
    system,
    trials,
    work,
)

ROUTERS = (
    system.router,
    session.router,
    settings.router,
    jobs.router,
    runs.router,
    trials.router,
    evaluation.router,
    operating.router,
    explanations.router,
    reviews.router,
    comparison.router,
    data.router,
    data_images.router,
    data_doctor.router,
    data_fixes.router,
    data_uploads.router,
    run_control.router,
    run_files.router,
    activity.router,
    work.router,
)

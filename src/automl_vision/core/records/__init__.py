"""The records that travel between rooms and lie in run folders: typed, frozen, JSON both ways."""

from automl_vision.core.records.events import EvaluationEvent, Event, Message, Progress
from automl_vision.core.records.history import DataFacts, PastTrial
from automl_vision.core.records.record import Record, SomeRecord, read_record
from automl_vision.core.records.results import (
    COMPARISON_FILE,
    METRICS_FILE,
    RESULT_FILE,
    SPEC_FILE,
    STOP_FILE,
    Calibration,
    Evaluation,
    MetricInterval,
    Report,
    TrialMetrics,
    TrialResult,
)
from automl_vision.core.records.runs import (
    Decision,
    Gate,
    PairedTest,
    PlaceInLine,
    Published,
    Ranking,
    RunOutline,
    RunRecord,
    TrialPlan,
    TrialRecord,
)
from automl_vision.core.records.speed import SPEED_FILE, BatchLatency, Speed, cost_text
from automl_vision.core.records.status import RunStatus, TrialStatus

__all__ = [
    "COMPARISON_FILE",
    "METRICS_FILE",
    "RESULT_FILE",
    "SPEC_FILE",
    "SPEED_FILE",
    "STOP_FILE",
    "BatchLatency",
    "Calibration",
    "DataFacts",
    "Decision",
    "Evaluation",
    "EvaluationEvent",
    "Event",
    "Gate",
    "Message",
    "MetricInterval",
    "PairedTest",
    "PastTrial",
    "PlaceInLine",
    "Progress",
    "Published",
    "Ranking",
    "Record",
    "Report",
    "RunOutline",
    "RunRecord",
    "RunStatus",
    "SomeRecord",
    "Speed",
    "TrialMetrics",
    "TrialPlan",
    "TrialRecord",
    "TrialResult",
    "TrialStatus",
    "cost_text",
    "read_record",
]

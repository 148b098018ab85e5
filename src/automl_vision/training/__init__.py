"""One trial: the loop, optimizers, schedules, precision, checkpoint and resume. Nothing is imported here."""

from automl_vision.core.telemetry import switch_off_telemetry

switch_off_telemetry()  # modules of this room import timm, which imports the client of the Hugging Face Hub

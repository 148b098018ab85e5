"""Scoring of outputs, one file per task, without torch."""

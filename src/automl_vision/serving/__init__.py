"""Predictions from a model folder, without torch. Nothing is imported here."""

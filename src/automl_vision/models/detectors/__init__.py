"""Detectors over a feature pyramid on any timm backbone. Nothing is imported here."""

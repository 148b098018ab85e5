"""Hyperparameters, the catalogue of algorithms and geometry; without torch."""

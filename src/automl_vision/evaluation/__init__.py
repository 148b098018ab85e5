"""Predictions and truth to metrics with intervals; NumPy and scikit-learn, never torch."""

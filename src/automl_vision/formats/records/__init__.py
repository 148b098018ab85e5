"""Rows with named fields: CSV, JSON lines, JSON arrays, Hugging Face metadata."""

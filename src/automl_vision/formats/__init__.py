"""Annotation formats: readers and writers."""

"""Watching a deployed model without labels: a bounded sample of what it saw, and tests of whether that has changed."""

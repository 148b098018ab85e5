"""The doctor: checks of a dataset, one module per family, their findings, and what can be done about them.

Nothing is imported here.
"""

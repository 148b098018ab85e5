"""The doctor: checks of a dataset, one module a family, what they found, and what can be done about it.

Nothing is imported here.
"""

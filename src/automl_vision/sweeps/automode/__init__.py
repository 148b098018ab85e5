"""The search without a search space: a default, a portfolio around it, and a test before the default is left.

Nothing is imported here.
"""

"""A dataset: the manifest, one module a format, splits, checks, the pixel cache.

Nothing is imported here, so that the predictor can use `data.images` with only NumPy and Pillow installed.
"""

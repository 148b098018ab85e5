"""Defaults that several rooms share; imports nothing, so that the command line can show them at once."""

MAX_BAD_SHARE = 0.2
"""Maximum fraction of records that may be left out."""

SPLIT_RATIO = 0.2
"""Fraction of the training images that is held out if the data has no validation images."""

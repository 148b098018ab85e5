"""What a distribution in a search space means, in words: the range of its values."""

from __future__ import annotations

from automl_vision.search.distributions import Bell, Choice, Distribution, Numbers


def range_text(distribution: Distribution) -> str:
    """The range of a distribution's values, such as "0.0001 to 0.01 on a logarithmic scale"."""
    if isinstance(distribution, Choice):
        count = len(distribution.values)
        noun = "alternative" if distribution.is_conditional else "value"
        return f"{count} {noun}{'s' if count != 1 else ''}"
    if not isinstance(distribution, Numbers):
        return distribution.type
    low, high = distribution.ends()
    between = f"{low:.4g} to {high:.4g}"
    if isinstance(distribution, Bell):
        between = f"mostly {between}"
    scale = " on a logarithmic scale" if getattr(distribution, "is_log", False) else ""
    step = getattr(distribution, "step", None)
    steps = f" in steps of {step:g}" if step is not None else " in whole numbers" if distribution.is_whole else ""
    return f"{between}{steps}{scale}"

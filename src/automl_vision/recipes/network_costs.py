"""How long networks take for an image, and how large their files are, beside each other.

The table is `network_costs.toml` beside this file; `benchmarks/network_costs.py` measures it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class NetworkCost:
    """What the exported network of an algorithm takes.

    Attributes:
        latency: milliseconds for an image, in units of those of its task's default network at the same input.
        megabytes: size of the file in units of 10^6 bytes, with few classes.
    """

    latency: float
    megabytes: float


@cache
def network_costs() -> Mapping[str, NetworkCost]:
    """The algorithms that were measured, by name."""
    text = files(__package__).joinpath("network_costs.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text).values()
    return {name: NetworkCost(**values) for table in tables for name, values in table.items()}


def relative_latency(name: str, pixels: int, base: str, base_pixels: int) -> float | None:
    """Time of a network for an image, in units of another one's; None where one of them was never measured.

    Times grow with the pixels of the input.

    Args:
        name: of the algorithm.
        pixels: of its input.
        base: the algorithm to compare with, of the same task.
        base_pixels: of the input of that.
    """
    known = network_costs()
    if name == base:
        return pixels / base_pixels
    if name not in known or base not in known:
        return None
    return known[name].latency / known[base].latency * pixels / base_pixels

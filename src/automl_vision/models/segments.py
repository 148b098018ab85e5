"""Regions of an image, and attributions summed over them (XRAI); NumPy only.

The segments are those of Felzenszwalb and Huttenlocher (2004), as in the paper. scikit-image has them too, with five
packages of its own for one function of 30 lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Map = NDArray[np.float32]

_SCALES = (50, 100, 150, 250, 500, 1200)  # as published, of colours from 0 to 255 on 224 x 224 pixels
_LEAST_SHARE = 150 / 224**2  # of the pixels in a segment; as published
_SIDE = 112  # pixels of the longer side that is segmented; 224 took four times as long and moved no border in view
_SIGMA = 0.8  # pixels of the blur before


def region_map(attributions: Map, pixels: NDArray[np.uint8]) -> Map:
    """Regions by their mean attribution, the best first, each with the value at which it was taken (XRAI).

    Segments of several scales overlap; of each only what no better one covers counts.

    Args:
        attributions: (height, width).
        pixels: (height, width, 3) of the same image.
    """
    height, width = attributions.shape
    share = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    small = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(_SIGMA)).resize(size, Image.Resampling.BOX)
    values = np.asarray(Image.fromarray(attributions).resize(size, Image.Resampling.BOX), np.float64)
    colours = np.asarray(small, np.float64)
    least = max(2, round(_LEAST_SHARE * values.size))
    levels = [segments(colours, scale=scale * share, least=least) for scale in _SCALES]
    taken = _take(levels, values).astype(np.float32)
    return np.asarray(Image.fromarray(taken).resize((width, height), Image.Resampling.NEAREST))


def _take(levels: list[NDArray[np.intp]], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the segment with the highest mean of what is left of it until nothing is left."""
    starts = np.cumsum([0, *(int(level.max()) + 1 for level in levels)])
    ids = np.stack([level.ravel() + start for level, start in zip(levels, starts[:-1], strict=True)])
    flat = values.ravel()
    counts = np.bincount(ids.ravel(), minlength=starts[-1]).astype(float)
    sums = np.bincount(ids.ravel(), np.tile(flat, len(ids)), minlength=starts[-1])
    taken, is_left = np.zeros(flat.size), np.ones(flat.size, bool)
    while is_left.any():
        gains = np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)
        best = int(gains.argmax())
        level = int(np.searchsorted(starts, best, side="right")) - 1
        new = np.flatnonzero((ids[level] == best) & is_left)
        taken[new], is_left[new] = gains[best], False
        counts -= np.bincount(ids[:, new].ravel(), minlength=starts[-1])
        sums -= np.bincount(ids[:, new].ravel(), np.tile(flat[new], len(ids)), minlength=starts[-1])
    return taken.reshape(values.shape)


def segments(colours: NDArray[np.float64], *, scale: float, least: int) -> NDArray[np.intp]:
    """Segments by graph cuts: (height, width), numbered from 0.

    Two segments are joined if the colours at their border differ by no more than within either of them, plus `scale`
    divided by its number of pixels.

    Args:
        colours: (height, width, 3).
        scale: the larger, the larger the segments.
        least: pixels of the smallest segment.
    """
    height, width = colours.shape[:2]
    places = np.arange(height * width).reshape(height, width)
    pairs = [(places[:, :-1], places[:, 1:]), (places[:-1], places[1:])]
    one, two = (np.concatenate([pair[k].ravel() for pair in pairs]) for k in (0, 1))
    flat = colours.reshape(-1, colours.shape[2])
    weights = np.linalg.norm(flat[one] - flat[two], axis=1)
    order = np.argsort(weights, kind="stable")
    edges = list(zip(one[order].tolist(), two[order].tolist(), weights[order].tolist(), strict=True))
    forest = _Forest(height * width)
    limits = [float(scale)] * (height * width)
    for first, second, weight in edges:
        a, b = forest.root(first), forest.root(second)
        if a != b and weight <= limits[a] and weight <= limits[b]:
            root = forest.join(a, b)
            limits[root] = weight + scale / forest.sizes[root]
    for first, second, _ in edges:
        a, b = forest.root(first), forest.root(second)
        if a != b and min(forest.sizes[a], forest.sizes[b]) < least:
            forest.join(a, b)
    roots = np.array([forest.root(place) for place in range(height * width)])
    return np.unique(roots, return_inverse=True)[1].reshape(height, width)


class _Forest:
    """Disjoint sets of pixels."""

    def __init__(self, count: int) -> None:
        self.parents = list(range(count))
        self.sizes = [1] * count

    def root(self, place: int) -> int:
        parents = self.parents
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    def join(self, one: int, two: int) -> int:
        if self.sizes[one] < self.sizes[two]:
            one, two = two, one
        self.parents[two] = one
        self.sizes[one] += self.sizes[two]
        return one

"""Finds near copies: the same image compressed again, resized, mirrored, brightened or cropped.

Images with similar low frequencies are candidates. The two images of a pair are then aligned, by matching a window of
one with the whole of the other, and their high frequencies are compared: similar images (two shirts on white) share the
coarse shapes, but only copies share the details. Measured by `benchmarks/doctor.py`.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.doctor.image_stats import shrink
from automl_vision.doctor.stats_file import SIDE

MIN_DETAIL = 0.87  # correlation of details; on five real datasets distinct photos have less, crops by 10 % mostly more
_MIN_ALIKE = 0.6  # minimum correlation of the low frequencies of a candidate
_NEIGHBOURS = 4  # candidates per image
_MIN_MIRRORED = 0.95  # the same for mirrored copies, which are found only if they are not cropped
_MIN_COARSE = 0.8  # minimum correlation at the best coarse window for a finer comparison
_MIN_SPREAD = 2.0  # standard deviation; an image with less has no details
_FREQUENCIES = 8
EXHAUSTIVE = 60_000  # images up to which all pairs are compared, in blocks
_BLOCK = 2048
_BANDS = 4
_NEXT = 8  # neighbours in the sort order that are compared if they have the same bits in a band
_COARSE_SHARES = (0.1, 0.2)  # fraction of a side that a coarse window crops
_STEPS = (0.05, 0.025, 0.0125, 0.00625)
_CHUNK = 4096

Array = NDArray[np.float32]


def near_pairs(small: NDArray[np.uint8], *, exhaustive: int = EXHAUSTIVE) -> NDArray[np.int64]:
    """(pairs, 2), positions of images that are near copies of each other, the smaller position first.

    Args:
        small: (n, SIDE, SIDE), as in `ImageStats`.
        exhaustive: maximum number of images for which all pairs are compared; beyond it, only pairs that share a band
            of bits.
    """
    (usable,) = np.nonzero(small.std(axis=(1, 2)) >= _MIN_SPREAD)
    if len(usable) < 2:
        return np.zeros((0, 2), np.int64)
    small = small[usable]
    described = _describe(small)
    mirrored = described.reshape(-1, _FREQUENCIES, _FREQUENCIES) * np.array([1, -1] * (_FREQUENCIES // 2), np.float32)
    pairs = _candidates(described, described, _MIN_ALIKE, exhaustive)
    flipped = _candidates(described, mirrored.reshape(described.shape), _MIN_MIRRORED, exhaustive)
    found = [pairs[_same_details(small, small, pairs)], flipped[_same_details(small, small[:, :, ::-1], flipped)]]
    return usable[_distinct(found)]


def clusters(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(count,), for each position, the smallest position that it is connected to by pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(links, directed=False)
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    smallest: NDArray[np.int64] = first[inverse].astype(np.int64)
    return smallest


def _describe(small: NDArray[np.uint8]) -> Array:
    """(n, frequencies), the low frequencies of each image without its mean, as unit vectors."""
    from scipy.fft import dctn

    parts = [
        dctn(small[i : i + _CHUNK].astype(np.float32), axes=(1, 2), norm="ortho")[:, :_FREQUENCIES, :_FREQUENCIES]
        for i in range(0, len(small), _CHUNK)
    ]
    low = np.concatenate(parts).reshape(len(small), -1)
    low[:, 0] = 0
    unit: Array = low / np.maximum(np.linalg.norm(low, axis=1, keepdims=True), 1e-6)
    return unit


def _candidates(described: Array, others: Array, minimum: float, exhaustive: int) -> NDArray[np.int64]:
    """(pairs, 2), positions of images with similar low frequencies, each pair once."""
    if len(described) > exhaustive:
        pairs = _by_bands(described, others)
        parts = np.array_split(pairs, len(pairs) // _CHUNK + 1)
        products = [np.einsum("ij,ij->i", described[part[:, 0]], others[part[:, 1]]) for part in parts]
        return pairs[np.concatenate(products) >= minimum]
    found = []
    neighbours = min(_NEIGHBOURS, len(described) - 1)
    for start in range(0, len(described), _BLOCK):
        alike = described[start : start + _BLOCK] @ others.T
        at = np.arange(len(alike))
        alike[at, at + start] = -1
        nearest = np.argpartition(-alike, neighbours, axis=1)[:, :neighbours]
        row, position = np.nonzero(np.take_along_axis(alike, nearest, axis=1) >= minimum)
        found.append(np.stack([row + start, nearest[row, position]], axis=1))
    return _distinct(found)


def _by_bands(described: Array, others: Array) -> NDArray[np.int64]:
    """Pairs whose frequencies have the same signs in a band; for datasets too large to compare all pairs."""
    count = len(described)
    found = []
    both = np.concatenate([described, others])
    width = described.shape[1] // _BANDS
    weights = 1 << np.arange(width)
    keys = [(both[:, band * width : (band + 1) * width] > 0) @ weights for band in range(_BANDS)]
    for band in range(_BANDS):
        order = np.lexsort((keys[(band + 1) % _BANDS], keys[band]))
        for step in range(1, _NEXT + 1):
            a, b = order[:-step], order[step:]
            same = (keys[band][a] == keys[band][b]) & ((a < count) != (b < count))
            found.append(np.stack([a[same], b[same]], axis=1) % count)
    pairs = _distinct(found)
    different: NDArray[np.int64] = pairs[pairs[:, 0] != pairs[:, 1]]
    return different


def _distinct(found: list[NDArray[Any]]) -> NDArray[np.int64]:
    """(pairs, 2), the smaller position first, each pair once."""
    pairs: NDArray[np.int64] = np.unique(np.sort(np.concatenate(found), axis=1), axis=0).astype(np.int64)
    return pairs.reshape(-1, 2)


def _same_details(first: NDArray[np.uint8], second: NDArray[np.uint8], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(pairs,), whether one image of a pair, or a window of it, shows the details of the other."""
    same = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), _CHUNK):
        part = slice(start, start + _CHUNK)
        a = first[pairs[part, 0]].astype(np.float32)
        b = second[pairs[part, 1]].astype(np.float32)
        same[part] = detail_correlation(a, b) >= MIN_DETAIL
    return same


def detail_correlation(a: Array, b: Array) -> Array:
    """(n,), correlation of the details of images (n, SIDE, SIDE) at the best alignment."""
    correlation = _details(a, b)
    (rest,) = np.nonzero(correlation < MIN_DETAIL)
    forward, backward = _coarse_window(a[rest], b[rest]), _coarse_window(b[rest], a[rest])
    swap = backward[1] > forward[1]
    window = np.where(swap[:, None], backward[0], forward[0])
    close = np.where(swap, backward[1], forward[1]) >= _MIN_COARSE
    kept, window, swap = rest[close], window[close], swap[close]
    whole: Array = np.where(swap[:, None, None], b[kept], a[kept])
    piece = np.where(swap[:, None, None], a[kept], b[kept])
    window = _refined(whole, piece, window)
    correlation[kept] = np.maximum(correlation[kept], _details(_cut(whole, window), piece))
    return correlation


def _coarse_window(whole: Array, piece: Array) -> tuple[NDArray[np.float64], Array]:
    """The best of a few windows (n, 4) of `whole`, top, bottom, left, right, and the correlation (n,) there."""
    half = shrink(SIDE, SIDE // 2)
    target = _unit(half @ piece @ half.T)
    spans = [(0.0, 1.0)] + [(at * s, 1 - s + at * s) for s in _COARSE_SHARES for at in (0.0, 0.5, 1.0)]
    cuts = shrink(SIDE, SIDE // 2, spans)
    best, window = np.full(len(whole), -1.0, np.float32), np.zeros((len(whole), 4))
    for (top, bottom), rows in zip(spans, cuts, strict=True):
        strip = rows @ whole
        for (left, right), columns in zip(spans, cuts, strict=True):
            correlation = (_unit(strip @ columns.T) * target).sum(axis=(1, 2))
            better = correlation > best
            best[better], window[better] = correlation[better], (top, bottom, left, right)
    return window, best


def _refined(whole: Array, piece: Array, window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Improve windows by moving one edge at a time, in ever smaller steps, while the correlation increases."""
    target = _unit(piece)
    best = (_unit(_cut(whole, window)) * target).sum(axis=(1, 2))
    for step in _STEPS:
        for edge, sign in product(range(4), (-1, 1)):
            moved = window.copy()
            moved[:, edge] = np.clip(moved[:, edge] + sign * step, 0, 1)
            correlation = (_unit(_cut(whole, moved)) * target).sum(axis=(1, 2))
            better = correlation > best
            best[better], window[better] = correlation[better], moved[better]
    return window


def _cut(whole: Array, window: NDArray[np.float64]) -> Array:
    """Windows (n, 4) of images, each resized to (SIDE, SIDE)."""
    rows, columns = shrink(SIDE, SIDE, window[:, :2]), shrink(SIDE, SIDE, window[:, 2:])
    return np.asarray(rows @ whole @ columns.transpose(0, 2, 1), np.float32)


def _details(a: Array, b: Array) -> Array:
    """(n,), correlation of the details that a blur removes."""
    from scipy.ndimage import gaussian_filter

    fine = [_unit(x - gaussian_filter(x, (0, 2, 2))) for x in (a, b)]
    correlation: Array = (fine[0] * fine[1]).sum(axis=(1, 2))
    return correlation


def _unit(x: Any) -> Array:
    """Images without their mean, as unit vectors."""
    x = x - x.mean(axis=(1, 2), keepdims=True)
    unit: Array = x / np.maximum(np.sqrt((x * x).sum(axis=(1, 2), keepdims=True)), 1e-6)
    return unit

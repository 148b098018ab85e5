"""Overlaps of boxes, and the arithmetic of ragged columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from automl_vision.data.boxes import areas, overlaps
from automl_vision.data.ragged import ranges, starts_of

UNIT, WIDE, APART, LINE = [0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0], [1.0, 0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("case", "a", "b", "crowd", "expected"),
    [
        ("the same box", UNIT, UNIT, False, 1.0),
        ("half of each", UNIT, WIDE, False, 1 / 3),
        ("a crowd counts the first box alone", UNIT, WIDE, True, 1 / 2),
        ("no common pixel", UNIT, APART, False, 0.0),
        ("a line has no area", UNIT, LINE, False, 0.0),
        ("two lines have no union", LINE, LINE, False, 0.0),
    ],
)
def test_overlap_of_two_boxes(case: str, a: list[float], b: list[float], crowd: bool, expected: float) -> None:
    found = overlaps(np.array([a]), np.array([b]), crowd)
    assert found.tolist() == [pytest.approx(expected)], case


def test_overlaps_of_all_pairs() -> None:
    first, second = np.array([UNIT, WIDE, LINE]), np.array([WIDE, UNIT])
    found = overlaps(first[:, None], second, np.array([False, True]))
    np.testing.assert_allclose(found, [[1 / 3, 1], [1, 1 / 2], [0, 0]])
    assert overlaps(first[:, None], np.zeros((0, 4))).shape == (3, 0)
    assert areas(first).tolist() == [4, 4, 0]


@pytest.mark.parametrize(
    ("starts", "counts", "expected"),
    [([5, 0], [2, 3], [5, 6, 0, 1, 2]), ([4, 9, 1], [0, 1, 2], [9, 1, 2]), ([], [], [])],
)
def test_numbers_of_ranges(starts: list[int], counts: list[int], expected: list[int]) -> None:
    columns: list[Any] = [np.array(values, np.int64) for values in (starts, counts)]
    assert ranges(*columns).tolist() == expected
    assert starts_of(columns[1]).tolist() == [sum(counts[:i]) for i in range(len(counts) + 1)]

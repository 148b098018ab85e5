"""Public image sets open as their authors mean them, or are refused with a sentence that says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from public_sets import SETS, PublicSet

UNREAD = {"GTSRB": "not an image of a known format", "GTSDB": "images in .ppm are not read"}  # for their images


@pytest.mark.parametrize("layout", SETS, ids=[layout.name for layout in SETS])
def test_a_public_set(layout: PublicSet, tmp_path: Path) -> None:
    outcome, text = layout.outcome(layout.write(tmp_path))
    assert outcome == "right" or (outcome == "refused" and UNREAD.get(layout.name, "\0") in text), text

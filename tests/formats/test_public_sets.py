"""Public image sets open as their authors mean them, or are refused with a sentence that says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from further_sets import SETS as FURTHER_SETS
from public_sets import SETS, PublicSet

UNREAD = {  # what these are refused with
    "DOTA": "is a label file of DOTA, which is not read",
    "WIDER FACE": "is a list of WIDER FACE, which is not read",
}
ALL = [*SETS, *FURTHER_SETS]


@pytest.mark.parametrize("layout", ALL, ids=[layout.name for layout in ALL])
def test_a_public_set(layout: PublicSet, tmp_path: Path) -> None:
    outcome, text = layout.outcome(layout.write(tmp_path))
    assert outcome == "right" or (outcome == "refused" and UNREAD.get(layout.name, "\0") in text), text

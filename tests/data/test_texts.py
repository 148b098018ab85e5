"""Columns of texts."""

from __future__ import annotations

import numpy as np
import pytest

from automl_vision.data.texts import Texts

WORDS = ["a", "", "öl", "4 4 02", "a"]


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [2, 2, 1], []])
def test_texts_are_taken_and_joined_as_they_were(rows: list[int]):
    texts = Texts.of(WORDS)
    assert list(texts.take(np.array(rows, np.int64))) == [WORDS[row] for row in rows]
    assert list(Texts.join([texts.take(np.array(rows, np.int64)), ["x"], ()])) == [*(WORDS[row] for row in rows), "x"]
    assert texts[-2] == "4 4 02"
    assert texts[1:3] == ("", "öl")
    assert texts != WORDS[:4]
    assert Texts.of(texts) is texts


def test_a_text_beyond_the_last_is_an_error():
    with pytest.raises(IndexError):
        Texts.of(WORDS)[5]

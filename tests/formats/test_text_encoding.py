"""Texts that are not UTF-8 are read in the encoding that they show, told of, and refused where it would be a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_vision import Dataset
from automl_vision.core.errors import DataError
from automl_vision.formats.text_encoding import decode_text, decoding
from layouts import PICTURE, put

MANY = "猫 狗 汽车 行人 自行车 摩托车 公交车 卡车 红绿灯 停车标志 长椅 鸟 马 羊 牛 大象 熊 斑马 长颈鹿 背包 雨伞 手提包"
CYRILLIC = "кошка собака машина человек автобус дерево"
READ = [
    ("Traditional Chinese", "貓 狗 汽車 行人", "cp950"),
    ("Simplified Chinese", MANY, "gb18030"),
    ("Cyrillic", CYRILLIC, "cp1251"),
    ("German", "Kätzchen Hündin", "cp1252"),
    ("letters that Latin encodings share", "Çiçek", "cp1254"),
    ("UTF-8", "貓 кошка crème", "utf-8"),
    ("UTF-8 with mark", "貓", "utf-8-sig"),
    ("UTF-16 with mark", "貓", "utf-16"),
]
GUESSES = [
    ("two Chinese names", "貓 狗", "cp950"),
    ("a few Simplified names", "猫 狗 汽车 行人", "gbk"),
    ("French or Czech letters", "crème brûlée", "cp1252"),
    ("Czech or French letters", "kočka žlutý", "cp1250"),
    ("Turkish or Icelandic letters", "ağaç şişe", "cp1254"),
]


@pytest.mark.parametrize(("text", "encoding"), [case[1:] for case in READ], ids=[case[0] for case in READ])
def test_an_encoding_that_shows(text: str, encoding: str) -> None:
    text = text.replace(" ", "\n")
    assert decode_text(text.encode(encoding), "classes.txt") == text


@pytest.mark.parametrize(("text", "encoding"), [case[1:] for case in GUESSES], ids=[case[0] for case in GUESSES])
def test_a_guess_is_refused_and_the_user_is_asked(text: str, encoding: str) -> None:
    data = text.replace(" ", "\n").encode(encoding)
    with pytest.raises(DataError, match=r"classes.txt is not UTF-8, and its encoding cannot be told"):
        decode_text(data, "classes.txt")
    with decoding(encoding) as found:
        assert decode_text(data, "classes.txt") == text.replace(" ", "\n")
    assert found.found == {"classes.txt": encoding}


def test_a_wrong_encoding_is_refused() -> None:
    with pytest.raises(DataError, match='no encoding is named "big-6"'), decoding("big-6"):
        pass
    with pytest.raises(DataError, match="neither UTF-8 nor ascii"), decoding("ascii"):
        decode_text("crème".encode("cp1252"), "classes.txt")


def write(root: Path, names: str) -> Path:
    for i in range(12):
        put(root / "images" / f"{i}.png", PICTURE)
        put(root / "labels" / f"{i}.txt", f"{i % 2} 0.5 0.5 0.5 0.5\n".encode())
    put(root / "classes.txt", names.encode("cp950"))
    return root


def test_the_names_of_a_yolo_set(tmp_path: Path) -> None:
    dataset = Dataset.open(write(tmp_path, "貓\n狗\n汽車\n行人\n"))
    assert dataset.classes == ("貓", "狗")
    (note,) = (note for note in dataset.report.notes if note.kind == "encoding")
    assert (note.place, note.reason) == ("classes.txt", "the text is not UTF-8, and is read as cp950")


def test_names_that_would_be_guessed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'classes.txt is not UTF-8.*"貓" in cp950.*encoding="..."'):
        Dataset.open(write(tmp_path, "貓\n狗\n"))
    assert Dataset.open(tmp_path, encoding="cp950").classes == ("貓", "狗")

"""The memory of files is bounded, and remembers what was parsed and what could not be."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from pathlib import Path

import pytest

from automl_vision.core.errors import DataError
from automl_vision.formats.documents import Documents
from automl_vision.formats.json_file import parse_json, try_json
from automl_vision.formats.source import Source

MANY, LARGE = 1000, 2**25


class Files:
    """Files by path: their bytes, or nothing; counts how often each is read."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.reads = files, Counter[str]()

    def read(self, path: str) -> bytes:
        self.reads[path] += 1
        if path not in self.files:
            raise DataError(f"{path} does not exist")
        return self.files[path]


def test_of_many_files_only_the_first_are_kept() -> None:
    files = Files({str(i): b"{}" for i in range(MANY)})
    documents = Documents(files.read)
    for _ in range(2):
        for path in files.files:
            assert documents.data(path) == b"{}"
    again = [path for path in files.files if files.reads[path] == 2]
    assert again == [str(i) for i in range(256, MANY)]


def test_of_large_files_only_the_latest_is_kept() -> None:
    files = Files({"a": bytes(LARGE), "b": bytes(LARGE)})
    documents = Documents(files.read)
    for path in ("a", "a", "b", "b", "a"):
        documents.data(path)
    assert files.reads == {"a": 2, "b": 1}


def test_a_parsed_file_is_parsed_once_and_its_value_handed_out_again() -> None:
    files = Files({"a": b'{"x": 1}'})
    documents = Documents(files.read)
    assert documents.parsed("a", parse_json) is documents.parsed("a", parse_json)
    assert files.reads == {"a": 1}


@pytest.mark.parametrize(("path", "message"), [("broken", "not valid JSON"), ("missing", "does not exist")])
def test_an_error_is_remembered(path: str, message: str) -> None:
    files = Files({"broken": b"{"})
    documents = Documents(files.read)
    for _ in range(2):
        with pytest.raises(DataError, match=message):
            documents.parsed(path, parse_json)
    assert files.reads == {path: 1}


def test_what_is_forgotten_is_read_anew() -> None:
    files = Files({"a": b"1"})
    documents = Documents(files.read)
    documents.data("a")
    files.files["a"] = b"2"
    assert documents.data("a") == b"1"
    documents.forget()
    assert documents.data("a") == b"2"


def test_a_look_is_taken_once_unless_it_fails(tmp_path: Path) -> None:
    source, looks = Source.open(tmp_path), list[str]()

    def look() -> None:
        looks.append("")
        if len(looks) == 1:
            raise DataError("not yet")

    with pytest.raises(DataError, match="not yet"):
        source.look_once("all", look)
    assert [source.look_once("all", look) for _ in range(3)] == [None] * 3 and len(looks) == 2
    source.forget()
    source.look_once("all", look)
    assert len(looks) == 3


def test_a_source_is_freed_at_once_after_errors_too(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    source = Source.open(tmp_path)
    assert [try_json(source, path) for path in ("broken.json", "missing.json", "broken.json")] == [None] * 3
    freed = weakref.ref(source)
    gc.disable()
    try:
        del source
        assert freed() is None
    finally:
        gc.enable()

"""Names, errors and files that the rooms above stand on."""

from __future__ import annotations

import inspect
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from automl_vision.core import errors
from automl_vision.core.errors import AutoMLVisionError, ConfigError, MissingPackageError
from automl_vision.core.files import append_json_line, atomic_path, read_json, read_lines, write_json
from automl_vision.core.late import optional_package
from automl_vision.core.tasks import CLASSIFICATION, MULTI_LABEL, normalize_task
from automl_vision.core.text import did_you_mean, rough_duration


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("resnet5", ["resnet50", "vit"], ' Did you mean "resnet50"?'),
        ("RESNET50", ["resnet50"], ' Did you mean "resnet50"?'),
        ("filename", ["FILENAME", "Label"], ' Did you mean "FILENAME"?'),
        ("zebra", ["resnet50"], ""),
        ("zebra", [], ""),
    ],
)
def test_the_nearest_known_name_is_suggested(name: str, known: list[str], expected: str) -> None:
    assert did_you_mean(name, known) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [(CLASSIFICATION, CLASSIFICATION), (MULTI_LABEL, MULTI_LABEL), ("image-multi-labeling", MULTI_LABEL)],
)
def test_a_task_is_found_by_its_name_and_its_aliases(name: str, expected: str) -> None:
    assert normalize_task(name) == expected


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r'no task is named "image-clasification". Did you mean "image-classification"'
    ):
        normalize_task("image-clasification")


def test_a_config_error_lists_all_mistakes() -> None:
    assert str(ConfigError(["a is bad"])) == "The configuration has 1 mistake:\n  - a is bad"
    assert str(ConfigError(["a", "b"], subject="job.yml")) == "job.yml has 2 mistakes:\n  - a\n  - b"


def test_every_error_comes_back_from_another_process() -> None:
    found = [error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, AutoMLVisionError)]
    assert len(found) > 10
    for error in found:
        raised = error(["one", "two"], subject="It") if error is ConfigError else error("reason")
        back = pickle.loads(pickle.dumps(raised))
        assert (type(back), str(back), vars(back)) == (error, str(raised), vars(raised))


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "value.json"
    write_json(path, {"a": "ä"})
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"a": "ä"}
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": "ä"}
    assert [file.name for file in path.parent.iterdir()] == ["value.json"]


def test_threads_may_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: write_json(path, [i] * 1000), range(100)))
    assert len(set(read_json(path))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["value.json"]


def test_json_lines_are_read_on_from_where_they_ended(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_lines(path) == ([], 0)
    values = [{"text": "zwei\nZeilen \u2028 \r"}, {"n": 1}]
    for value in values:
        append_json_line(path, value)
    found, offset = read_lines(path)
    assert [json.loads(line) for line in found] == values and offset == path.stat().st_size
    with path.open("ab") as file:
        file.write(b'{"half": ')
    assert read_lines(path, offset) == ([], offset)
    with path.open("ab") as file:
        file.write(b"1}\n\n")
    assert read_lines(path, offset)[0] == [b'{"half": 1}']
    assert read_lines(path, 0, offset) == (found, offset)
    assert read_lines(path, offset, offset) == ([], offset)


def test_threads_append_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: append_json_line(path, {"i": i, "text": "x" * 5000}), range(200)))
    values = [json.loads(line) for line in read_lines(path)[0]]
    assert sorted(value["i"] for value in values) == list(range(200))
    assert all(json.dumps(value) for value in values)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, "no_such_one is not installed. Install it with: pip install no_such_one"),
        (
            {"subject": "videos need PyAV, which", "install": '"automl-vision[video]"'},
            'videos need PyAV, which is not installed. Install it with: pip install "automl-vision[video]"',
        ),
    ],
)
def test_a_missing_package_is_named_with_what_brings_it(texts: dict[str, str], expected: str) -> None:
    with pytest.raises(MissingPackageError) as caught:
        optional_package("no_such_one", **texts)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3.0, "0 s"), (99.4, "99 s"), (100.0, "2 min"), (5999.0, "100 min"), (9000.0, "2.5 h")]
)
def test_a_rough_duration_has_one_unit(seconds: float, words: str):
    assert rough_duration(seconds) == words

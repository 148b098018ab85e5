"""A suite that cannot fail proves nothing: wrong formats, policies and samplings, each with the test that finds it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from automl_vision.data.annotations import Annotations, Record
from automl_vision.formats import registry
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source
from automl_vision.search.optuna_suggest import History
from automl_vision.search.policies import POLICIES, Policy, Scores, register_policy
from automl_vision.search.samplers import SAMPLINGS, AnySpace, RandomParameterSampling, Sampling, register_sampling
from automl_vision.search.space import Point
from automl_vision.testing import (
    FormatConformance,
    PolicyConformance,
    SamplingConformance,
)
from automl_vision.testing.layouts import Expected, write_image

FILE = "pairs.txt"


class Pairs(FormatConformance):
    """Lines of IMAGE=LABEL."""

    format = "pairs"

    def write(self, folder: Path) -> Expected:
        expected = {f"{i}.png": ["cat" if i % 2 else "dog"] for i in range(12)}
        for i, image in enumerate(expected):
            write_image(folder / image, i)
        (folder / FILE).write_text("".join(f"{image}={label}\n" for image, (label,) in expected.items()))
        return expected

    def spoil(self, folder: Path) -> str:
        with (folder / FILE).open("a") as file:
            file.write("0.png\n")
        return f"{FILE}:13"


def lines_of(source: Source) -> list[str]:
    return source.read_text(FILE).splitlines()


def read_pairs(
    source: Source,
    lines: Callable[[Source], list[str]] = lines_of,
    *,
    skips: bool = False,
    raises: bool = False,
    doubles: bool = False,
) -> Annotations:
    annotations = Annotations("label")
    for number, line in enumerate(lines(source), start=1):
        image, _, label = line.partition("=")
        if raises:
            image, label = line.split("=")
        if label:
            annotations.add(Record(image, f"{FILE}:{number}", (label,)))
            annotations.report.total += doubles
        elif not skips:
            annotations.reject(f"{FILE}:{number}", "a line is IMAGE=LABEL", "bad line")
    return annotations


@contextmanager
def registered_format(read: Callable[[Source], Annotations], detect: Callable[[Source], bool]) -> Iterator[None]:
    registry.list_formats()  # the others are there before
    register = dataset_format(
        "pairs", "label", rank=Rank.NAMED_FILES + 50, layout=FILE, detect=lambda source, _: detect(source)
    )
    register(lambda source, _: read(source))
    yield
    del registry._FORMATS["pairs"]


def has_file(source: Source) -> bool:
    return FILE in source.files


def from_disk(source: Source) -> list[str]:
    return (Path(source.storage.root) / FILE).read_text().splitlines()


def without_memory(source: Source) -> list[str]:
    return source.storage.read(FILE, 2**20).decode().splitlines() and lines_of(source)


def by_folder(source: Source) -> list[str]:
    return [f"{line}{source.storage.root}" if "elsewhere" in source.storage.root else line for line in lines_of(source)]


READERS: dict[str, Callable[[Source], Annotations]] = {
    "right": read_pairs,
    "opens files itself": lambda source: read_pairs(source, from_disk),
    "reads a file twice": lambda source: read_pairs(source, without_memory),
    "skips broken records": lambda source: read_pairs(source, skips=True),
    "raises at broken records": lambda source: read_pairs(source, raises=True),
    "depends on the folder": lambda source: read_pairs(source, by_folder),
    "counts records twice": lambda source: read_pairs(source, doubles=True),
}
FORMAT_TESTS: dict[str, Callable[[Pairs, Path, Path], object]] = {
    "reads": lambda suite, folder, _: suite.test_it_reads_what_was_written(folder, suite.write(folder)),
    "archive": lambda suite, folder, other: suite.test_an_archive_is_read_like_its_folder(
        folder, suite.write(folder), other
    ),
    "once": lambda suite, folder, _: suite.test_a_file_is_read_once(folder, suite.write(folder)),
    "broken": lambda suite, folder, _: suite.test_a_broken_record_is_reported_and_the_others_are_read(
        folder, suite.write(folder)
    ),
    "same": lambda suite, folder, other: suite.test_the_same_files_make_the_same_dataset(folder, other),
    "counts": lambda suite, folder, _: suite.test_the_report_counts_every_record_once(folder, suite.write(folder)),
}


@pytest.mark.parametrize(
    ("reader", "found_by"),
    [
        ("right", set()),
        ("opens files itself", {"archive"}),
        ("reads a file twice", {"once"}),
        ("skips broken records", {"broken"}),
        ("raises at broken records", {"broken"}),
        ("depends on the folder", {"same"}),
        ("counts records twice", {"counts"}),
    ],
)
def test_a_wrong_reader_is_found(tmp_path: Path, reader: str, found_by: set[str]) -> None:
    failed = set()
    with registered_format(READERS[reader], has_file):
        for name, test in FORMAT_TESTS.items():
            folder, other = tmp_path / name / "data", tmp_path / name / "other"
            folder.mkdir(parents=True)
            other.mkdir()
            try:
                test(Pairs(), folder, other)
            except (Exception, pytest.fail.Exception):
                failed.add(name)
    assert failed == found_by


def test_a_format_that_recognises_everything_is_found(tmp_path: Path) -> None:
    with registered_format(read_pairs, lambda source: True):
        with pytest.raises(AssertionError, match="coco"):
            Pairs().test_it_leaves_other_formats_alone(tmp_path / "others")
        (tmp_path / "nothing").mkdir()
        with pytest.raises(AssertionError, match="an empty folder"):
            Pairs().test_it_does_not_take_anything_for_a_dataset(tmp_path / "nothing")


class Weak(Policy):
    """Ends what is below the best of all."""

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        return "behind" if own.best < max(score.best for score in others.values()) - 0.5 else None


class Changing(Weak):
    """Changes what it is given."""

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        own.best += 1
        return None


class Remembering(Weak):
    """Counts what it was asked."""

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        return "each third" if next(ASKED) % 3 == 0 else None


class Signed(Weak):
    """Lifts the threshold above a best that is negative."""

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        return "behind" if own.best < max(score.best for score in others.values()) / 1.5 else None


class Finite(Weak):
    """Expects a value in each report."""

    def reason(self, own: Scores, others: Mapping[int, Scores], interval: int) -> str | None:
        return f"at {round(own.latest)}" if super().reason(own, others, interval) else None


class Hasty(Weak):
    """Knows no schedule."""

    def applies(self, interval: int) -> bool:
        return True


ASKED = itertools.count()
ENDED: dict[str, Callable[[PolicyConformance, Policy], object]] = {
    "answers": PolicyConformance.test_the_same_curves_have_the_same_answer,
    "changes": PolicyConformance.test_what_it_is_given_is_left_unchanged,
    "best": lambda suite, policy: [suite.test_the_best_trial_goes_on(policy, level) for level in (10.0, 0.0, -10.0)],
    "missing": PolicyConformance.test_missing_values_are_no_error,
    "schedule": lambda suite, policy: suite.test_it_keeps_to_its_schedule(policy, {"delay_evaluation": 5}, {5, 6, 7}),
}


@pytest.mark.parametrize(
    ("kind", "found_by"),
    [(Changing, "changes"), (Remembering, "answers"), (Signed, "best"), (Finite, "missing"), (Hasty, "schedule")],
)
def test_a_wrong_policy_is_found(kind: type[Policy], found_by: str) -> None:
    fields = {"evaluation_interval": 1, "delay_evaluation": 0}
    members = {"__doc__": kind.__doc__, "__annotations__": dict.fromkeys(fields, int), **fields}
    policy = register_policy("wrong")(type(kind.__name__, (kind,), members))()
    try:
        with pytest.raises((AssertionError, OverflowError, ValueError)):
            ENDED[found_by](PolicyConformance(), policy)
    finally:
        POLICIES.unregister("wrong")


class Unseeded(RandomParameterSampling):
    """Other points each time."""

    def points(self, history: History) -> Iterator[Point]:
        random = np.random.default_rng()
        yield from (self.search_space.walk(lambda _, d: random.random())[1] for _ in range(9))


class Unconditional(RandomParameterSampling):
    """Every dimension in every point."""

    def points(self, history: History) -> Iterator[Point]:
        everything = dict.fromkeys(dict(self.search_space.dimensions()), 0.0)
        yield from (everything | point for point in super().points(history))


class Outside(RandomParameterSampling):
    """Shares above 1."""

    def points(self, history: History) -> Iterator[Point]:
        for point in super().points(history):
            yield {name: value if isinstance(value, int) else value + 1 for name, value in point.items()}


class Endless(RandomParameterSampling):
    """Repeats itself for ever."""

    def points(self, history: History) -> Iterator[Point]:
        return itertools.cycle(list(super().points(history)))


class Ordering(RandomParameterSampling):
    """Starts from the best trial, as if each had a score."""

    def points(self, history: History) -> Iterator[Point]:
        best = max(history, key=lambda trial: trial[1])[:1] if history else ()  # type: ignore[arg-type, return-value]
        return itertools.chain(best, super().points(history))  # type: ignore[return-value]


SAMPLING_TESTS: dict[str, Callable[[SamplingConformance], object]] = {
    "history": SamplingConformance.test_the_same_history_has_the_same_points,
    "space": lambda suite: suite.test_points_lie_in_the_space("rising"),
    "running": lambda suite: suite.test_points_lie_in_the_space("running"),
    "end": SamplingConformance.test_a_small_space_comes_to_an_end,
}


@pytest.mark.parametrize(
    ("kind", "found_by"),
    [(Unseeded, "history"), (Unconditional, "space"), (Outside, "space"), (Endless, "end"), (Ordering, "running")],
)
def test_a_wrong_sampling_is_found(kind: type[Sampling], found_by: str) -> None:
    members = {"__doc__": kind.__doc__, "__annotations__": {"space": AnySpace, "seed": int}, "seed": 0}
    made = register_sampling("wrong")(type(kind.__name__, (kind,), members))
    suite = type("Suite", (SamplingConformance,), {"sampling": made})()
    try:
        with pytest.raises((AssertionError, TypeError)):
            SAMPLING_TESTS[found_by](suite)
    finally:
        SAMPLINGS.unregister("wrong")

"""What every dataset format has to do."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import has_objects
from automl_vision.data.annotations import Columns
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_names import is_image
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.formats.export import export_dataset
from automl_vision.formats.registry import Format, find_format, list_export_formats, list_formats
from automl_vision.formats.source import Source
from automl_vision.storage.local_folder import LocalFolder
from automl_vision.testing.layouts import LAYOUTS, NOTHING, Expected

_KINDS = {"label", "labels", "boxes", "masks"}
_CUT = 3  # files that are cut in half


class CountingFolder(LocalFolder):
    """A folder that counts how often each file is read."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.reads: Counter[str] = Counter()

    def read(self, path: str, limit: int = 2**32) -> bytes:
        """The bytes of a file."""
        self.reads[path] += 1
        return super().read(path, limit)


class FormatConformance:
    """The behaviour of a reader that is registered with `@dataset_format`, and of its writer, where there is one.

    Give the attribute `format` and override `write` and `spoil`.

    Attributes:
        format: name of the format.
    """

    format: ClassVar[str]

    def write(self, folder: Path) -> Expected:
        """Write a dataset of at least ten images and two classes, without any mistake.

        `automl_vision.testing.layouts.write_image` writes an image.

        Returns:
            By path of the image: its labels, or (label, box) for each of its objects.
        """
        raise NotImplementedError("override `write`")

    def spoil(self, folder: Path) -> str:
        """Break one record, or add a broken one, in the dataset that `write` has written.

        Returns:
            The place that the report has to name, with the line where the format has lines, such as "labels.csv:14".
        """
        raise NotImplementedError("override `spoil`")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The folder of the dataset."""
        path = tmp_path / "data"
        path.mkdir()
        return path

    @pytest.fixture
    def expected(self, folder: Path) -> Expected:
        """What has to be read from the folder, which is written."""
        return self.write(folder)

    @property
    def registered(self) -> Format:
        """The format in the table."""
        return next(format_ for format_ in list_formats() if format_.name == self.format)

    def test_it_is_listed(self) -> None:
        """With kinds that tasks know, a layout for messages, and a place of its own among the formats."""
        format_ = self.registered
        assert format_.kinds
        assert set(format_.kinds) <= _KINDS
        assert format_.layout.strip()
        assert [other.name for other in list_formats() if other.rank == format_.rank] == [self.format]

    def test_it_recognises_its_own(self, folder: Path, expected: Expected) -> None:
        """Without being named."""
        assert expected
        assert find_format(Source.open(folder), None, Columns()).name == self.format

    def test_it_leaves_other_formats_alone(self, tmp_path: Path) -> None:
        """A format that is tried later must get what is its own."""
        ranks = {format_.name: format_.rank for format_ in list_formats()}
        claimed = []
        for other in [name for name in LAYOUTS if ranks[name] > self.registered.rank]:
            LAYOUTS[other].write(tmp_path / other)
            if self.registered.detect(Source.open(tmp_path / other), Columns()):
                claimed.append(other)
        assert claimed == []

    def test_it_does_not_take_anything_for_a_dataset(self, tmp_path: Path) -> None:
        """Images without annotations, files of other programs, and an empty folder."""
        claimed = []
        for name, files in NOTHING.items():
            (tmp_path / name).mkdir()
            files.write(tmp_path / name)
            if self.registered.detect(Source.open(tmp_path / name), Columns()):
                claimed.append(name)
        assert claimed == []

    def test_it_reads_what_was_written(self, folder: Path, expected: Expected) -> None:
        """Every image with its labels, or the classes and boxes of its objects, in pixels; nothing is left out."""
        dataset = Dataset.open(folder)
        assert dataset.format == self.format
        assert dataset.report.problems == []
        assert dataset.kind in self.registered.kinds
        assert _labels(dataset) == _rounded(expected)

    def test_the_report_counts_every_record_once(self, folder: Path, expected: Expected) -> None:
        """Images and objects, so that the share of bad records is right."""
        source = Source.open(folder)
        annotations = self.registered.read(source, Columns())
        assert len(annotations) == len(expected)
        assert annotations.report.total == len(annotations) + len(annotations.objects)

    def test_the_same_files_make_the_same_dataset(self, folder: Path, tmp_path: Path) -> None:
        """Read twice, elsewhere, and with the format named."""
        self.write(folder)
        elsewhere = tmp_path / "elsewhere" / "data"
        elsewhere.mkdir(parents=True)
        self.write(elsewhere)
        first = Dataset.open(folder)
        for again in (Dataset.open(folder), Dataset.open(elsewhere), Dataset.open(folder, format=self.format)):
            assert again.fingerprint == first.fingerprint
            assert again.classes == first.classes
            assert again.table["image"].to_pylist() == first.table["image"].to_pylist()

    def test_an_archive_is_read_like_its_folder(self, folder: Path, expected: Expected, tmp_path: Path) -> None:
        """Files are read through the source: they may lie in an archive or on a web server."""
        with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
            for path in _files(folder):
                archive.write(folder / path, path)
        dataset = Dataset.open(tmp_path / "data.zip")
        assert dataset.format == self.format
        assert _labels(dataset) == _rounded(expected)
        assert dataset.fingerprint == Dataset.open(folder).fingerprint

    def test_a_file_is_read_once(self, folder: Path, expected: Expected) -> None:
        """However many formats look at it before: on a web server each reading takes a request."""
        assert expected
        counting = CountingFolder(str(folder))
        source = Source(counting)
        find_format(source, None, Columns()).read(source, Columns())
        assert {path: count for path, count in counting.reads.items() if count > 1} == {}

    def test_reading_leaves_the_files_alone(self, folder: Path, expected: Expected) -> None:
        """The folder may be somebody else's."""
        assert expected
        before = {path: (folder / path).read_bytes() for path in _files(folder)}
        Dataset.open(folder)
        assert {path: (folder / path).read_bytes() for path in _files(folder)} == before

    def test_a_broken_record_is_reported_and_the_others_are_read(self, folder: Path, expected: Expected) -> None:
        """The report names the place once, and at most one image is missing or has lost its label or object."""
        place = self.spoil(folder)
        dataset = Dataset.open(folder, max_bad_share=0.5)
        places = [problem.place for problem in dataset.report.problems]
        assert len(places) == 1
        assert places[0].startswith(place)
        assert all(problem.reason and "\n" not in problem.reason for problem in dataset.report.problems)
        whole, found = _rounded(expected), _labels(dataset)
        changed = [image for image in whole if found.get(image) != whole[image]]
        assert len(changed) <= 1

    def test_half_a_file_is_an_error_of_the_data(self, folder: Path, expected: Expected) -> None:
        """A copy that was interrupted ends in a `DataError` or is reported, never in another exception."""
        assert expected
        annotations = [path for path in _files(folder) if not is_image(path)]
        for path in annotations[:_CUT]:
            whole = (folder / path).read_bytes()
            (folder / path).write_bytes(whole[: len(whole) // 2])
            with suppress(DataError):
                Dataset.open(folder, format=self.format, max_bad_share=1)
            (folder / path).write_bytes(whole)

    def test_another_format_under_its_name_is_an_error_of_the_data(self, tmp_path: Path) -> None:
        """Where a user names the wrong format: a `DataError` or whatever fits, never another exception."""
        for name, files in {**LAYOUTS, **NOTHING}.items():
            (tmp_path / name).mkdir()
            files.write(tmp_path / name)
            with suppress(DataError):
                self.registered.read(Source.open(tmp_path / name), Columns())

    def test_what_it_writes_is_what_it_reads(self, folder: Path, expected: Expected, tmp_path: Path) -> None:
        """Where the format can be written."""
        if self.format not in [format_.name for format_ in list_export_formats()]:
            pytest.skip("the format is read only")
        before = Dataset.open(folder)
        export_dataset(before, tmp_path / "written", self.format)
        after = Dataset.open(tmp_path / "written")
        assert after.format == self.format
        assert after.report.problems == []
        assert set(after.classes) == set(before.classes)
        assert sorted(_labels(after).values()) == sorted(_labels(before).values())
        assert len(after) == len(expected)


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


Labels = dict[str, list[tuple[str, tuple[float, ...]]]]
"""By image, sorted: label and rounded box of each object; labels of images have no box."""


def _rounded(expected: Expected) -> Labels:
    pairs = {image: [(x, ()) if isinstance(x, str) else x for x in labels] for image, labels in expected.items()}
    return {image: sorted((label, _box(box)) for label, box in labels) for image, labels in pairs.items()}


def _labels(dataset: Dataset) -> Labels:
    """The labels of the images that were not left out."""
    found: Labels = {}
    for image in dataset:
        if image.split != LEFT_OUT:
            objects = [(value.label, _box(value.bbox or ())) for value in image.objects]
            found[image.reference] = sorted(objects if has_objects(dataset.task) else [(x, ()) for x in image.labels])
    return found


def _box(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 2) + 0.0 for value in values)

"""Batch scoring: a model and any number of images in, one file of predictions out; a crash loses one part at most."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from automl_vision.compute.targets import create_compute
from automl_vision.core.errors import DataError, ImageError, ScoringError
from automl_vision.core.files import atomic_path, read_json, write_json, write_text
from automl_vision.core.locks import try_lock
from automl_vision.core.numbers import json_text
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_list import ImageList
from automl_vision.data.scan import Progress
from automl_vision.deployment.cluster import PRELOADED, score_on
from automl_vision.deployment.parts import Parts, Plan, open_predictor, score_parts
from automl_vision.deployment.rows import Rows, rows_of
from automl_vision.deployment.writers import Writer, find_output_format, predicted_rows
from automl_vision.formats.listing import list_images
from automl_vision.serving.choice import MEASURED_FROM
from automl_vision.serving.model_folder import ModelDescription, model_fingerprint
from automl_vision.serving.predictor import Predictor

UNREADABLE = ("skip", "error")
"""What may be done with images that cannot be read."""

_MEASURED_ON = 4  # images
_LOCK = ".lock"
_SHOWN = 5  # reasons in a report


@dataclass(frozen=True)
class ScoreReport:
    """What a scoring did.

    Attributes:
        path: the file of predictions.
        images: number of images.
        unreadable: number of those that have no prediction.
        reasons: of the first unreadable ones, as (image, reason); all are in `errors_path`.
        resumed: images that an earlier call had scored.
        seconds: of this call's work.
        parts: while they are kept for an evaluation; None once they are gone.
        metrics: that were recorded for this scoring, as JSON values; empty if none were.
    """

    path: Path
    images: int
    unreadable: int
    reasons: tuple[tuple[str, str], ...]
    resumed: int
    seconds: float
    parts: Parts | None
    metrics: dict[str, Any]

    @property
    def errors_path(self) -> Path:
        """CSV of the images without a prediction, `image` and `reason`; there is none where all have one."""
        return beside(self.path, "errors.csv")

    @property
    def was_done(self) -> bool:
        """Whether everything had been scored before."""
        return self.resumed == self.images

    @property
    def sentences(self) -> list[str]:
        """What happened, for people."""
        scored = self.images - self.resumed
        speed = f"; {scored / self.seconds:,.1f} images/s" if scored and self.seconds else ""
        before = f"; {self.resumed:,} were scored before" if self.resumed else ""
        found = [
            f"{self.images - self.unreadable:,} of {self.images:,} images are scored in {self.path}{before}{speed}"
        ]
        if self.was_done:
            found = [f"{self.path} is complete already: {self.images - self.unreadable:,} of {self.images:,} images"]
        if self.unreadable:
            found.append(
                f"{self.unreadable:,} images could not be read; all are listed in {self.errors_path}, such as:"
            )
            found += [f"  - {image}: {reason}" for image, reason in self.reasons]
        return found

    def record_metrics(self, metrics: dict[str, Any]) -> None:
        """Keep metrics, as JSON values, with the scoring, and drop its parts; what is NaN becomes null."""
        record = beside(self.path, "score.json")
        write_text(record, json_text({**read_json(record), "metrics": metrics}, indent=2) + "\n")
        if self.parts is not None:
            shutil.rmtree(self.parts.folder)


def score(  # noqa: PLR0913 - each one is an option of the command
    model: str | PathLike[str],
    data: ImageList | Dataset | str | PathLike[str],
    out: str | PathLike[str],
    *,
    format: str | None = None,
    resume: bool = True,
    compute: str | None = None,
    threads: int = 0,
    runtime: str | None = None,
    precision: str | None = None,
    unreadable: str = "skip",
    keep_outputs: bool = False,
    progress: Progress | None = None,
) -> ScoreReport:
    """Predict all images of a location into one file.

    Finished parts are kept beside the file until it is written. After a crash at any moment the same call goes on with
    the first part that is missing; each image is in the file once, or in the file of errors. Memory does not grow with
    the number of images, but for their names.

    Args:
        model: the model folder.
        data: what `formats.listing.list_images` takes, its result, or a dataset.
        out: a local file.
        format: "parquet", "jsonl", "csv" or "coco"; None: as the file's suffix says.
        resume: whether to go on with what an earlier call left; False starts again and overwrites.
        compute: a compute target such as "ray"; None works in this process.
        threads: cores to use, or cores per job of the compute target; 0 uses all, or divides them.
        runtime: see `Predictor`. Where neither it nor a precision is asked for, this process measures and keeps to its
            choice for all images; on a compute target every node chooses among those in single precision.
        precision: see `Predictor`.
        unreadable: "skip" lists images that cannot be read and goes on; "error" stops at one.
        keep_outputs: whether the parts stay, with what an evaluation needs; `ScoreReport.record_metrics` drops them.
        progress: called with (images done, images in all).

    Raises:
        ScoringError: the file or its parts belong to another model or other images, the format does not suit, another
            process is scoring into the file, or a cluster cannot do it.
        ModelFolderError: the folder is not a usable model folder, or the runtime cannot be used.
        DataError: the data cannot be opened, or holds no images.
        ImageError: an image cannot be read, and is not to be skipped.
        StorageError: the disk is full.
    """
    if unreadable not in UNREADABLE:
        raise ValueError(f'unreadable is one of {", ".join(UNREADABLE)}, not "{unreadable}"')
    folder, path = Path(model).resolve(), Path(out).expanduser().absolute()
    rows = rows_of(ModelDescription.load(folder))
    output = find_output_format(path, format, rows)
    images = _listed(data)
    plan = Plan(str(folder), model_fingerprint(folder), images.fingerprint, len(images), keep_outputs,
                runtime, precision, unreadable)  # fmt: skip
    parts = Parts(beside(path, "parts"))
    finished = _finished(path, plan) if resume else None
    if finished is not None:
        return finished
    with _held(parts.folder):
        if not resume:
            _discard(path)
        plan = _begun(parts, plan, path)
        predictor = open_predictor(plan, threads=threads) if compute is None else None
        plan = _with_runtime(plan, predictor, images)
        if parts.plan() is None:
            parts.create(plan, images)
        parts.save_plan(plan)
        begin, missing = time.monotonic(), parts.missing(plan)
        resumed = len(images) - sum(len(plan.range_of(part)) for part in missing)
        if progress is not None:
            progress(resumed, len(images))
        if predictor is not None:
            done = None if progress is None else partial(_report, progress, resumed, len(images), 1)
            score_parts(str(parts.folder), missing, done=done, predictor=predictor)
        else:
            _score_on(str(compute), parts, plan, threads, progress)
        for ending, write in output.further.items():
            _join(parts, plan, rows, write, beside(path, ending))
        _join(parts, plan, rows, output.write, path)
        unreadable_images = _write_errors(parts, plan, path)
        facts = {"model": plan.model, "model_fingerprint": plan.model_fingerprint,
                 "data_fingerprint": plan.data_fingerprint, "images": len(images), "unreadable": unreadable_images,
                 "runtime": plan.runtime, "precision": plan.precision, "metrics": {}}  # fmt: skip
        write_json(beside(path, "score.json"), facts)
        if not plan.keep_outputs:
            shutil.rmtree(parts.folder)
    kept = parts if plan.keep_outputs else None
    return ScoreReport(
        path, len(images), unreadable_images, _reasons(path), resumed, time.monotonic() - begin, kept, {}
    )


def beside(path: Path, ending: str) -> Path:
    """A file or folder that belongs to a file of predictions."""
    return path.with_name(f"{path.name}.{ending}")


def _listed(data: ImageList | Dataset | str | PathLike[str]) -> ImageList:
    """The images of whatever was given.

    Raises:
        DataError: there are none.
    """
    images = data if isinstance(data, ImageList) else ImageList.of(data) if isinstance(data, Dataset) else None
    images = images or list_images(data)  # type: ignore[arg-type]
    if not len(images):
        raise DataError("there are no images to score")
    return images


def _discard(path: Path) -> None:
    """Remove what an earlier scoring into the file left, but for the lock."""
    for entry in beside(path, "parts").iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()
    for file in (*(beside(path, ending) for ending in ("score.json", "errors.csv", "images.json")), path):
        file.unlink(missing_ok=True)


def _finished(path: Path, plan: Plan) -> ScoreReport | None:
    """The report of a scoring that is complete; None where there is none.

    Raises:
        ScoringError: the file has predictions of another model or other images, or is not a scoring's.
    """
    record, parts = beside(path, "score.json"), Parts(beside(path, "parts"))
    if not path.exists():
        return None
    if not record.exists():
        if parts.plan() is not None:
            return None  # a crash came between the file and its record
        raise ScoringError(f"{path} exists and was not written by a scoring; choose another name, or restart")
    facts = read_json(record)
    before = Plan(facts["model"], facts["model_fingerprint"], facts["data_fingerprint"], facts["images"], False,
                  facts.get("runtime"), facts.get("precision"))  # fmt: skip
    _require_same(path, before, plan)
    kept = parts if parts.plan() is not None and not facts["metrics"] else None
    if kept is None:
        shutil.rmtree(parts.folder, ignore_errors=True)
    count, unreadable, metrics = facts["images"], facts["unreadable"], facts["metrics"]
    return ScoreReport(path, count, unreadable, _reasons(path), count, 0.0, kept, metrics)


def _require_same(path: Path, before: Plan, plan: Plan) -> None:
    differences = plan.differences(before)
    if differences:
        raise ScoringError(
            f"{path} was begun with {' and '.join(differences)}; choose another name, or restart to overwrite it"
        )


def _begun(parts: Parts, plan: Plan, path: Path) -> Plan:
    """The plan of the parts, if there is one already; what cannot be read may be skipped or not from now on.

    Raises:
        ScoringError: the parts belong to another model or other images.
    """
    before = parts.plan()
    if before is None:
        return plan
    _require_same(path, before, plan)
    return replace(before, unreadable=plan.unreadable)


def _with_runtime(plan: Plan, predictor: Predictor | None, images: ImageList) -> Plan:
    """The plan with the runtime of a predictor, which is measured if there are images enough; on a cluster only with
    the precision, for not every node may have the same.
    """
    if predictor is None:
        return replace(plan, precision=plan.precision or (None if plan.runtime else "fp32"))
    if len(images) >= MEASURED_FROM:
        readable: list[bytes] = []
        for position in range(MEASURED_FROM):
            with suppress(ImageError):
                data = images.read(position)
                predictor.preprocess(data)
                readable.append(data)
            if len(readable) == _MEASURED_ON:
                break
        predictor.choose(readable)
    return replace(plan, runtime=predictor.choice.runtime, precision=predictor.choice.precision)


def _score_on(compute: str, parts: Parts, plan: Plan, threads: int, progress: Progress | None) -> None:
    """Score the missing parts on a compute target."""
    before = plan.images - sum(len(plan.range_of(part)) for part in parts.missing(plan))
    target = create_compute(compute, PRELOADED)
    try:
        report = None if progress is None else partial(_report, progress, before, plan.images, plan.part_images)
        score_on(target, parts, plan, threads=threads, progress=report)
    finally:
        target.close()


def _report(progress: Progress, before: int, images: int, size: int, count: int) -> None:
    """Report so many more parts or images of some size."""
    progress(min(images, before + count * size), images)


def _join(parts: Parts, plan: Plan, rows: Rows, write: Writer, path: Path) -> None:
    """Write a file from all parts; what a crash leaves of it lies among the parts, and goes with them."""
    whole = parts.folder / f"joined{path.suffix}"
    with atomic_path(whole) as temporary:
        write(predicted_rows(parts.tables(plan)), rows, temporary)
    whole.replace(path)


def _write_errors(parts: Parts, plan: Plan, path: Path) -> int:
    """Write the images without a prediction, if there are any; returns their number."""
    target, count = beside(path, "errors.csv"), 0
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "reason"])
        for table in parts.tables(plan):
            for row in table.select(["image", "error"]).filter(pc.is_valid(table["error"])).to_pylist():
                writer.writerow([row["image"], row["error"]])
                count += 1
    if not count:
        target.unlink()
    return count


def _reasons(path: Path) -> tuple[tuple[str, str], ...]:
    """The first images without a prediction, with the reason."""
    file = beside(path, "errors.csv")
    if not file.exists():
        return ()
    with file.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        return tuple((row["image"], row["reason"]) for _, row in zip(range(_SHOWN), rows, strict=False))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other processes from scoring into the same file; the lock ends with the process, however it ends.

    Raises:
        ScoringError: another process holds it, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("w")
    except OSError as error:
        raise ScoringError(f"{folder} cannot be written ({error.strerror})") from None
    with file:
        if not try_lock(file.fileno()):
            raise ScoringError(f"another process is scoring into {folder}; wait for it, or end it")
        yield

"""The parts of a scoring: each holds the rows of some images that follow each other, in a file that is whole or absent.

A part's file appears by renaming, so whatever exists is finished, whoever wrote it and however that process ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow as pa

from automl_vision.core.errors import ImageError, ScoringError
from automl_vision.core.files import atomic_path, read_json, write_json
from automl_vision.data.image_list import ImageList
from automl_vision.deployment.rows import rows_of
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.objects import MIN_SCORE
from automl_vision.serving.predictor import Predictor

PART_IMAGES = 128  # at most these are predicted again after a crash
_PLAN, _IMAGES, _SUFFIX, _METADATA = "plan.json", "images.list", ".arrow", b"automl_vision"


@dataclass(frozen=True)
class Plan:
    """What is scored with what; parts of another plan are not mixed with its own.

    Attributes:
        model: the model folder.
        model_fingerprint: digest of its files.
        data_fingerprint: of the list of images.
        images: their number.
        keep_outputs: whether the parts also keep what an evaluation needs.
        runtime: that predicts, so that one predicts all images; None leaves it to each machine.
        precision: that it computes in; None for that of the runtime.
        unreadable: "skip" to list images that cannot be read, "error" to stop at one.
        part_images: images per part.
    """

    model: str
    model_fingerprint: str
    data_fingerprint: str
    images: int
    keep_outputs: bool
    runtime: str | None = None
    precision: str | None = None
    unreadable: str = "skip"
    part_images: int = PART_IMAGES

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.images // self.part_images)

    def range_of(self, part: int) -> range:
        """Positions of the images of a part."""
        start = part * self.part_images
        return range(start, min(start + self.part_images, self.images))

    def differences(self, other: Plan) -> list[str]:
        """What differs in another plan, in words; where the model folder lies and how parts are cut does not count."""
        found = []
        if other.model_fingerprint != self.model_fingerprint:
            found.append(f"another model ({other.model})")
        if other.data_fingerprint != self.data_fingerprint:
            found.append(f"other images ({other.images:,} then, {self.images:,} now; or files have changed)")
        if self.runtime not in (None, other.runtime) and not (other.runtime or "").startswith(f"{self.runtime}-"):
            found.append(f"another runtime ({other.runtime or 'none named'})")
        if self.precision not in (None, other.precision):
            found.append(f"another precision ({other.precision or 'none named'})")
        return found


class Parts:
    """The folder of a scoring's parts.

    Args:
        folder: holds the plan, the list of images and the parts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, plan: Plan, images: ImageList) -> None:
        """Write the plan and the images; the plan is written last."""
        about = {"root": images.root, "refused": {str(key): reason for key, reason in images.refused.items()}}
        table = pa.table({"image": images.references}, metadata={_METADATA: json.dumps(about)})
        _write(self.folder / _IMAGES, table)
        self.save_plan(plan)

    def save_plan(self, plan: Plan) -> None:
        """Write the plan."""
        write_json(self.folder / _PLAN, asdict(plan))

    def plan(self) -> Plan | None:
        """The plan; None where none was written."""
        try:
            return Plan(**read_json(self.folder / _PLAN))
        except FileNotFoundError:
            return None

    def images(self) -> ImageList:
        """The list of images."""
        table = _read(self.folder / _IMAGES)
        about = json.loads(table.schema.metadata[_METADATA])
        refused = {int(key): reason for key, reason in about["refused"].items()}
        return ImageList(about["root"], table["image"].combine_chunks(), "", refused=refused)

    def path(self, part: int) -> Path:
        """The file of a part."""
        return self.folder / f"{part:06d}{_SUFFIX}"

    def missing(self, plan: Plan) -> list[int]:
        """The parts that are still to be scored."""
        there = {file.name for file in self.folder.glob(f"*{_SUFFIX}")}
        return [part for part in range(plan.parts) if self.path(part).name not in there]

    def tables(self, plan: Plan) -> Iterator[pa.Table]:
        """The parts in order, one in memory at a time.

        Raises:
            ScoringError: a part does not hold exactly the images of its range.
        """
        for part in range(plan.parts):
            table = _read(self.path(part))
            if table["number"].to_pylist() != list(plan.range_of(part)):
                raise ScoringError(f"{self.path(part)} does not hold the images of its range; start with restart=True")
            yield table


def open_predictor(plan: Plan, *, threads: int = 0) -> Predictor:
    """The predictor of a plan.

    Raises:
        ModelFolderError: the model folder is not usable, or the runtime cannot be used on this machine.
    """
    score_threshold = MIN_SCORE if plan.keep_outputs else None
    return Predictor(
        plan.model,
        threads=threads,
        score_threshold=score_threshold,
        runtime=plan.runtime,
        precision=plan.precision,
    )


def score_parts(
    folder: str,
    parts: Sequence[int],
    *,
    threads: int = 0,
    done: Callable[[int], None] | None = None,
    predictor: Predictor | None = None,
) -> None:
    """Score some parts; those that exist are left alone. This is also the function of a job on a cluster.

    The images of all parts go through the predictor in one stream.

    Args:
        folder: of the parts.
        parts: their numbers, ascending.
        threads: cores to use; 0 uses all.
        done: called with the number of images done after each part, and several times within it.
        predictor: of the plan, where there is one already.

    Raises:
        ModelFolderError: the model folder is not usable.
        ImageError: an image cannot be read, and the plan does not skip such images.
        StorageError: the disk is full.
    """
    place = Parts(Path(folder))
    plan, images = place.plan(), place.images()
    if plan is None:
        raise ScoringError(f"{folder} holds no plan of a scoring")
    wanted = [part for part in parts if not place.path(part).exists()]
    rows = rows_of(ModelDescription.load(Path(plan.model)))
    predictor = predictor or open_predictor(plan, threads=threads)
    readers = (partial(images.read, position) for part in wanted for position in plan.range_of(part))
    answers = predictor.stream_all(readers)
    count = 0
    for part in wanted:
        positions = plan.range_of(part)
        found = []
        for position, answer in zip(positions, islice(answers, len(positions)), strict=True):
            if isinstance(answer, ImageError) and plan.unreadable == "error":
                raise answer.ending(images.references[position].as_py())
            found.append(answer)
            count += 1
            if done is not None:
                done(count)
        references = images.references.slice(positions.start, len(positions)).to_pylist()
        table = rows.table(positions.start, references, found, outputs=plan.keep_outputs)
        about = {"first": positions.start, "images": len(positions), "model": plan.model_fingerprint,
                 "data": plan.data_fingerprint}  # fmt: skip
        _write(place.path(part), table.replace_schema_metadata({_METADATA: json.dumps(about)}))


def _write(path: Path, table: pa.Table) -> None:
    """Write an Arrow file, whole or not at all; Parquet cannot read a null among lists of one length again."""
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer,
    ):
        writer.write_table(table)


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        return file.read_all()

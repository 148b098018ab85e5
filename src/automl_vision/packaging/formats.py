"""Further formats of a packaged model: derived from `model.onnx`, judged on image files, recorded in `model.json`.

Nothing here needs torch. The reference is the file in single precision, whose equality with the trained network was
proven when the model was packaged.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError, ModelFolderError, PackagingError, ParityError
from automl_vision.core.text import did_you_mean
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.intervals import Interval
from automl_vision.packaging.quantization import Inputs, Quantizer, without_features
from automl_vision.packaging.rescoring import Rescored, rescore
from automl_vision.serving.card import write_card
from automl_vision.serving.device import computes_bfloat16, processor_name
from automl_vision.serving.model_folder import DESCRIPTION_FILE, ModelDescription
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.runtimes import (
    EXPORT_COMMAND,
    FP16_FILE,
    INT8_FILE,
    ONNX_FILE,
    OPENVINO_INT8_FILE,
    REFERENCE,
    RUNTIMES,
    find_runtime,
)
from automl_vision.serving.speed import BATCHES, measure_latency

MAX_LOSS = 0.01
"""Share of the primary metric's range that a format may lose: with it, one answer more that is wrong passes from 300
validation images on, for the interval of one image reaches to three."""

_RULE_OF_THREE = 3
"""Of n images of which none differs, up to 3 in n may differ (95 %), and the bootstrap's interval has no width: at a
true loss of 2 % labels alone accepted 10 to 12 % of simulated formats on 50 images, the expected loss 4 to 9 %."""

LEAST_IMAGES = 50  # with fewer, even an interval of no difference says nothing
_MOST_IMAGES = 1000
_CALIBRATION_IMAGES = 32
_ROUNDS, _SHARE_PER_ROUND = 4, 0.1  # of layers put back to float; more looks would fit the validation images
_LATENCY_SECONDS = 0.5


@dataclass(frozen=True)
class Source:
    """What a format is derived from.

    Attributes:
        file: the network in single precision.
        inputs: (1, 3, height, width) each, of training images.
        end: monotonic time at which work should end.
    """

    file: Path
    inputs: Sequence[Inputs]
    end: float = math.inf


class Format(ABC):
    """A file that is derived from `model.onnx`.

    Attributes:
        name: of the runtime that loads it.
        file: its name in the model folder.
        limit: mean difference of the outputs over the images; see `Rescored.differences`.
    """

    name: ClassVar[str]
    file: ClassVar[str]
    limit: ClassVar[float]

    @abstractmethod
    def attempts(self, source: Source, target: Path) -> Iterator[dict[str, Any]]:
        """Write the file, and yield how; where it is refused, the next attempt is asked for.

        Raises:
            PackagingError: the network cannot be converted.
        """


FORMATS: dict[str, Format] = {}
"""The formats by name."""


def register_format(kind: type[Format]) -> type[Format]:
    """Add the decorated format to the table."""
    FORMATS[kind.name] = kind()
    return kind


@register_format
class Int8(Format):
    """8-bit integers; each attempt leaves more layers in float."""

    name, file, limit = "onnx-int8", INT8_FILE, 0.1
    rounds_exits: ClassVar[bool] = True

    def attempts(self, source: Source, target: Path) -> Iterator[dict[str, Any]]:
        """All layers at first; then without those that add most noise, a tenth per round."""
        third = (source.end - time.monotonic()) / 3
        quantizer = Quantizer(source.file, source.inputs, seconds=third, rounds_exits=self.rounds_exits)
        kept: list[str] = []
        for _ in range(1 + _ROUNDS):
            done = quantizer.quantize(target, left_in_float=kept)
            start = time.monotonic()  # the first call also calibrates, which no further round repeats
            yield {
                "calibration": {"method": done.method, "images": len(source.inputs), "noise": done.noise},
                "quantized_layers": done.layers,
                "float_layers": list(done.float_layers),
            }
            count = math.ceil(_SHARE_PER_ROUND * (done.layers + len(kept)))
            if done.layers <= count or source.end - time.monotonic() < 2 * (time.monotonic() - start):
                return
            kept += quantizer.worst_layers(target, count, left_in_float=kept)


@register_format
class OpenVinoInt8(Int8):
    """8-bit integers for OpenVINO; layers left in float are computed in bfloat16 where the processor has it."""

    name, file = "openvino-int8", OPENVINO_INT8_FILE
    rounds_exits = False


@register_format
class Fp16(Format):
    """Half precision of weights and feature maps; coordinates of boxes stay in single precision."""

    name, file, limit = "onnx-fp16", FP16_FILE, 0.01

    def attempts(self, source: Source, target: Path) -> Iterator[dict[str, Any]]:
        """One attempt."""
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        inside = Quantizer(source.file, ()).nodes
        model = without_features(onnx.load(source.file))
        others = [node.name for node in model.graph.node if node.name not in inside]
        onnx.save(convert_float_to_float16(model, keep_io_types=True, node_block_list=others), target)
        yield {}


@register_format
class OpenVino(Format):
    """OpenVINO compiles `model.onnx` itself, so nothing is written; what it computes is proven all the same."""

    name, file, limit = "openvino", ONNX_FILE, 0.01

    def attempts(self, source: Source, target: Path) -> Iterator[dict[str, Any]]:
        """One attempt, on a copy of the same file."""
        if source.file != target:
            shutil.copyfile(source.file, target)
        yield {}


@register_format
class OpenVinoBf16(OpenVino):
    """OpenVINO in bfloat16, from `model.onnx`; nothing is written, but what it computes is proven."""

    name, limit = "openvino-bf16", 0.05


def add_format(
    folder: str | Path,
    name: str,
    dataset: Dataset,
    *,
    max_loss: float = MAX_LOSS,
    seconds: float = math.inf,
) -> Path:
    """Add a format to a model folder, if its predictions are near those of the file in single precision.

    Every attempt is scored on the validation images, at most 1000 of them. It is accepted if the lower end of the
    paired bootstrap interval (95 %) of the primary metric's difference is not below the allowed loss, and the outputs
    differ by no more than the format's limit on average. Few images make that interval too wide, or empty where all
    answers are the same; accuracy of one class per image is then judged by `Rescored.expected_loss`. What was measured
    goes into `model.json` and the card, a refusal too.

    Args:
        folder: the model folder.
        name: in `FORMATS`.
        dataset: with training images, which calibrate, and at least 50 validation images, which judge.
        max_loss: share of the primary metric's range that may be lost; of its value where it has no upper end.
        seconds: in which it should be done; a longer calibration and further attempts are left out.

    Returns:
        The file.

    Raises:
        PackagingError: no format has the name, the network cannot be converted, or time does not suffice.
        ParityError: the format was refused; no file is written, and an earlier one of it is deleted.
        ModelFolderError: the folder is not a usable model folder, or the format's runtime is not installed.
        DataError: the images do not suffice.
    """
    folder, format_ = Path(folder), find_format(name)
    description = ModelDescription.load(folder)
    dataset = dataset.as_task(description.task).with_classes(description.classes)
    end = time.monotonic() + seconds
    find_runtime(folder, REFERENCE).open(folder, threads=1)  # an error names this folder, not a copy
    absent = RUNTIMES[name].absent()
    if absent is not None:  # named before anything is measured
        raise ModelFolderError(absent)
    rows = _judging_rows(dataset)
    with tempfile.TemporaryDirectory(prefix=".format-", dir=folder.parent) as staging:
        place = Path(staging)
        for needed in dict.fromkeys((DESCRIPTION_FILE, ONNX_FILE)):
            shutil.copyfile(folder / needed, place / needed)
        start = time.monotonic()
        judge = _Judge(place, dataset, rescore(place, dataset, rows, runtime=REFERENCE), format_, max_loss)
        took = time.monotonic() - start
        if time.monotonic() + 4 * took > end:
            command = EXPORT_COMMAND.format(folder=folder, name=name)
            raise PackagingError(f"{name} takes more than the {seconds:.0f} s that are left; add it with: {command}")
        source = Source(place / ONNX_FILE, _calibration_inputs(place, dataset), end - took)
        refusal: str | None = "it cannot be converted"
        entry: dict[str, Any] = {}
        for facts in format_.attempts(source, place / format_.file):
            figures, problem = judge.judged()
            entry, refusal = {**facts, **figures}, problem
            if problem is None:
                break
        if refusal is None and format_.file != ONNX_FILE:
            (place / format_.file).replace(folder / format_.file)
        reference = {**description.formats.get(REFERENCE, {}), **judge.reference_figures}
    _record(folder, description, {REFERENCE: reference, name: entry}, refused=refusal, format_=format_)
    if refusal is not None:
        raise ParityError(f"no {name} was written: {refusal}")
    return folder / format_.file


def find_format(name: str) -> Format:
    """The named format.

    Raises:
        PackagingError: there is none.
    """
    if name in FORMATS:
        return FORMATS[name]
    if name in RUNTIMES:
        needed = RUNTIMES[name].proof
        instead = f"the format {needed}; export that" if needed in FORMATS else f"{ONNX_FILE}, which every model has"
        raise PackagingError(f"the runtime {name} has no format of its own: it loads {instead}")
    known = ", ".join(FORMATS)
    raise PackagingError(f'no format is named "{name}".{did_you_mean(name, FORMATS)} Formats: {known}')


@dataclass(frozen=True)
class _Judge:
    """Compares attempts with the file in single precision.

    Attributes:
        place: folder with both files.
        dataset: with the images.
        reference: predictions in single precision.
        format: that is judged.
        max_loss: share of the metric's range.
    """

    place: Path
    dataset: Dataset
    reference: Rescored
    format: Format
    max_loss: float

    def judged(self) -> tuple[dict[str, Any], str | None]:
        """Figures of the file, and why it is refused; None where it is not."""
        name, metric = self.format.name, self.reference.metric
        try:
            mine = rescore(self.place, self.dataset, self.reference.rows, runtime=name)
        except Exception as error:  # libraries of runtimes raise what they like
            return {"file": self.format.file}, f"it fails to predict ({_first_line(error)})"
        apart = mine.differences(self.reference, ModelDescription.load(self.place).thresholds)
        worst, gain = int(apart.argmax()), mine.gain_over(self.reference)
        span = metric.high - metric.low
        least = -self.max_loss * (span if math.isfinite(span) else abs(self.reference.interval.value))
        expected, needed = mine.expected_loss(self.reference), math.ceil(_RULE_OF_THREE / max(self.max_loss, 1e-9))
        by_labels = metric.name != "accuracy" or len(apart) >= needed
        figures = {
            **self._file_figures(name, self.format.file),
            "parity": {
                "images": len(apart),
                "mean_difference": float(apart.mean()),
                "limit": self.format.limit,
                "largest_difference": float(apart[worst]),
                "largest_in": mine.images[worst],
            },
            "metric": {"name": metric.name, **mine.interval.to_json()},
            "difference": {**gain.to_json(), "at_least": least},
            "bfloat16": computes_bfloat16(),
        }
        if expected is not None:
            figures["expected_loss"] = {**expected.to_json(), "at_most": -least / 2}
        why = _problem(metric.words, gain, least, figures["parity"], expected, needed=0 if by_labels else needed)
        return figures, why

    @cached_property
    def reference_figures(self) -> dict[str, Any]:
        """Of the file in single precision."""
        metric = {"name": self.reference.metric.name, **self.reference.interval.to_json()}
        return {**self._file_figures(REFERENCE, ONNX_FILE), "metric": metric}

    def _file_figures(self, name: str, file: str) -> dict[str, Any]:
        images = [self.dataset[row].read() for row in self.reference.rows[: max(BATCHES)].tolist()]
        times = measure_latency(self.place, images, threads=1, runtime=name, seconds=_LATENCY_SECONDS)
        latency = {f"batch {batch}": {"median_ms": t.median_ms, "p95_ms": t.p95_ms} for batch, t in times.items()}
        size = (self.place / file).stat().st_size
        return {"file": file, "bytes": size, "latency": latency, "processor": processor_name()}


def _problem(
    words: str,
    gain: Interval,
    least: float,
    parity: dict[str, Any],
    expected: Interval | None = None,
    *,
    needed: int = 0,
) -> str | None:
    """Why a format is refused, in a sentence without its end; None where it is accepted.

    Args:
        words: the metric.
        gain: of the metric.
        least: what its lower end may be.
        parity: figures of the outputs.
        expected: the expected loss; None where it says nothing.
        needed: images from which labels alone suffice; 0 where they do.
    """
    is_small = expected is not None and expected.high <= -least / 2 and gain.high >= 0
    where = f"the largest difference of outputs is {parity['largest_difference']:.3f}, in {parity['largest_in']}"
    images = parity["images"]
    if not gain.low >= least and not is_small:  # also where it is not a number
        return (
            f"on {images} validation images {words} changes by {gain.text(4)} against single precision, and the lower "
            f"end may not be below {least:g}; {where}"
        )
    if needed and not is_small:
        seen = "more than 5 % of the answers differ" if expected is None else f"it is {expected.text(4)}"
        return (
            f"on {images} validation images labels alone do not tell, for which {needed} are needed, and the expected "
            f"loss of {words} is not shown to be at most {-least / 2:g}: {seen}; {where}"
        )
    if not parity["mean_difference"] <= parity["limit"]:
        return (
            f"on {images} validation images the outputs differ by {parity['mean_difference']:.3f} on average, and at "
            f"most {parity['limit']:g} is allowed; {where}"
        )
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _judging_rows(dataset: Dataset) -> NDArray[np.intp]:
    rows = np.flatnonzero(dataset.splits == "val")
    if len(rows) < LEAST_IMAGES:
        raise DataError(
            f"a format is judged on at least {LEAST_IMAGES} validation images, and there are {len(rows)}; "
            "name data with more of them: --data DATA"
        )
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_IMAGES)).astype(np.intp))]


def _calibration_inputs(folder: Path, dataset: Dataset) -> list[Inputs]:
    """The network's inputs for some training images, of a tiled image one view.

    Raises:
        DataError: there are no training images.
    """
    rows = np.flatnonzero(dataset.splits == "train")
    if not len(rows):
        raise DataError(
            "a format is calibrated on training images, and there are none; name data with some: --data DATA"
        )
    random = np.random.default_rng(0)
    chosen = random.choice(rows, min(len(rows), _CALIBRATION_IMAGES), replace=False)
    predictor = Predictor(folder, runtime=REFERENCE)
    views = (predictor.preprocess(dataset[int(row)].read()) for row in chosen)
    return [each[k : k + 1] for each in views for k in (random.integers(len(each)),)]


def _record(
    folder: Path, description: ModelDescription, entries: dict[str, Any], *, refused: str | None, format_: Format
) -> None:
    """Write what was measured into the description and the card."""
    if refused is not None:
        entries = {**entries, format_.name: {**entries[format_.name], "refused": refused}}
        if format_.file != ONNX_FILE:
            (folder / format_.file).unlink(missing_ok=True)
    description = replace(description, formats={**description.formats, **entries})
    description.save(folder)
    write_card(description, folder)

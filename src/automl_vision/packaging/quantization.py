"""Static quantisation of an ONNX file to 8-bit integers, with layers that cost accuracy left in float; without torch.

Weights are symmetric per output channel, activations asymmetric per tensor (Jacob et al. 2018), in ONNX Runtime's QDQ
form. Convolutions and layers with fixed weights are quantised, and what passes on feature maps between them. Decoding
of boxes, suppression and attention stay in float: coordinates in pixels have no use for 256 steps. So does a layer
whose output is the network's: on a trained EfficientNet-Lite0 the classifier alone made two thirds of the noise of all
50 layers (noise-to-signal ratio of the logits 0.026 with it, 0.008 without), at no measurable gain in speed.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import PackagingError
from automl_vision.serving.runtimes import predicting_outputs

Inputs = NDArray[np.float32]

METHODS = ("minmax", "percentile", "entropy")
"""How ranges of activations are found: their extremes, without the last 0.01 %, or of the least divergence."""

_LAYERS = ("Conv", "Gemm", "MatMul")
_BETWEEN = ("Add", "AveragePool", "Clip", "Concat", "GlobalAveragePool", "MaxPool", "Relu", "Resize")
_REORDERING = ("NonMaxSuppression", "RoiAlign", "TopK")  # after these, tensors of two networks cannot be compared
_MERGED = ("Clip", "Relu")
_LEAST_WIDTH = 8  # of a MatMul's weights; smaller constants are not those of a layer
_COMPARED = 8  # images on which tensors of the two networks are compared
_PERCENTILE = 99.99


@dataclass(frozen=True)
class Quantized:
    """What was quantised, and how.

    Attributes:
        method: of calibration.
        layers: number of quantised layers.
        float_layers: names of the layers that were left in float.
        noise: mean noise-to-signal ratio of the feature maps that leave the quantised part, by method.
    """

    method: str
    layers: int
    float_layers: tuple[str, ...]
    noise: dict[str, float]


class Quantizer:
    """Quantises one ONNX file as often as wanted; ranges of activations are measured once per method.

    Args:
        source: the file in single precision.
        inputs: (1, 3, height, width) each, of calibration images.
        seconds: after which no further calibration method is tried; the first one always is.
        rounds_exits: whether a layer's output is rounded where nodes in float alone read it. ONNX Runtime computes the
            layer with integers only then. OpenVINO does so anyway, and 2026.4 takes the scale of a rounded `Concat`
            through a `Gather` that drops an axis, with the axis: outputs had the number of anchors as their batch.

    Raises:
        PackagingError: the file cannot be read, or has no layer that can be quantised.
    """

    def __init__(
        self,
        source: Path,
        inputs: Sequence[Inputs],
        *,
        seconds: float = float("inf"),
        rounds_exits: bool = True,
    ) -> None:
        import onnx

        try:
            self._model = without_features(onnx.shape_inference.infer_shapes(onnx.load(source)))
        except Exception as error:  # protobuf and onnx raise several kinds
            raise PackagingError(f"{source} is not a readable ONNX file ({error}); package the trial again") from error
        self._source, self._inputs, self._rounds_exits = source, list(inputs), rounds_exits
        self._end = time.monotonic() + seconds
        if not self._layers:
            raise PackagingError(f"{source} has no layer that can be quantised; use it in single precision")

    def quantize(self, target: Path, *, left_in_float: Iterable[str] = ()) -> Quantized:
        """Write the quantised file.

        Args:
            target: the file to write.
            left_in_float: names of layers, as `worst_layers` returns them.
        """
        kept = set(left_in_float)
        method, noise = self._chosen
        self._write(target, method, kept)
        done = [name for name in self._layers if name not in kept]
        return Quantized(method, len(done), tuple(name for name in self._layers if name in kept), noise)

    @property
    def nodes(self) -> set[str]:
        """The names of all nodes that can be computed in another precision: layers, and what lies between them."""
        return {*self._layers, *self._between(set())}

    def worst_layers(self, quantized: Path, count: int, *, left_in_float: Iterable[str] = ()) -> list[str]:
        """The names of the quantised layers whose outputs gained most noise over their inputs, the worst first.

        Layers after an operator that reorders objects cannot be judged and come last.

        Args:
            quantized: the file.
            count: how many.
            left_in_float: the layers that are not quantised in it.
        """
        noise, kept = self._noise(quantized), set(left_in_float)
        known = _producers(self._model)
        gained = {}
        for name, node in self._layers.items():
            if name in kept:
                continue
            before = max((noise.get(each, 0.0) for each in _sources(node, known, noise)), default=0.0)
            gained[name] = noise[node.output[0]] - before if node.output[0] in noise else -1.0
        return sorted(gained, key=lambda name: gained[name], reverse=True)[:count]

    @cached_property
    def _chosen(self) -> tuple[str, dict[str, float]]:
        """The calibration method of the least noise where feature maps leave the quantised part, and all that noise."""
        noise: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as scratch:
            for method in METHODS:
                start = time.monotonic()
                file = Path(scratch) / f"{method}.onnx"
                try:
                    self._write(file, method, set())
                except ValueError:  # no histogram of a nearly constant feature map, seen of D-FINE
                    if not noise:
                        raise
                    continue
                found = self._noise(file)
                noise[method] = float(np.mean([found[name] for name in self._exits if name in found]))
                if 2 * time.monotonic() - start > self._end:  # the next one takes as long, or longer
                    break
        return min(noise, key=lambda method: noise[method]), noise

    def _write(self, target: Path, method: str, kept: set[str]) -> None:
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        names = [name for name in (*self._layers, *self._between(kept)) if name not in kept]
        model = type(self._model)()
        model.CopyFrom(self._model)
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=self._ranges(method),
            nodes_to_quantize=names,
            nodes_to_exclude=[],
            op_types_to_quantize=[*_LAYERS, *_BETWEEN],
            extra_options={},
        )
        quantizer.quantize_model()
        if not self._rounds_exits:
            _read_unrounded(quantizer.model.model, self._model, set(names))
        quantizer.model.save_model_to_file(str(target), False)

    def _ranges(self, method: str) -> Any:
        """The ranges of all activations by a calibration method, measured once."""
        if method not in self._known_ranges:
            self._known_ranges[method] = self._measured_ranges(method)
        return self._known_ranges[method]

    @cached_property
    def _known_ranges(self) -> dict[str, Any]:
        return {}

    def _measured_ranges(self, method: str) -> Any:
        from onnxruntime.quantization import CalibrationMethod, create_calibrator

        kind = {
            "minmax": CalibrationMethod.MinMax,
            "percentile": CalibrationMethod.Percentile,
            "entropy": CalibrationMethod.Entropy,
        }[method]
        options = {"percentile": _PERCENTILE} if method == "percentile" else {}
        # ONNX Runtime's calibrators print their progress
        with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):
            augmented = str(Path(scratch) / "augmented.onnx")
            calibrator = create_calibrator(
                self._source, [*_LAYERS, *_BETWEEN], augmented, calibrate_method=kind, extra_options=options
            )
            for inputs in self._inputs:  # one by one: the calibrator keeps all feature maps of a call in memory
                calibrator.collect_data(_reader([{self._input: inputs}]))
            return calibrator.compute_data()

    @cached_property
    def _input(self) -> str:
        return str(self._model.graph.input[0].name)

    @cached_property
    def _weights(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the constants by name."""
        return {tensor.name: tuple(tensor.dims) for tensor in self._model.graph.initializer}

    @cached_property
    def _layers(self) -> dict[str, Any]:
        """The nodes with fixed weights that may be quantised, by name, in the order of computation."""
        last = {output.name for output in self._model.graph.output}
        layers = {node.name: node for node in self._model.graph.node if self._is_layer(node)}
        inner = {name: node for name, node in layers.items() if node.output[0] not in last}
        return inner or layers

    def _is_layer(self, node: Any) -> bool:
        if node.op_type not in _LAYERS or len(node.input) < 2 or node.input[1] not in self._weights:
            return False
        return node.op_type != "MatMul" or min(self._weights[node.input[1]], default=0) >= _LEAST_WIDTH

    def _between(self, kept: set[str]) -> list[str]:
        """The names of the nodes that pass feature maps on between quantised layers."""
        ranks = _ranks(self._model)
        from_layers = {self._layers[name].output[0] for name in self._layers if name not in kept}
        names = []
        for node in self._model.graph.node:
            maps = [name for name in node.input if name and name not in self._weights]
            is_maps = node.op_type in _BETWEEN and ranks.get(node.output[0]) == 4
            if is_maps and maps and all(name in from_layers for name in maps):
                names.append(node.name)
                from_layers.add(node.output[0])
        return names

    @cached_property
    def _exits(self) -> list[str]:
        """Tensors that leave the quantised part and can be compared between two networks."""
        inside = self.nodes
        comparable = set(self._comparable)
        left = [
            name
            for node in self._model.graph.node
            if node.name not in inside
            for name in node.input
            if name in comparable
        ]
        ends = [output.name for output in self._model.graph.output if output.name in comparable]
        return list(dict.fromkeys([*left, *ends])) or list(self._comparable)

    @cached_property
    def _comparable(self) -> list[str]:
        """Outputs of layers, and of what lies between them, that no reordering operator precedes."""
        inside = self.nodes
        reordered: set[str] = set()
        names = []
        for node in self._model.graph.node:
            if node.op_type in _REORDERING or reordered & set(node.input):
                reordered.update(node.output)
            elif node.name in inside:
                names.append(node.output[0])
        return names

    def _noise(self, quantized: Path) -> dict[str, float]:
        """Noise-to-signal ratio of each comparable tensor, over some calibration images."""
        import onnx

        other_model = onnx.load(quantized)
        pairs = self._counterparts(other_model)
        mine, other = _observed(self._model, list(pairs)), _observed(other_model, list(pairs.values()))
        noise, signal = np.zeros(len(pairs)), np.zeros(len(pairs))
        for inputs in self._inputs[:_COMPARED]:
            feed = {self._input: inputs}
            found = zip(mine.run(list(pairs), feed), other.run(list(pairs.values()), feed), strict=True)
            for k, (a, b) in enumerate(found):
                noise[k] += float(np.square(a - b, dtype=np.float64).sum())
                signal[k] += float(np.square(a, dtype=np.float64).sum())
        known = dict(zip(pairs, (noise / np.maximum(signal, 1e-30)).tolist(), strict=True))
        for node in self._model.graph.node:  # a layer has the noise of the activation that was merged into it
            if node.op_type in _MERGED and node.output[0] in known:
                known.setdefault(node.input[0], known[node.output[0]])
        return known

    def _counterparts(self, quantized: Any) -> dict[str, str]:
        """By comparable tensor the one of the quantised network that has the same meaning.

        Quantisation to the range behind a rectifier replaces the rectifier, whose output is then missing.
        """
        there = {name for node in quantized.graph.node for name in node.output}
        known = _producers(self._model)
        replaced = {
            known[name].input[0]: name
            for name in self._comparable
            if name not in there and known[name].op_type in _MERGED
        }
        pairs = {}
        for name in self._comparable:
            meant, origin = replaced.get(name, name), name
            if name not in there or (meant != name and meant in pairs):
                continue
            rounded = f"{origin}_DequantizeLinear_Output"
            pairs[meant] = rounded if rounded in there else origin
        return pairs


def without_features(model: Any) -> Any:
    """The network without its features, and without the nodes that only they need; it is changed in place."""
    graph = model.graph
    kept = predicting_outputs([output.name for output in graph.output])
    for output in [output for output in graph.output if output.name not in kept]:
        graph.output.remove(output)
    needed = set(kept)
    for node in reversed(list(graph.node)):
        if needed.intersection(node.output):
            needed.update(node.input)
        else:
            graph.node.remove(node)
    return model


def _read_unrounded(quantized: Any, original: Any, rounded: set[str]) -> None:
    """Let nodes in float read a tensor as it was, if no quantised node reads it rounded.

    A rectifier that was merged into the range of its output is gone, so that output stays rounded.

    Args:
        quantized: the network that is changed.
        original: the network before it was quantised.
        rounded: names of the quantised nodes.
    """
    graph = quantized.graph
    by_rounded = {name for node in graph.node if node.name in rounded for name in node.input}
    makers, made_now = _producers(original), _producers(quantized)
    same = {name for name, node in makers.items() if name in made_now and made_now[name].name == node.name}
    sources = {node.name: node for node in original.graph.node if node.name not in rounded}
    for node in graph.node:
        if node.name in sources:
            for k, (now, before) in enumerate(zip(node.input, sources[node.name].input, strict=True)):
                if now != before and before in same and now not in by_rounded:
                    node.input[k] = before
    for kind in ("DequantizeLinear", "QuantizeLinear"):  # those that nothing reads any more
        used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
        for each in [node for node in graph.node if node.op_type == kind and node.output[0] not in used]:
            graph.node.remove(each)


def _reader(feeds: Iterable[dict[str, Inputs]]) -> Any:
    """A calibration data reader of ONNX Runtime over some feeds."""
    from onnxruntime.quantization import CalibrationDataReader

    class _Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> dict[str, Inputs] | None:
            return next(self._feeds, None)

    return _Reader()


def _observed(model: Any, names: Sequence[str]) -> Any:
    """A session that also returns the named tensors, unfused so that all of them exist."""
    import onnx
    import onnxruntime

    observed = type(model)()
    observed.CopyFrom(model)
    known = {output.name for output in observed.graph.output}
    observed.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in known
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(observed.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _producers(model: Any) -> dict[str, Any]:
    return {output: node for node in model.graph.node for output in node.output}


def _sources(node: Any, producers: dict[str, Any], known: dict[str, float]) -> list[str]:
    """The nearest tensors before a node whose noise is known."""
    found, waiting, seen = [], [name for name in node.input if name], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in known:
            found.append(name)
        elif name in producers:
            waiting.extend(each for each in producers[name].input if each)
    return found


def _ranks(model: Any) -> dict[str, int]:
    """Number of dimensions of the tensors for which it is known."""
    infos = (*model.graph.value_info, *model.graph.output, *model.graph.input)
    return {
        info.name: len(info.type.tensor_type.shape.dim) for info in infos if info.type.tensor_type.HasField("shape")
    }

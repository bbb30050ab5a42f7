"""The faults that are planted: what is broken, the gate that has to catch it, what its message has to name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from bench import openvino_faults
from bench.fault_free_file import GoodFile, float_source
from bench.good_files import draft_file
from gdfq_export.artifacts.manifest import open_bundle
from gdfq_export.errors import GdfqExportError
from gdfq_export.frontend.sources import load_model
from gdfq_export.frontend.sources.onnx_file import read_onnx
from gdfq_export.lint.check import check
from gdfq_export.targets import find_target

__all__ = ["Fault", "faults_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is broken, what breaks it, the gate that has to say so, and what its message has to name."""

    title: str
    plant: Callable[[GoodFile], str]
    gate: str
    names: str


def _layer(proto: onnx.ModelProto, index: int) -> onnx.NodeProto:
    return [node for node in proto.graph.node if node.op_type == "Conv"][index]


def _producer(proto: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in proto.graph.node if name in node.output)


def _change(proto: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))


def _wrong_scale(good: GoodFile) -> str:
    proto = good.copy()
    pair = _producer(proto, _layer(proto, 5).input[0])
    _change(proto, pair.input[1], lambda scale: scale / 8)
    return good.verified(proto)


def _other_scale(good: GoodFile) -> str:
    proto = good.copy()
    pair = _producer(proto, _layer(proto, 5).input[0])
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "another_scale"))
    pair.input[1] = "another_scale"
    return good.verified(proto)


def _swapped_channels(good: GoodFile) -> str:
    proto = good.copy()
    weight = _producer(proto, _layer(proto, 4).input[1]).input[0]
    _change(proto, weight, lambda codes: np.roll(codes, 1, axis=0))
    return good.verified(proto)


def _float_layer(good: GoodFile) -> str:
    proto = good.copy()
    layer = _layer(proto, 3)
    pair = _producer(proto, layer.input[1])
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    values = tensors[pair.input[0]].astype(np.float32) * tensors[pair.input[1]].reshape(-1, 1, 1, 1)
    proto.graph.initializer.append(numpy_helper.from_array(values, "float_weights"))
    layer.input[1] = "float_weights"
    return good.verified(proto)


def _wrong_bias_scale(good: GoodFile) -> str:
    proto = good.copy()
    pair = _producer(proto, _layer(proto, 2).input[2])
    channels = len(numpy_helper.to_array(next(t for t in proto.graph.initializer if t.name == pair.input[0])))
    wrong = numpy_helper.from_array(np.full(channels, 0.01, np.float32), "wrong_bias_scale")
    proto.graph.initializer.append(wrong)
    pair.input[1] = "wrong_bias_scale"
    return good.verified(proto)


def _wrong_preprocessing(good: GoodFile) -> str:
    network = load_model(float_source(), mean=0.5, std=0.5)
    return good.verified(good.file, network=network)


def _saturating(good: GoodFile) -> str:
    return good.verified(good.file, "ort-cpu-avx2")


def _for_tensorrt(good: GoodFile) -> str:
    draft = draft_file(good.network, "tensorrt")
    pair = next(node for node in draft.graph.node if node.op_type == "QuantizeLinear")
    draft.graph.initializer.append(numpy_helper.from_array(np.int8(3), "zero_of_3"))
    reader = next(node for node in draft.graph.node if pair.output[0] in node.input)
    pair.input[2] = reader.input[2] = "zero_of_3"
    return _rules(draft, "tensorrt")


def _smallest_weights(good: GoodFile) -> str:
    proto = good.copy()
    weight = _producer(proto, _layer(proto, 4).input[1]).input[0]
    _change(proto, weight, lambda codes: np.where(codes < -100, np.int8(-128), codes))
    return _rules(proto)


def _sum_of_one_family(good: GoodFile) -> str:
    proto = good.copy()
    added = next(node for node in proto.graph.node if node.op_type == "Add")
    summand = _producer(proto, added.input[0]).input[1]
    twice = 2 * numpy_helper.to_array(next(each for each in proto.graph.initializer if each.name == summand))
    written = next(node for node in proto.graph.node if added.output[0] in node.input)
    _change(proto, written.input[1], lambda scale: np.asarray(twice, scale.dtype))
    return _rules(proto)


def _rules(proto: onnx.ModelProto, target: str = "ort-cpu") -> str:
    return "\n".join(finding.message for finding in check(proto, find_target(target)))


def _openvino_rules(made: Callable[[], onnx.ModelProto], good: GoodFile) -> str:
    return _rules(made(), "openvino")


_FOR_OPENVINO: tuple[tuple[str, Callable[[], onnx.ModelProto], str], ...] = (
    (
        "an average that counts padding, of codes whose zero point is not 0",
        openvino_faults.padded,
        "pads with the code 0",
    ),
    ("the mean over channels of a signal", openvino_faults.reduced_signal, "for three axes"),
    ("fully connected layers without biases, one behind the other", openvino_faults.joined_layers, "into one kernel"),
    ("DepthToSpace of joined features", openvino_faults.joined_features, "does not load DequantizeLinear"),
    ("less than a step added, then quantized as before", openvino_faults.left_out_constant, "leaves it out"),
    ("part of a step added in front of a convolution", openvino_faults.rounded_constant, "adds whole steps"),
)


def _truncated(good: GoodFile) -> str:
    path = good.folder / "cut.onnx"
    data = good.file.SerializeToString()
    path.write_bytes(data[: len(data) // 2])
    return _error(lambda: read_onnx(path))


def _stale_hash(good: GoodFile) -> str:
    proto = good.copy()
    proto.doc_string = "touched"
    (good.folder / "bundle" / "model.onnx").write_bytes(proto.SerializeToString())
    return _error(lambda: open_bundle(good.folder / "bundle" / "manifest.json"))


def _error(act: Callable[[], Any]) -> str:
    try:
        act()
    except GdfqExportError as error:
        return f"exit code {error.exit_code}: {error}"
    return ""


def faults_of(file: onnx.ModelProto) -> tuple[Fault, ...]:
    quantized = _producer(file, _producer(file, _layer(file, 5).input[0]).input[0]).input[0]
    return (
        Fault(
            title="scale of an activation an eighth of what it should be",
            plant=_wrong_scale,
            gate="max-top1-drop-pp",
            names=_producer(file, quantized).name,
        ),
        Fault(
            title="an activation dequantized with another scale",
            plant=_other_scale,
            gate="require-rules",
            names="scale",
        ),
        Fault(
            title="channels of a weight swapped",
            plant=_swapped_channels,
            gate="max-top1-drop-pp",
            names=_layer(file, 4).name,
        ),
        Fault(
            title="weights of a convolution left in float",
            plant=_float_layer,
            gate="min-integer-coverage",
            names=_layer(file, 3).name,
        ),
        Fault(title="scale of a bias", plant=_wrong_bias_scale, gate="max-top1-drop-pp", names=_layer(file, 2).name),
        Fault(
            title="zero point other than 0 in a file for TensorRT",
            plant=_for_tensorrt,
            gate="",
            names="zero point is 3",
        ),
        Fault(
            title="weights that saturate on a CPU without VNNI",
            plant=_saturating,
            gate="require-rules",
            names=_layer(file, 0).name,
        ),
        Fault(
            title="weights of -128, twice in an output channel, that wrap on ARM64 cores",
            plant=_smallest_weights,
            gate="",
            names="products may wrap 16 bits",
        ),
        Fault(
            title="scale of a sum with which ARM64 rounds otherwise than x86-64",
            plant=_sum_of_one_family,
            gate="",
            names="pairs of codes have another sum on ARM64",
        ),
        *(
            Fault(
                title=f"for OpenVINO: {title}",
                plant=lambda _, made=made: _rules(made(), "openvino"),
                gate="",
                names=names,
            )
            for title, made, names in _FOR_OPENVINO
        ),
        Fault(title="wrong preprocessing", plant=_wrong_preprocessing, gate="require-rules", names="mean"),
        Fault(title="file cut short", plant=_truncated, gate="exit code 2", names="cut short"),
        Fault(
            title="file changed after its manifest was written",
            plant=_stale_hash,
            gate="exit code 2",
            names="model.onnx",
        ),
    )

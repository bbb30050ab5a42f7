"""Q/DQ files in forms that our writer does not write: each function changes one thing in a file, in place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

Rewrite = Callable[[onnx.ModelProto, np.random.Generator], None]


def nodes(file: onnx.ModelProto, *operators: str) -> list[onnx.NodeProto]:
    return [node for node in file.graph.node if node.op_type in operators]


def array(file: onnx.ModelProto, name: str) -> np.ndarray:
    return numpy_helper.to_array(next(tensor for tensor in file.graph.initializer if tensor.name == name))


def put(file: onnx.ModelProto, name: str, values: np.ndarray) -> str:
    for tensor in file.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(values, name))
            return name
    file.graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def _readers(file: onnx.ModelProto, name: str) -> list[onnx.NodeProto]:
    return [node for node in file.graph.node if name in node.input]


def _insert(file: onnx.ModelProto, before: onnx.NodeProto, node: onnx.NodeProto) -> None:
    file.graph.node.insert(list(file.graph.node).index(before), node)


def _rename_input(node: onnx.NodeProto, old: str, new: str) -> None:
    node.input[:] = [new if name == old else name for name in node.input]


def _pairs(file: onnx.ModelProto) -> list[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """QuantizeLinear and the one DequantizeLinear that alone reads it."""
    found = []
    for node in nodes(file, "QuantizeLinear"):
        readers = _readers(file, node.output[0])
        if len(readers) == 1 and readers[0].op_type == "DequantizeLinear":
            found.append((node, readers[0]))
    return found


def _any(random: np.random.Generator, items: list) -> list:
    return [items[random.integers(len(items))]] if items else []


def without_a_pair(file: onnx.ModelProto, random: np.random.Generator) -> None:
    outputs = {value.name for value in file.graph.output}
    pairs = [pair for pair in _pairs(file) if pair[1].output[0] not in outputs]
    for quantize, dequantize in _any(random, pairs):
        for reader in _readers(file, dequantize.output[0]):
            _rename_input(reader, dequantize.output[0], quantize.input[0])
        file.graph.node.remove(quantize)
        file.graph.node.remove(dequantize)


def another_scale(file: onnx.ModelProto, random: np.random.Generator) -> None:
    for quantize, dequantize in _any(random, _pairs(file)):
        name = put(file, "another_scale", np.float32(array(file, quantize.input[1]) * random.uniform(0.5, 1.5)))
        quantize.input[1] = dequantize.input[1] = name


def another_zero_point(file: onnx.ModelProto, random: np.random.Generator) -> None:
    for quantize, dequantize in _any(random, _pairs(file)):
        name = put(file, "another_zero", np.asarray(random.integers(0, 256), np.uint8))
        quantize.input[2] = dequantize.input[2] = name


def another_weight(file: onnx.ModelProto, random: np.random.Generator) -> None:
    weights = [tensor.name for tensor in file.graph.initializer if tensor.name.endswith("_q") and len(tensor.dims) > 1]
    for name in _any(random, weights):
        codes = array(file, name).copy()
        codes.flat[random.integers(codes.size)] ^= 5
        put(file, name, codes)


def a_reader_in_float(file: onnx.ModelProto, random: np.random.Generator) -> None:
    """Something else reads what a QuantizeLinear reads."""
    for quantize in _any(random, nodes(file, "QuantizeLinear")):
        file.graph.node.append(helper.make_node("Abs", [quantize.input[0]], ["beside"], name="beside"))
        file.graph.output.append(helper.make_tensor_value_info("beside", onnx.TensorProto.FLOAT, None))


def an_activation_before_codes(file: onnx.ModelProto, random: np.random.Generator) -> None:
    for quantize in _any(random, nodes(file, "QuantizeLinear")):
        limits = [put(file, "clip_low", np.float32(-0.5)), put(file, "clip_high", np.float32(random.choice([1, 40])))]
        for node in _any(
            random,
            [
                helper.make_node("Relu", [quantize.input[0]], ["limited"], name="limited"),
                helper.make_node("Clip", [quantize.input[0], *limits], ["limited"], name="limited"),
            ],
        ):
            _insert(file, quantize, node)
            quantize.input[0] = "limited"


def a_pair_for_each_reader(file: onnx.ModelProto, random: np.random.Generator) -> None:
    """A DequantizeLinear for each reader, as ONNX Runtime's quantizer writes with `DedicatedQDQPair`."""
    for dequantize in list(nodes(file, "DequantizeLinear")):
        for index, reader in enumerate(_readers(file, dequantize.output[0])[1:]):
            name = f"{dequantize.output[0]}_{index}"
            copy = helper.make_node("DequantizeLinear", list(dequantize.input), [name])
            copy.attribute.extend(dequantize.attribute)
            _insert(file, reader, copy)
            _rename_input(reader, dequantize.output[0], name)


def uint8_weights(file: onnx.ModelProto, random: np.random.Generator) -> None:
    for dequantize in nodes(file, "DequantizeLinear"):
        codes = next((tensor for tensor in file.graph.initializer if tensor.name == dequantize.input[0]), None)
        if codes is not None and codes.data_type == onnx.TensorProto.INT8 and len(dequantize.input) > 2:
            shifted = (numpy_helper.to_array(codes).astype(np.int16) + 128).astype(np.uint8)
            dequantize.input[0] = put(file, f"{dequantize.input[0]}_u", shifted)
            zeros = np.full(array(file, dequantize.input[2]).shape, 128, np.uint8)
            dequantize.input[2] = put(file, f"{dequantize.input[0]}_zero", zeros)


def weights_without_zero_points(file: onnx.ModelProto, random: np.random.Generator) -> None:
    constants = {tensor.name for tensor in file.graph.initializer}
    for dequantize in _any(random, [n for n in nodes(file, "DequantizeLinear") if n.input[0] in constants]):
        del dequantize.input[2:]


def biases_with_their_own_scale(file: onnx.ModelProto, random: np.random.Generator) -> None:
    for multiply in nodes(file, "Mul"):
        constants = {tensor.name for tensor in file.graph.initializer}
        if set(multiply.input) <= constants:
            put(file, multiply.output[0], np.asarray(array(file, multiply.input[0]) * array(file, multiply.input[1])))
            file.graph.node.remove(multiply)


def a_changed_pair_of_scales(file: onnx.ModelProto, random: np.random.Generator) -> None:
    """Codes that are read with another scale than they were written with."""
    for _, dequantize in _any(random, _pairs(file)):
        dequantize.input[1] = put(file, "read_scale", np.float32(array(file, dequantize.input[1]) * 2))


def two_quantizers_of_one_value(file: onnx.ModelProto, random: np.random.Generator) -> None:
    for quantize, dequantize in _any(random, _pairs(file)):
        readers = _readers(file, dequantize.output[0])
        if len(readers) < 1:
            continue
        scale = put(file, "second_scale", np.float32(array(file, quantize.input[1]) * random.choice([1.0, 1.25])))
        again = [
            helper.make_node("QuantizeLinear", [quantize.input[0], scale, quantize.input[2]], ["second_q"]),
            helper.make_node("DequantizeLinear", ["second_q", scale, quantize.input[2]], ["second_dq"]),
        ]
        for node in again:
            _insert(file, readers[-1], node)
        _rename_input(readers[-1], dequantize.output[0], "second_dq")


def pairs_behind_moves_left_out(file: onnx.ModelProto, random: np.random.Generator) -> None:
    """No pair behind operators that only move, as NNCF and ModelOpt write."""
    makers = {name: node for node in file.graph.node for name in node.output}
    moves = ("Flatten", "MaxPool", "Reshape", "Slice", "Transpose", "Split")
    for quantize, dequantize in _pairs(file):
        maker = makers.get(quantize.input[0])
        if maker is not None and maker.op_type in moves and random.random() < 0.7:
            for reader in _readers(file, dequantize.output[0]):
                _rename_input(reader, dequantize.output[0], quantize.input[0])
            if dequantize.output[0] not in {value.name for value in file.graph.output}:
                file.graph.node.remove(quantize)
                file.graph.node.remove(dequantize)


REWRITES: list[Rewrite] = [
    without_a_pair,
    another_scale,
    another_zero_point,
    another_weight,
    a_reader_in_float,
    an_activation_before_codes,
    a_pair_for_each_reader,
    uint8_weights,
    weights_without_zero_points,
    biases_with_their_own_scale,
    a_changed_pair_of_scales,
    two_quantizers_of_one_value,
    pairs_behind_moves_left_out,
]

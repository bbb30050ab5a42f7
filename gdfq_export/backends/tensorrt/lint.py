"""What TensorRT refuses, misreads or runs in float, found in the ONNX file alone: no TensorRT is needed.

The rules are those of its ONNX parser and builder (measured with TensorRT-RTX 1.7, whose parser TensorRT 10 and 11
share) and of NVIDIA's guide to explicit quantization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import onnx
import onnx_ir as ir

__all__ = ["Consequence", "Finding", "lint"]

_MOST_OPSET = 25
_LAYERS = ("Conv", "Gemm", "MatMul")
_COMMUTING = ("MaxPool", "Flatten", "Reshape", "Transpose")
_POOLS = ("AveragePool", "GlobalAveragePool")
_FOUR_BITS = (ir.DataType.INT4, ir.DataType.UINT4)
_FINE = (ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT4, ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT4E2M1)


class Consequence(StrEnum):
    """What TensorRT does with a node that breaks a rule."""

    REFUSED = "refused"
    WRONG = "wrong numbers"
    FLOAT = "runs in float"
    SLOWER = "slower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule broken by one node; `node` is its name or, where it has none, its output."""

    rule: str
    node: str
    consequence: Consequence
    message: str


def lint(model: onnx.ModelProto) -> list[Finding]:
    """Every rule that every node breaks, in the order of the rules and of the graph; empty for a good file."""
    graph = ir.from_proto(model).graph
    findings = list(_opset(model))
    for rule in _RULES:
        findings.extend(finding for node in graph for finding in rule(node))
    return findings


def _opset(model: onnx.ModelProto) -> Iterator[Finding]:
    """The opset is one that the parser knows, and one at which other runtimes read int8 activations."""
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if version > _MOST_OPSET:
        yield Finding(
            rule="opset",
            node="the file",
            consequence=Consequence.REFUSED,
            message=f"opset {version} is newer than the {_MOST_OPSET} of TensorRT 11; write opset 20",
        )


def _zero_point(node: ir.Node) -> Iterator[Finding]:
    """Zero points are there, of type int8, and 0."""
    if not _is_qdq(node):
        return
    zero_point = _input(node, 2)
    if zero_point is None:
        if _codes_dtype(node) in (None, ir.DataType.UINT8):
            yield _finding(
                "zero point omitted",
                node,
                Consequence.WRONG,
                "no zero point: TensorRT reads int8 codes where ONNX means uint8; give an int8 zero point of 0",
            )
        return
    values = _constant(zero_point)
    if values is None:
        yield _finding("zero point", node, Consequence.REFUSED, "the zero point is computed; make it an initializer")
    elif values.astype(np.float64).any():
        first = values.reshape(-1)[np.flatnonzero(values.astype(np.float64))[0]]
        yield _finding(
            "zero point",
            node,
            Consequence.REFUSED,
            f"its zero point is {first}; TensorRT takes 0 only: quantize symmetrically",
        )
    elif zero_point.dtype is ir.DataType.UINT8:
        yield _finding(
            "uint8",
            node,
            Consequence.REFUSED if _is_weight(node) else Consequence.WRONG,
            "uint8 codes are read as int8, so that all above 127 are wrong; store int8 with zero point 0",
        )


def _types(node: ir.Node) -> Iterator[Finding]:
    """Codes are int8; four bits only as weights of Gemm and MatMul whose activations are float."""
    if not _is_qdq(node):
        return
    dtype = _codes_dtype(node)
    if dtype is ir.DataType.INT32:
        yield _finding("bias", node, Consequence.REFUSED, "it dequantizes int32; leave biases in float")
    elif dtype in _FOUR_BITS and not _is_constant(_input(node, 0)):
        yield _finding(
            "4-bit activations",
            node,
            Consequence.REFUSED,
            "no kernel reads 4-bit activations; carry them in int8, with a Clip in front of QuantizeLinear",
        )
    elif dtype is not None and dtype not in _FINE:
        yield _finding("type", node, Consequence.REFUSED, f"codes of type {dtype} are not known; store int8")
    elif (cast := _producer(_input(node, 0))) is not None and cast.op_type == "Cast":
        yield _finding("cast", node, Consequence.REFUSED, "its codes come from a Cast; store the codes as int8")


def _scale(node: ir.Node) -> Iterator[Finding]:
    """Scales are positive constants, one for an activation."""
    if not _is_qdq(node):
        return
    values = _constant(_input(node, 1))
    if values is None:
        folded = _is_constant(_input(node, 1))
        if not folded and _codes_dtype(node) is not ir.DataType.INT32:  # a bias has its own rule
            yield _finding("scale", node, Consequence.REFUSED, "its scale is computed; make it an initializer")
    elif not (values > 0).all():
        yield _finding(
            "scale", node, Consequence.REFUSED, "a scale is not above 0; give dead channels a small positive one"
        )
    elif values.size > 1 and not _is_weight(node):
        yield _finding(
            "activation scale",
            node,
            Consequence.FLOAT,
            f"an activation has {values.size} scales; convolutions run in float unless there is one a tensor",
        )


def _both_or_neither(node: ir.Node) -> Iterator[Finding]:
    """A layer's activations and weights are both quantized, or neither is; no convolution multiplies four bits."""
    if node.op_type not in _LAYERS or len(node.inputs) < 2:
        return
    activation, weight = (_dequantized(_input(node, index)) for index in (0, 1))
    if activation is None and weight is None:
        return
    four = weight is not None and _codes_dtype(weight) in _FOUR_BITS
    if node.op_type == "Conv" and four and activation is not None:
        yield _finding(
            "4-bit convolution",
            node,
            Consequence.REFUSED,
            "no convolution has INT4 weights beside INT8 activations; store the codes as int8",
        )
    elif weight is None:
        yield _finding("half quantized", node, Consequence.FLOAT, "its activations are quantized, its weights are not")
    elif activation is None and (node.op_type == "Conv" or not four):
        yield _finding("half quantized", node, Consequence.FLOAT, "its weights are quantized, its activations are not")


def _behind_a_pool(node: ir.Node) -> Iterator[Finding]:
    """The pair stands behind an AveragePool, at the input of the convolution."""
    value = _input(node, 0)
    pool = value.producer() if value is not None and node.op_type in _LAYERS else None
    if pool is not None and pool.op_type in _POOLS and _dequantized(_input(pool, 0)) is not None:
        yield _finding(
            "average pool",
            node,
            Consequence.FLOAT,
            f"{pool.op_type} {_name(pool)} stands between its Q/DQ pair and it; put a pair behind the pool",
        )


def _before_a_relu(node: ir.Node) -> Iterator[Finding]:
    """No pair between a convolution and its Relu."""
    if node.op_type not in ("Relu", "Clip"):
        return
    dequantize = _dequantized(_input(node, 0))
    quantize = None if dequantize is None else _producer(_input(dequantize, 0))
    layer = None if quantize is None else _producer(_input(quantize, 0))
    if layer is not None and layer.op_type in _LAYERS:
        yield _finding(
            "pair before an activation",
            node,
            Consequence.SLOWER,
            f"a Q/DQ pair stands between {layer.op_type} {_name(layer)} and it; put it behind the {node.op_type}",
        )


_RULES: tuple[Callable[[ir.Node], Iterator[Finding]], ...] = (
    _zero_point,
    _types,
    _scale,
    _both_or_neither,
    _behind_a_pool,
    _before_a_relu,
)


def _finding(rule: str, node: ir.Node, consequence: Consequence, message: str) -> Finding:
    return Finding(
        rule=rule, node=_name(node), consequence=consequence, message=f"{node.op_type} {_name(node)}: {message}"
    )


def _name(node: ir.Node) -> str:
    return node.name or node.outputs[0].name or ""


def _is_qdq(node: ir.Node) -> bool:
    return node.op_type in ("QuantizeLinear", "DequantizeLinear")


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if len(node.inputs) > index else None


def _producer(value: ir.Value | None) -> ir.Node | None:
    return None if value is None else value.producer()


def _constant(value: ir.Value | None) -> np.ndarray | None:
    """The value of an initializer or a Constant."""
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy()
    node = value.producer()
    attribute = node.attributes.get("value") if node is not None and node.op_type == "Constant" else None
    return None if attribute is None else attribute.as_tensor().numpy()


def _is_constant(value: ir.Value | None) -> bool:
    """Whether a value is known when the file is read: an initializer, or what is made of initializers alone."""
    if value is None:
        return False
    node = value.producer()
    if node is None:
        return value.const_value is not None
    return all(_is_constant(read) for read in node.inputs if read is not None)


def _codes_dtype(node: ir.Node) -> ir.DataType | None:
    """Type of the codes that a Q writes or a DQ reads."""
    zero_point = _input(node, 2)
    if zero_point is not None and zero_point.dtype is not None:
        return zero_point.dtype
    if node.op_type == "QuantizeLinear":
        return ir.DataType(node.attributes.get_int("output_dtype", 0) or ir.DataType.UINT8)
    codes = _input(node, 0)
    writer = _producer(codes)
    if writer is not None and writer.op_type == "QuantizeLinear":
        return _codes_dtype(writer)
    return None if codes is None else codes.dtype


def _is_weight(node: ir.Node) -> bool:
    return _is_constant(_input(node, 0))


def _dequantized(value: ir.Value | None) -> ir.Node | None:
    """The DequantizeLinear that a value comes from, behind operators that the builder takes it through."""
    node = _producer(value)
    while node is not None and node.op_type in _COMMUTING:
        node = _producer(node.inputs[0])
    return node if node is not None and node.op_type == "DequantizeLinear" else None

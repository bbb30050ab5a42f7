"""A file that takes or gives codes, with QuantizeLinear in front of it and DequantizeLinear behind it.

Such files begin with a DequantizeLinear or an operator on codes: whoever runs them quantizes. The scales are the file's
own, so that float images go in and float outputs come out, and every node of the file stays as it is.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from gdfq_export.qdq.reader.operators import FORMS

_CODES = frozenset({TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16})


def with_float_ends(proto: onnx.ModelProto, where: str) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The file with float inputs and outputs where it says how codes are meant, and what was added, for the user."""
    found = onnx.ModelProto()
    found.CopyFrom(proto)
    graph = found.graph
    changed = [value.name for value in proto.graph.input if _float_input(graph, value.name)]
    changed += [value.name for value in proto.graph.output if _float_output(graph, value.name)]
    if not changed:
        return proto, ()
    names = ", ".join(changed)
    return found, (f"{where} takes or gives codes ({names}): they are quantized and dequantized beside it, as it says",)


def _float_input(graph: onnx.GraphProto, codes: str) -> bool:
    value = next(each for each in graph.input if each.name == codes)
    readers = [(number, node) for number, node in enumerate(graph.node) if codes in node.input]
    if value.type.tensor_type.elem_type not in _CODES or not readers:
        return False
    number, first = readers[0]
    position = list(first.input).index(codes)
    numbers = list(first.input[position + 1 : position + 3])
    if first.op_type not in {"DequantizeLinear", *FORMS} or len(numbers) < 2:
        return False
    value.name = f"{codes}_float"
    value.type.tensor_type.elem_type = TensorProto.FLOAT
    graph.node.insert(number, helper.make_node("QuantizeLinear", [value.name, *numbers], [codes], f"{codes}_quantize"))
    return True


def _float_output(graph: onnx.GraphProto, codes: str) -> bool:
    value = next(each for each in graph.output if each.name == codes)
    maker = next((node for node in graph.node if codes in node.output), None)
    if value.type.tensor_type.elem_type not in _CODES or maker is None:
        return False
    position = 1 if maker.op_type == "QuantizeLinear" else FORMS[maker.op_type].result if maker.op_type in FORMS else 0
    numbers = list(maker.input[position : position + 2]) if position else []
    if len(numbers) < 2:
        return False
    value.name = f"{codes}_float"
    value.type.tensor_type.elem_type = TensorProto.FLOAT
    graph.node.append(helper.make_node("DequantizeLinear", [codes, *numbers], [value.name], f"{codes}_dequantize"))
    return True

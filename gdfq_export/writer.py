"""plan + tuned parameters -> ONNX: Q/DQ around the user's own nodes, integer weights as initializers.

What a point becomes (opset 21, measured to fuse completely in ONNX Runtime):

* activation   QuantizeLinear -> [Clip of the codes, below 8 bits] -> DequantizeLinear, read by the point's consumers;
               where a target clips values, [Relu or Clip] -> QuantizeLinear -> DequantizeLinear
* weight       int8 initializer -> DequantizeLinear per channel, with its zero points; up to 4 bits, where the target's
               weights are packed, an INT4 or INT2 initializer -> Cast -> the same, which ONNX Runtime folds when it
               loads; native ones without the Cast
* weight in blocks  INT4 initializer [inputs, outputs] -> DequantizeLinear a block of inputs, read by a MatMul in the
               place of a Gemm (`graph/gemm_as_product.py`)
* bias         int32 initializer -> DequantizeLinear; its scale is Mul(activation scale, weight scale), folded when the
               file is loaded
* constant     uint8 initializer -> DequantizeLinear

An absorbed Relu or Clip is left out: its bounds lie outside the code range, so QuantizeLinear, or the Clip that is
written beside it, does the same. A node in integer form (Pad) stands between the codes and their DequantizeLinear; a
HardSigmoid becomes an Add whose result is quantized with one scale and read with another. Names of nodes, inputs,
outputs and float values stay the user's; new tensors are called `<key>_q` (codes), `<key>_dq` and `<key>_scale`; zero
points are shared and called by type, value and shape, like `int8_0_64`. New nodes have no names, the scales of biases
short ones (`bias_scale_7`): in a small network names weigh as much as a layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
from torch import Tensor

from gdfq_export import __version__
from gdfq_export.graph.gemm_as_product import gemm_as_product
from gdfq_export.graph.written_hard_sigmoid import join_hard_swish, spell_hard_sigmoid
from gdfq_export.narrow_types import NARROW_TYPES
from gdfq_export.own_metadata import as_metadata
from gdfq_export.plan import QuantPlan, QuantPoint, Role
from gdfq_export.simulator import Encoding, quantized_name
from gdfq_export.simulator.hard_sigmoid import sum_form
from gdfq_export.targets import Clip, Kernel, find_target

__all__ = ["dequantized_name", "scale_name", "write_onnx"]

_PRODUCER = "gdfq-export"
_IR_VERSION = 10


def dequantized_name(key: str) -> str:
    """Name, in the file, of the dequantized tensor of the point `key`."""
    return f"{key}_dq"


def scale_name(key: str) -> str:
    """Name, in the file, of the scale of the point or group `key`."""
    return f"{key}_scale"


def write_onnx(
    folded: ir.Model,
    plan: QuantPlan,
    encodings: Mapping[str, Encoding],
    parameters: Mapping[str, Tensor],
    metadata: Mapping[str, str],
) -> onnx.ModelProto:
    """The quantized network as ONNX.

    Args:
        folded: canonical graph without BatchNormalization; not modified.
        plan: where Q/DQ go.
        encodings: scales, zero points and codes by point key.
        parameters: float values of the initializers that stay float, by name.
        metadata: `gdfq_export.*` facts for the model's metadata.
    """
    model = folded.clone()
    _Writer(model, plan, encodings, parameters).write()
    model.producer_name = _PRODUCER
    model.producer_version = __version__
    narrowest = [NARROW_TYPES[point.stored_bits] for point in plan.points if point.stored_bits in NARROW_TYPES]
    model.opset_imports[""] = max([find_target(plan.target).opset, *(narrow.opset for narrow in narrowest)])
    model.ir_version = max([_IR_VERSION, *(narrow.ir_version for narrow in narrowest)])
    model.metadata_props.clear()
    model.metadata_props.update(as_metadata(metadata))
    proto = ir.to_proto(model)
    del proto.graph.value_info[:]
    return proto


class _Writer:
    def __init__(
        self, model: ir.Model, plan: QuantPlan, encodings: Mapping[str, Encoding], parameters: Mapping[str, Tensor]
    ) -> None:
        self.graph = model.graph
        self.plan = plan
        self.target = find_target(plan.target)
        self.encodings = encodings
        self.parameters = parameters
        self.values = {
            value.name: value
            for value in (
                *self.graph.inputs,
                *self.graph.initializers.values(),
                *(output for node in self.graph for output in node.outputs),
            )
        }
        self.nodes = {node.name: node for node in self.graph}
        self.products: dict[ir.Node, None] = {}  # Gemms with weights in blocks
        names = map("bias_scale_{}".format, itertools.count(1))
        self.bias_scales = (name for name in names if name not in self.values)

    def write(self) -> None:
        for name, tensor in self.parameters.items():
            if name in self.graph.initializers:
                self.graph.initializers[name].const_value = ir.tensor(tensor.cpu().numpy(), name=name)
        for node in self.plan.nodes:
            if node.absorbed is not None:
                self._leave_out(self.nodes[node.absorbed])
        for point in self.plan.points:
            if point.role in (Role.INPUT, Role.ACTIVATION):
                self._write_activation(point)
            else:
                self._write_constant(point)
        for gemm in self.products:
            gemm_as_product(self.graph, gemm)
        join_hard_swish(self.graph)
        if self.target.hard_sigmoid_as_clip:
            spell_hard_sigmoid(self.graph)
        self._remove_unused()
        self.graph.sort()

    def _leave_out(self, node: ir.Node) -> None:
        """Remove an absorbed node; its producer writes its output, under its name."""
        before, after = node.inputs[0], node.outputs[0]
        assert before is not None
        name = after.name
        after.replace_all_uses_with(before, replace_graph_outputs=True)
        self.graph.remove(node, safe=True)
        before.name = name
        self.values[name] = before

    def _write_activation(self, point: QuantPoint) -> None:
        value = self.values[point.tensor]
        producer = value.producer()
        scale, zero_point = self._grid(point)
        if producer is not None and self.plan.by_node[producer.name or ""].kernel is Kernel.HARD_SIGMOID:
            codes = self._as_sum(producer, value, point, zero_point)
        elif producer is not None and self.plan.by_node[producer.name or ""].integer_form:
            codes = self._in_integer_form(producer, value, point)
        else:
            codes = self._quantize(value, point, scale, zero_point)
        real = self._node("DequantizeLinear", [codes, scale, zero_point], dequantized_name(point.key))
        for user, index in list(value.uses()):
            if user.name in point.consumers:
                user.replace_input_with(index, real)
        if value.is_graph_output():
            self._take_over_output(value, real)

    def _quantize(self, value: ir.Value, point: QuantPoint, scale: ir.Value, zero_point: ir.Value) -> ir.Value:
        if point.code_range != point.storage_range and self.target.clip is Clip.VALUES:
            value = self._clip_values(value, point)
        if point.code_range == point.storage_range or self.target.clip is Clip.VALUES:
            return self._node("QuantizeLinear", [value, scale, zero_point], quantized_name(point.key))
        wide = self._node("QuantizeLinear", [value, scale, zero_point], f"{point.key}_unclipped")
        dtype = np.dtype(np.int8 if point.signed else np.uint8)
        low, high = (self._constant(f"{dtype.name}_{code}", np.asarray(code, dtype)) for code in point.code_range)
        return self._node("Clip", [wide, low, high], quantized_name(point.key))

    def _as_sum(self, node: ir.Node, value: ir.Value, point: QuantPoint, zero_point: ir.Value) -> ir.Value:
        """A HardSigmoid as the Add that saturates where it does (see `simulator/hard_sigmoid.py`)."""
        numbers = sum_form(node, self.encodings[point.key].scale)
        one = self._constant(f"{zero_point.name}_one", np.ones((), np.int8 if point.signed else np.uint8))
        offset = self._node(
            "DequantizeLinear",
            [one, self._constant(f"{point.key}_offset", np.asarray(numbers.offset)), zero_point],
            f"{point.key}_offset_dq",
        )
        total = ir.node("Add", [node.inputs[0], offset], name=node.name)
        total.outputs[0].name = f"{value.name}_sum"
        self.graph.insert_after(node, total)
        scale = self._constant(f"{point.key}_sum_scale", np.asarray(numbers.scale))
        return self._quantize(total.outputs[0], point, scale, zero_point)

    def _clip_values(self, value: ir.Value, point: QuantPoint) -> ir.Value:
        """Keep real values where the codes go; a scale times a code, divided by the scale, rounds to the code."""
        (low, high), (_, largest) = point.code_range, point.storage_range
        if low == 0 and high == largest:
            if point.role is Role.INPUT:  # never below 0
                return value
            return self._node("Relu", [value], f"{point.key}_clipped")
        scale = self.encodings[point.key].scale
        ends = {"low": np.float32(low) * scale, "high": np.float32(high) * scale}
        limits = [self._constant(f"{point.key}_{end}", np.asarray(limit)) for end, limit in ends.items()]
        return self._node("Clip", [value, *limits], f"{point.key}_clipped")

    def _in_integer_form(self, node: ir.Node, value: ir.Value, point: QuantPoint) -> ir.Value:
        """Let a node read the codes behind its DequantizeLinear and write codes; its output `value` holds them."""
        real = node.inputs[0]
        source = real.producer() if real is not None else None
        assert source is not None and source.op_type == "DequantizeLinear"
        node.replace_input_with(0, source.inputs[0])
        zero = self.encodings[point.key].zero_point
        node.resize_inputs(max(len(node.inputs), 3))
        node.replace_input_with(
            2, self._constant(f"{point.key}_padding", np.asarray(zero, np.int8 if point.signed else np.uint8))
        )
        value.name = quantized_name(point.key)
        value.dtype = ir.DataType.INT8 if point.signed else ir.DataType.UINT8
        return value

    def _take_over_output(self, value: ir.Value, real: ir.Value) -> None:
        """`real` becomes the graph output that `value` was, under its name."""
        name = value.name
        value.name = f"{name}_float"
        real.name, real.shape, real.type = name, value.shape, value.type
        for index, output in enumerate(self.graph.outputs):
            if output is value:
                self.graph.outputs[index] = real

    def _write_constant(self, point: QuantPoint) -> None:
        encoding = self.encodings[point.key]
        assert encoding.codes is not None
        if point.block is not None:
            self._write_blocks(point, encoding)
            return
        codes = self._stored(point, encoding.codes)
        if point.role is Role.BIAS:
            inputs = [codes, self._bias_scale(point)]
        else:
            scale = self._constant(scale_name(point.key), encoding.scale)
            inputs = [codes, scale, self._zero_points(point, encoding.scale.shape)]
        attributes = {} if point.axis is None else {"axis": point.axis}
        self._dequantize(point, inputs, attributes)

    def _dequantize(self, point: QuantPoint, inputs: list[ir.Value], attributes: Mapping[str, int]) -> None:
        """Let the consumers of a constant read it dequantized."""
        real = self._node("DequantizeLinear", inputs, dequantized_name(point.key), attributes)
        for user, index in list(self.values[point.tensor].uses()):
            if user.name in point.consumers:
                user.replace_input_with(index, real)

    def _write_blocks(self, point: QuantPoint, encoding: Encoding) -> None:
        assert encoding.codes is not None and point.block is not None and point.block_axis is not None
        codes, scale, axis = encoding.codes, encoding.scale, point.block_axis
        readers = [self.nodes[name] for name in point.consumers]
        if axis == 1 and all(self.plan.by_node[str(node.name)].kernel is Kernel.WEIGHT_ONLY for node in readers):
            codes, scale, axis = codes.T, scale.T, 0
            for node in readers:
                self.products.setdefault(node)
        inputs = [self._stored(point, codes), self._constant(scale_name(point.key), scale)]
        self._dequantize(point, inputs, {"axis": axis, "block_size": point.block})

    def _bias_scale(self, point: QuantPoint) -> ir.Value:
        """s_x * s_w in the graph: it cannot disagree with its factors, and needs no room in the file."""
        layer = self.nodes[point.consumers[0]]
        factors = [self._scale_read_by(layer, index) for index in (0, 1)]
        return self._node("Mul", factors, next(self.bias_scales))

    def _scale_read_by(self, node: ir.Node, index: int) -> ir.Value:
        real = node.inputs[index]
        source = real.producer() if real is not None else None
        assert source is not None and source.op_type == "DequantizeLinear"
        scale = source.inputs[1]
        assert scale is not None
        return scale

    def _stored(self, point: QuantPoint, codes: np.ndarray) -> ir.Value:
        if point.stored_bits not in NARROW_TYPES:
            return self._constant(quantized_name(point.key), codes)
        narrow = NARROW_TYPES[point.stored_bits]
        if point.native:
            return self._constant(quantized_name(point.key), codes.astype(narrow.dtype))
        packed = self._constant(f"{point.key}_{narrow.dtype.name}", codes.astype(narrow.dtype))
        return self._node("Cast", [packed], quantized_name(point.key), {"to": ir.DataType.INT8})

    def _grid(self, point: QuantPoint) -> tuple[ir.Value, ir.Value]:
        scale = self._constant(scale_name(point.group), self.encodings[point.key].scale)
        return scale, self._zero_points(point, ())

    def _zero_points(self, point: QuantPoint, shape: tuple[int, ...]) -> ir.Value:
        """The zero points of a tensor; equal ones are stored once, most tensors having the same."""
        value = self.encodings[point.key].zero_point
        dtype = np.dtype(np.int8 if point.signed else np.uint8)
        if point.native:
            dtype = NARROW_TYPES[point.stored_bits].dtype
        name = "_".join([dtype.name, str(value), *map(str, shape)])
        return self._constant(name, np.full(shape, value, dtype))

    def _constant(self, name: str, array: np.ndarray) -> ir.Value:
        if name not in self.graph.initializers:
            tensor = ir.tensor(array, name=name)
            self.graph.register_initializer(
                ir.Value(name=name, const_value=tensor, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype))
            )
        return self.graph.initializers[name]

    def _node(
        self, op_type: str, inputs: list[ir.Value], output: str, attributes: Mapping[str, int] | None = None
    ) -> ir.Value:
        node = ir.node(op_type, inputs, attributes=dict(attributes or {}), name="")
        node.outputs[0].name = output
        self.graph.append(node)
        return node.outputs[0]

    def _remove_unused(self) -> None:
        for node in reversed(list(self.graph)):
            if not any(output.uses() or output.is_graph_output() for output in node.outputs):
                self.graph.remove(node, safe=True)
        for name, value in list(self.graph.initializers.items()):
            if not value.uses() and not value.is_graph_output():
                del self.graph.initializers[name]

"""A ConvTranspose is a Conv that computes every phase of its output as channels, and a shuffle of those into place.

Runtimes have integer kernels for both, ONNX Runtime none for ConvTranspose. (Shi et al., "Is the deconvolution layer
the same as a convolutional layer?", arXiv 1609.07009.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, input_at, unused_name


@dataclass(frozen=True, slots=True)
class _Axis:
    """One spatial axis: output `stride * q + r`, of phase r, is a sum over inputs q - t and weights `stride * t + r`.

    `taps` are the values of t, `phases` those of r; `begin` and `end` pad the Conv, whose `length` outputs a phase are
    cropped to `size` outputs from `first` on.
    """

    taps: int
    phases: int
    begin: int
    end: int
    length: int
    first: int
    size: int


class ConvTransposePass(ir.passes.InPlacePass):
    """Rewrite ConvTranspose with constant weights and explicit pads, of one to three dimensions.

    `y = ConvTranspose(x, w, b)` becomes `c = Conv(x, phases of w, b of each phase)`, DepthToSpace (CRD) or Reshape,
    Transpose and Reshape, and Slice where `pads` crop. A Relu or Clip that alone reads y is computed in front of the
    shuffle, where the Conv's kernel absorbs it. The sums are the same numbers, with zeros where phases have fewer.

    Measured with ONNX Runtime 1.32: the integer form takes 0.3 to 1.2 times as long as the float operator, from one
    channel to 128, and 2.9 times as long on 32 depthwise channels. Left in float between codes, a ConvTranspose would
    have its weights rounded by ONNX Runtime itself, with one scale for all channels.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; shapes must be known."""
        modified = False
        for node in list(model.graph):
            axes = _axes(node) if node.op_type == "ConvTranspose" else None
            if axes is not None:
                _Rewriting(model.graph, node, axes).run()
                modified = True
        return ir.passes.PassResult(model, modified)


def _axes(node: ir.Node) -> list[_Axis] | None:
    x, y, weight = node.inputs[0], node.outputs[0], constant_array(node.inputs[1])
    other = any(name in node.attributes for name in ("auto_pad", "output_shape"))
    if weight is None or x is None or x.shape is None or y.shape is None or other:
        return None
    rank = weight.ndim - 2
    ones = [1] * rank
    strides, dilations = (list(node.attributes.get_ints(name, ones)) for name in ("strides", "dilations"))
    pads = list(node.attributes.get_ints("pads", [0] * (2 * rank)))
    found = []
    for index, (kernel, stride, dilation, begin) in enumerate(
        zip(weight.shape[2:], strides, dilations, pads[:rank], strict=True)
    ):
        size, out = x.shape[2 + index], y.shape[2 + index]
        if not isinstance(size, int) or not isinstance(out, int):
            return None
        taps = -(-((kernel - 1) * dilation + 1) // stride)
        skipped = begin // stride
        length = -(-(begin + out) // stride) - skipped
        front = taps - 1 - skipped
        back = length - size - front + taps - 1
        if min(front, back) < 0:
            return None
        found.append(_Axis(taps, stride, front, back, length, begin - skipped * stride, out))
    return found


class _Rewriting:
    """What takes the place of one ConvTranspose; `made` are its nodes so far."""

    def __init__(self, graph: ir.Graph, node: ir.Node, axes: list[_Axis]) -> None:
        self.graph = graph
        self.node = node
        self.axes = axes
        y = node.outputs[0]
        assert y.shape is not None
        self.batch, self.channels = y.shape[0], y.shape[1]
        self.made: list[ir.Node] = []

    def run(self) -> None:
        """Rewrite the node."""
        readers = [user for user, _ in self.node.outputs[0].uses()]
        activation = readers[0] if len(readers) == 1 and readers[0].op_type in ("Relu", "Clip") else None
        if self.node.outputs[0].is_graph_output():
            activation = None
        old = [self.node] if activation is None else [self.node, activation]
        result = old[-1].outputs[0]
        phases, lengths = [axis.phases for axis in self.axes], [axis.length for axis in self.axes]
        value = self._conv([self.batch, self.channels * int(np.prod(phases)), *lengths])
        if activation is not None:
            inputs = [value, *activation.inputs[1:]]
            value = self._add(activation.op_type, inputs, {}, list(value.shape or ()), name=activation.name)
        value = self._crop(self._shuffle(value))
        value.type, value.shape = result.type, result.shape
        ir.convenience.replace_nodes_and_values(self.graph, self.node, old, self.made, [result], [value])

    def _conv(self, shape: list[int | ir.SymbolicDim]) -> ir.Value:
        x, weight, bias = (input_at(self.node, index) for index in range(3))
        phases = self._phases()
        kernel = add_initializer(self.graph, f"{weight.name if weight else ''}_phases", phases)
        inputs = [x, kernel]
        numbers = constant_array(bias)
        if numbers is not None and bias is not None:
            repeated = np.repeat(numbers, len(phases) // numbers.size)
            inputs.append(add_initializer(self.graph, f"{bias.name}_phases", repeated))
        attributes = {
            "kernel_shape": [axis.taps for axis in self.axes],
            "pads": [axis.begin for axis in self.axes] + [axis.end for axis in self.axes],
            "group": self.node.attributes.get_int("group", 1),
        }
        return self._add("Conv", inputs, attributes, shape, name=self.node.name)

    def _phases(self) -> NDArray[np.float32]:
        """[C, M / groups, ...] as [M * phases, C / groups, taps]: the phases of an output channel in a row."""
        weight = constant_array(self.node.inputs[1])
        assert weight is not None
        groups, rank = self.node.attributes.get_int("group", 1), len(self.axes)
        dilations = self.node.attributes.get_ints("dilations", [1] * rank)
        wide = np.zeros((*weight.shape[:2], *(axis.taps * axis.phases for axis in self.axes)), np.float32)
        places = zip(weight.shape[2:], dilations, strict=True)
        wide[(slice(None), slice(None), *(slice(0, (size - 1) * step + 1, step) for size, step in places))] = weight
        sizes = (size for axis in self.axes for size in (axis.taps, axis.phases))
        split = wide.reshape(groups, -1, weight.shape[1], *sizes)
        taps, phases = [3 + 2 * index for index in range(rank)], [4 + 2 * index for index in range(rank)]
        ordered = np.flip(split, tuple(taps)).transpose(0, 2, *phases, 1, *taps)
        return np.ascontiguousarray(ordered.reshape(-1, split.shape[1], *(axis.taps for axis in self.axes)))

    def _shuffle(self, value: ir.Value) -> ir.Value:
        phases, lengths = [axis.phases for axis in self.axes], [axis.length for axis in self.axes]
        whole = [self.batch, self.channels, *(axis.phases * axis.length for axis in self.axes)]
        if set(phases) == {1}:
            return value
        if len(phases) == 2 and len(set(phases)) == 1:
            return self._add("DepthToSpace", [value], {"blocksize": phases[0], "mode": "CRD"}, whole)
        rank = len(phases)
        split = self._reshape(value, [self.batch, self.channels, *phases, *lengths])
        order = [0, 1, *(place for axis in range(rank) for place in (2 + rank + axis, 2 + axis))]
        shape = [(split.shape or [])[place] for place in order]
        return self._reshape(self._add("Transpose", [split], {"perm": order}, shape), whole)

    def _reshape(self, value: ir.Value, shape: list[int | ir.SymbolicDim]) -> ir.Value:
        sizes = np.array([-1, *shape[1:]], np.int64)
        name = f"{self.node.outputs[0].name}_shape"
        return self._add("Reshape", [value, add_initializer(self.graph, name, sizes)], {}, shape)

    def _crop(self, value: ir.Value) -> ir.Value:
        cut = [
            (axis.first, axis.first + axis.size, 2 + index)
            for index, axis in enumerate(self.axes)
            if (axis.first, axis.size) != (0, axis.phases * axis.length)
        ]
        if not cut:
            return value
        name = str(self.node.outputs[0].name)
        bounds = [
            add_initializer(self.graph, f"{name}_{part}", np.array(numbers, np.int64))
            for part, numbers in zip(("starts", "ends", "axes"), zip(*cut, strict=True), strict=True)
        ]
        return self._add("Slice", [value, *bounds], {}, [])

    def _add(
        self,
        op_type: str,
        inputs: list[ir.Value | None],
        attributes: dict[str, Any],
        shape: list[int | ir.SymbolicDim],
        *,
        name: str | None = None,
    ) -> ir.Value:
        node = ir.node(op_type, inputs, attributes, name=name or f"{self.node.name}_{op_type.lower()}_{len(self.made)}")
        value = node.outputs[0]
        value.name = unused_name(self.graph, f"{self.node.outputs[0].name}_{op_type.lower()}_{len(self.made)}")
        value.dtype, value.shape = ir.DataType.FLOAT, ir.Shape(shape)
        self.made.append(node)
        return value

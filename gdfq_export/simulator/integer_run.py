"""One batch in integers: a node with a kernel is computed on codes, the others on dequantized values.

Node by node this is what ONNX Runtime does after it has fused the file's Q/DQ.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor

from gdfq_export.frontend.joined_inputs import split_inputs
from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.frontend.torch_import import input_shapes
from gdfq_export.planning.constraints import Unrounded
from gdfq_export.planning.plan import Role
from gdfq_export.simulator.accumulator import Accumulator
from gdfq_export.simulator.codes import CodedTensor, clip, dequantize, quantize
from gdfq_export.simulator.float_region import FloatRegion
from gdfq_export.simulator.hard_sigmoid import clip_form_of, sum_operands
from gdfq_export.simulator.integer_state import IntegerState
from gdfq_export.simulator.weight_only import dequantized_blocks
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel

_LAYERS = (Kernel.CONV, Kernel.GEMM, Kernel.MATMUL)


def quantized_name(key: str) -> str:
    """Name, in the file, of the codes of the point `key`."""
    return f"{key}_q"


class IntegerRun:
    """One batch on its way through the graph; `names` are those of the codes in the file, by the points' keys."""

    def __init__(self, state: IntegerState, names: Mapping[str, str]) -> None:
        self.state = state
        self.plan = state.plan
        self.names = names
        self.codes: dict[str, CodedTensor] = {}
        self.floats: dict[str, Tensor] = {}
        self.results: dict[str, np.ndarray] = {}

    def run(self, images: Tensor) -> dict[str, np.ndarray]:
        """Codes of every quantized activation and the float outputs, by name.

        Args:
            images: float32 [N, C, H, W], or joined inputs [N, F].
        """
        graph = self.state.model.graph
        several = len(graph.inputs) > 1
        parts = split_inputs(images, input_shapes(graph.inputs)) if several else [images]
        for value, part in zip(graph.inputs, parts, strict=True):
            self._keep(value.name or "", part)
        for step, last_read in zip(self.state.steps, self.state.last_read, strict=True):
            if isinstance(step, FloatRegion):
                self._run_float(step)
            else:
                planned = self.plan.by_node[step.name or ""]
                assert planned.kernel is not None
                self._run_kernel(step, planned.kernel, planned.absorbed)
            for name in last_read:
                self.codes.pop(name, None)
                self.floats.pop(name, None)
        for value in graph.outputs:
            self.results[value.name or ""] = self._float(value).numpy()
        return self.results

    def _keep_codes(self, name: str, codes: Tensor, grid: QuantParams) -> None:
        """Store int32 codes for later nodes, and for the comparison in the type that the file stores them in."""
        point = self.plan.by_tensor[name]
        self.codes[name] = CodedTensor(codes=codes, grid=grid)
        self.results[self.names.get(point.key, quantized_name(point.key))] = codes.numpy().astype(point.dtype)

    def _keep(self, name: str, x: Tensor) -> None:
        """Store a float result, as codes if the plan quantizes it."""
        point = self.plan.by_tensor.get(name)
        if point is None:
            self.floats[name] = x
        else:
            grid = self.state.grid(point)
            self._keep_codes(name, quantize(x, grid), grid)

    def _float(self, value: ir.Value) -> Tensor:
        """A value as a float node reads it."""
        name = value.name or ""
        if name in self.floats:
            return self.floats[name]
        if name in self.codes:
            return dequantize(self.codes[name])
        point = self.plan.by_tensor.get(name)
        if point is not None and point.role is Role.CONSTANT:
            return dequantize(self._coded(value))
        if point is not None and point.role is Role.WEIGHT:
            encoding = self.state.encodings[point.key]
            return torch.from_numpy(
                encoding.values(point.axis) if point.block is None else dequantized_blocks(point, encoding)
            )
        if name in self.state.parameters:
            return self.state.parameters[name]
        assert value.const_value is not None
        return torch.from_numpy(value.const_value.numpy().copy())

    def _coded(self, value: ir.Value | None) -> CodedTensor:
        """A value as a kernel reads it."""
        assert value is not None
        name = value.name or ""
        point = self.plan.by_tensor[name]
        if point.role is not Role.CONSTANT:
            return self.codes[name]
        constant = self.state.encodings[point.key].codes
        assert constant is not None
        return CodedTensor(codes=torch.from_numpy(constant.astype(np.int32)), grid=self.state.grid(point))

    def _run_float(self, region: FloatRegion) -> None:
        inputs = {value.name or "": self._read(value, region.grids) for value in region.inputs}
        for name, result in region(inputs).items():
            if name in region.grids:
                grid = region.grids[name]
                self._keep_codes(name, result.to(torch.int32).clamp(*grid.code_range), grid)
            else:
                self._keep(name, result)

    def _read(self, value: ir.Value, grids: Mapping[str, QuantParams]) -> Tensor:
        """A value as a region reads it: stored codes where it has a grid."""
        name = value.name or ""
        return (
            torch.from_numpy(self.codes[name].codes.numpy().astype(grids[name].dtype))
            if name in grids
            else self._float(value)
        )

    def _run_kernel(self, node: ir.Node, kernel: Kernel, absorbed: str | None) -> None:
        outputs = list(node.outputs)
        if absorbed is not None:
            outputs = list(next(user for user, _ in node.outputs[0].uses()).outputs)
        point = next(filter(None, (self.plan.by_tensor.get(value.name or "") for value in outputs)), None)
        if point is None:
            self.floats[outputs[0].name or ""] = self._compute_float(node, kernel)
            return
        grid = self.state.grid(point)
        if isinstance(point.constraint, Unrounded):
            values = clip(self._layer(node, None), grid)
            self.floats[outputs[0].name or ""] = values
            self._keep_codes(outputs[0].name or "", quantize(values, grid), grid)
            return
        codes = (
            self._move(node) if kernel is Kernel.MOVE else {outputs[0].name or "": self._compute(node, kernel, grid)}
        )
        for name, result in codes.items():
            if name in self.plan.by_tensor:  # an output that nothing reads is no point
                self._keep_codes(name, result, grid)

    def _compute_float(self, node: ir.Node, kernel: Kernel) -> Tensor:
        """What a kernel writes before it is quantized, or where it is not."""
        match kernel:
            case Kernel.ADD:
                return self._float_sum(node)
            case Kernel.WEIGHT_ONLY:
                x, bias = (input_at(node, index) for index in (0, 2))
                assert x is not None
                product = self.state.weight_only_kernel(node)
                return product(self._float(x), None if bias is None else self._float(bias))
        return self._layer(node, None)

    def _compute(self, node: ir.Node, kernel: Kernel, grid: QuantParams) -> Tensor:
        """The codes of what a kernel computes, on `grid`."""
        op, kernels = self.state.ops[node.name or ""], self.state.kernels
        if kernel in _LAYERS:
            return self._layer(node, grid)
        in_float = kernel is Kernel.ADD and any(
            value is not None and value.name in self.floats for value in node.inputs
        )
        if in_float or kernel is Kernel.WEIGHT_ONLY:
            return quantize(self._compute_float(node, kernel), grid)
        if kernel is Kernel.CONCAT:
            return kernels.concat([self._coded(value) for value in node.inputs], grid, **op.kwargs)
        x = self._coded(node.inputs[0])
        if kernel in kernels.binary:
            return kernels.binary[kernel](x, self._coded(node.inputs[1]), grid)
        if kernel in kernels.unary:
            return kernels.unary[kernel](x, grid, **op.kwargs)
        match kernel:
            case Kernel.HARD_SIGMOID:
                return self._hard_sigmoid(node, x, grid)
            case Kernel.LOOKUP:
                return self.state.table(node, x.grid, grid)[(x.codes - x.grid.storage_range[0]).long()]
        return self.state.unary_kernel(node, x.grid, grid, x.codes.dim())(x.codes)

    def _hard_sigmoid(self, node: ir.Node, x: CodedTensor, grid: QuantParams) -> Tensor:
        point = self.plan.by_tensor[node.outputs[0].name or ""]
        if (form := clip_form_of(point, self.plan, self.state.encodings)) is not None:
            return x.codes.clamp(form.low, form.high)
        return self.state.kernels.binary[Kernel.ADD](*sum_operands(node, x, grid))

    def _float_sum(self, node: ir.Node) -> Tensor:
        first, second = (self._float(value) for value in node.inputs if value is not None)
        return first + second

    def _move(self, node: ir.Node) -> dict[str, Tensor]:
        """Run an operator that moves or compares on codes minus the zero point, so that padding is the code of zero."""
        first, *others = node.inputs
        x = self._coded(first)
        inputs = {value.name or "": self._float(value) for value in others if value is not None}
        inputs[(first.name if first else "") or ""] = x.offsets.to(torch.float32)
        results = self.state.moving_node(node)(inputs)
        return {name: result.to(torch.int32) + x.grid.zero_point for name, result in results.items()}

    def _factor(self, node: ir.Node) -> tuple[Accumulator, NDArray[np.float32] | np.float32]:
        """What multiplies a layer's input, and the scale of its factor."""
        value = node.inputs[1]
        point = self.plan.by_tensor[(value.name if value else "") or ""]
        if point.role is Role.WEIGHT:
            return self.state.layer(node), self.state.encodings[point.key].scale
        op, other, grid = self.state.ops[node.name or ""], self._coded(value), self._coded(node.inputs[0]).grid
        return Accumulator(op.function, other.offsets, None, grid, op.kwargs), other.grid.scale

    def _layer(self, node: ir.Node, grid: QuantParams | None) -> Tensor:
        """Conv, Gemm or MatMul: codes on `grid`, float32 where it is None; a bias that is no point is a float."""
        x = self._coded(node.inputs[0])
        sums, scale = self._factor(node)
        accumulator = sums(x)
        bias = self.plan.bias_of.get(node.name or "")
        float_bias = node.inputs[2] if bias is None and len(node.inputs) > 2 else None
        multiplier = x.grid.scale * scale
        shape = (-1, *[1] * (accumulator.dim() - 2)) if node.op_type == "Conv" else (-1,)
        if grid is not None and float_bias is None:
            channels = torch.from_numpy(np.asarray(multiplier / grid.scale, np.float32)).reshape(shape)
            return self.state.kernels.requantize(accumulator, channels, grid)
        channels = torch.from_numpy(np.asarray(multiplier, np.float32)).reshape(shape)
        values = accumulator.to(torch.float32) * channels
        if float_bias is not None:
            values = values + self._float(float_bias).reshape(shape)
        return values if grid is None else quantize(values, grid)

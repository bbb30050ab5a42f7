"""Padding written out: one form for the plan, the importer and the writer."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from gdfq_export.frontend.passes.measured_shapes import static_sizes


class ExplicitPadsPass(ir.passes.InPlacePass):
    """Replace `auto_pad` of Conv, MaxPool and AveragePool by `pads`, and give Conv its `kernel_shape`.

    1. VALID: no padding.
    2. SAME_UPPER, SAME_LOWER: total = max((ceil(in / stride) - 1) * stride + (kernel - 1) * dilation + 1 - in, 0) per
       axis; the odd one goes to the end (UPPER) or the beginning (LOWER).
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; shapes of the inputs must be static besides the batch."""
        modified = False
        for node in model.graph:
            if node.op_type not in ("Conv", "MaxPool", "AveragePool"):
                continue
            attributes = node.attributes
            if node.op_type == "Conv" and "kernel_shape" not in attributes:
                weight = node.inputs[1]
                if weight is None or weight.shape is None:
                    continue
                attributes["kernel_shape"] = ir.AttrInt64s("kernel_shape", static_sizes(weight)[2:])
                modified = True
            mode = attributes.get_string("auto_pad", "NOTSET")
            if mode == "NOTSET":
                attributes.pop("auto_pad", None)
                continue
            attributes["pads"] = ir.AttrInt64s("pads", _pads(node, mode))
            del attributes["auto_pad"]
            modified = True
        return ir.passes.PassResult(model, modified)


def _pads(node: ir.Node, mode: str) -> list[int]:
    kernel: Sequence[int] = node.attributes.get_ints("kernel_shape", [])
    ones = [1] * len(kernel)
    if mode == "VALID":
        return [0] * (2 * len(kernel))
    x = node.inputs[0]
    assert x is not None and x.shape is not None
    begin, end = [], []
    sizes = static_sizes(x)[2:]
    strides = node.attributes.get_ints("strides", ones)
    dilations = node.attributes.get_ints("dilations", ones)
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + (k - 1) * dilation + 1 - size, 0)
        small, large = total // 2, total - total // 2
        begin.append(small if mode == "SAME_UPPER" else large)
        end.append(large if mode == "SAME_UPPER" else small)
    return begin + end

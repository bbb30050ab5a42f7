"""Zero padding before a convolution or an average is part of that operator."""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import constant_array, input_at, integer_list


class FoldPadPass(ir.passes.InPlacePass):
    """Fold `Pad` into the `pads` of its consumer.

    1. The Pad is constant zero, not negative, over height and width only, its amounts are constants, and it has one
       consumer.
    2. The consumer is a Conv: pads add up.
    3. The consumer is an AveragePool that counts its padding, or has none (it then counts it from now on): pads add up.
       The result must stay smaller than the kernel, as ONNX Runtime demands, and the window count must not be rounded
       up.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; `auto_pad` must be explicit (ExplicitPadsPass)."""
        modified = False
        for node in list(model.graph):
            if node.op_type != "Pad" or node.outputs[0].is_graph_output():
                continue
            extra = _spatial_pads(node)
            consumers = [(use.node, use.idx) for use in node.outputs[0].uses()]
            if extra is None or len(consumers) != 1 or consumers[0][1] != 0:
                continue
            consumer = consumers[0][0]
            pads = _combined(consumer, extra)
            if pads is None:
                continue
            consumer.attributes["pads"] = ir.AttrInt64s("pads", pads)
            if consumer.op_type == "AveragePool":
                consumer.attributes["count_include_pad"] = ir.AttrInt64("count_include_pad", 1)
            consumer.replace_input_with(0, node.inputs[0])
            model.graph.remove(node, safe=True)
            modified = True
        return ir.passes.PassResult(model, modified)


def _spatial_pads(node: ir.Node) -> list[int] | None:
    """`[top, left, bottom, right]`, None if rule 1 does not hold."""
    x, rank = node.inputs[0], 4
    if x is None or x.shape is None or len(x.shape) != rank:
        return None
    if node.attributes.get_string("mode", "constant") != "constant":
        return None
    amounts = integer_list(input_at(node, 1))
    fill = input_at(node, 2)
    filled = constant_array(fill)
    if amounts is None or (fill is not None and (filled is None or filled.any())):
        return None
    axes = list(range(rank))
    if input_at(node, 3) is not None:
        given = integer_list(input_at(node, 3))
        if given is None:
            return None
        axes = [axis % rank for axis in given]
    begin, end = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        begin[axis], end[axis] = amounts[position], amounts[position + len(axes)]
    if any(begin[:2] + end[:2]) or min(begin + end) < 0:
        return None
    return begin[2:] + end[2:]


def _combined(consumer: ir.Node, extra: list[int]) -> list[int] | None:
    own = list(consumer.attributes.get_ints("pads", [0] * 4))
    pads = [a + b for a, b in zip(own, extra, strict=True)]
    if consumer.op_type == "Conv":
        return pads
    if consumer.op_type != "AveragePool" or consumer.attributes.get_int("ceil_mode", 0) != 0:
        return None
    if any(own) and consumer.attributes.get_int("count_include_pad", 0) == 0:
        return None
    kernel = list(consumer.attributes.get_ints("kernel_shape", []))
    return pads if all(pad < size for pad, size in zip(pads, kernel * 2, strict=True)) else None

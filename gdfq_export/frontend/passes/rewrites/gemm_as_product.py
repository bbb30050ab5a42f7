"""A Gemm of weights in blocks in the one form that ONNX Runtime multiplies as it unpacks INT4 (MatMulNBits).

1. MatMul of [N, inputs] and [inputs, outputs]; the weight must have been transposed.
2. The bias is subtracted, as its negative: MatMul and Add would be joined to a Gemm, and Gemm and Relu to a float
   operator, before that kernel is looked for.
3. Behind a DequantizeLinear of the activation, and in front of a QuantizeLinear, stands a Flatten that changes nothing:
   a product next to one of them is taken for an integer one, and then runs in float, the weights being unpacked every
   time.

Measured with ONNX Runtime 1.32: each of the three makes the difference. Other runtimes do not mind.
"""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, input_at


def gemm_as_product(graph: ir.Graph, gemm: ir.Node) -> None:
    """Put the form in the place of a Gemm without factors; the MatMul has its name, the last node its output."""
    x, weight, bias = (input_at(gemm, index) for index in range(3))
    assert x is not None
    output, added = gemm.outputs[0], []
    if (source := x.producer()) is not None and source.op_type == "DequantizeLinear":
        added.append(_flatten(x))
        x = added[0].outputs[0]
        x.name = f"{output.name}_read"
    product = ir.node("MatMul", [x, weight], name=gemm.name)
    added.append(product)
    numbers = constant_array(bias)
    if bias is not None and numbers is not None:
        product.outputs[0].name = f"{output.name}_product"
        negative = add_initializer(graph, f"{bias.name}_negative", -numbers)
        added.append(ir.node("Sub", [product.outputs[0], negative], name=""))
    elif any(user.op_type == "QuantizeLinear" for user, _ in output.uses()):
        product.outputs[0].name = f"{output.name}_product"
        added.append(_flatten(product.outputs[0]))
    ir.convenience.replace_nodes_and_values(graph, gemm, [gemm], added, [output], [added[-1].outputs[0]])


def _flatten(value: ir.Value) -> ir.Node:
    """A Flatten of what is flat already, without a name."""
    return ir.node("Flatten", [value], {"axis": 1}, name="")

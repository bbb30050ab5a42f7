"""One form of the hard activations: HardSigmoid, with a Mul for HardSwish (ONNX HardSigmoid-6, HardSwish-14)."""

from __future__ import annotations

import math

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import constant_array, input_at, unused_name

__all__ = ["ALPHA", "BETA", "BREAKPOINT", "HardSigmoidPass", "is_of_hard_swish"]

BREAKPOINT = 3
"""Where HardSwish (ONNX HardSwish-14) bends, on both sides of zero."""

ALPHA, BETA = 1 / (2 * BREAKPOINT), 0.5


def is_of_hard_swish(node: ir.Node) -> bool:
    """Whether the node is a HardSigmoid with the numbers of HardSwish."""
    if node.op_type != "HardSigmoid":
        return False
    numbers = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    return all(math.isclose(*pair, rel_tol=1e-6) for pair in zip(numbers, (ALPHA, BETA), strict=True))


class HardSigmoidPass(ir.passes.InPlacePass):
    """Spell every hard activation with HardSigmoid, for which targets have integer forms.

    1. `HardSwish(x)` becomes `Mul(x, HardSigmoid(x))`.
    2. `Clip(x + c, 0, h) / h` becomes `HardSigmoid(x, alpha=1/h, beta=c/h)`.
    3. `(y * Clip(x + c, 0, h)) / h` becomes `Mul(y, HardSigmoid(x))`.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "HardSwish":
                _split(model.graph, node)
            elif node.op_type != "Clip" or not _join(model.graph, node):
                continue
            modified = True
        return ir.passes.PassResult(model, modified)


def _split(graph: ir.Graph, node: ir.Node) -> None:
    x = node.inputs[0]
    gate = _hard_sigmoid(graph, x, ALPHA, BETA, f"{node.name}_gate")
    product = ir.node("Mul", [x, gate.outputs[0]], name=node.name)
    ir.convenience.replace_nodes_and_values(
        graph, node, [node], [gate, product], [node.outputs[0]], [product.outputs[0]]
    )


def _join(graph: ir.Graph, clip: ir.Node) -> bool:
    """Rules 2 and 3 for one Clip, if they hold."""
    height, shift = _height(clip), _shift(clip)
    if height is None or shift is None:
        return False
    add, x, offset = shift
    product, last = _scaled(clip, height)
    if last is None or len({_rank(value) for value in (x, clip.outputs[0], last.outputs[0])}) > 1:
        return False  # ranks differ for a constant with more dimensions
    gate = _hard_sigmoid(graph, x, 1 / height, offset / height, clip.name or "")
    if product is None:
        ir.convenience.replace_nodes_and_values(graph, last, [last, clip], [gate], [last.outputs[0]], [gate.outputs[0]])
    else:
        factors = [gate.outputs[0] if value is clip.outputs[0] else value for value in product.inputs]
        joined = ir.node("Mul", factors, name=product.name)
        ir.convenience.replace_nodes_and_values(
            graph, last, [last, product, clip], [gate, joined], [last.outputs[0]], [joined.outputs[0]]
        )
    if not list(add.outputs[0].uses()) and not add.outputs[0].is_graph_output():
        graph.remove(add, safe=True)
    return True


def _height(clip: ir.Node) -> float | None:
    """The upper limit of a Clip from 0."""
    low, high = (_number(input_at(clip, index)) for index in (1, 2))
    return high if low == 0 and high is not None and high > 0 else None


def _shift(clip: ir.Node) -> tuple[ir.Node, ir.Value | None, float] | None:
    """The Add of one constant in front of a Clip, what it adds to, and the constant."""
    add = None if clip.inputs[0] is None else clip.inputs[0].producer()
    if add is None or add.op_type != "Add":
        return None
    first, second = (_number(value) for value in add.inputs)
    if first is None and second is not None:
        return add, add.inputs[0], second
    return (add, add.inputs[1], first) if first is not None and second is None else None


def _scaled(clip: ir.Node, height: float) -> tuple[ir.Node | None, ir.Node | None]:
    """The product of a Clip with another value, where there is one, and the division by `height` behind it."""
    product, last = None, _only_user(clip)
    if last is not None and last.op_type == "Mul" and not _divides(last, clip, height):
        product, last = last, _only_user(last)
    return product, last if last is not None and _divides(last, product or clip, height) else None


def _hard_sigmoid(graph: ir.Graph, x: ir.Value | None, alpha: float, beta: float, name: str) -> ir.Node:
    node = ir.node("HardSigmoid", [x], {"alpha": alpha, "beta": beta}, name=name)
    node.outputs[0].name = unused_name(graph, f"{name}_output")
    return node


def _only_user(node: ir.Node) -> ir.Node | None:
    users = [user for user, _ in node.outputs[0].uses()]
    return users[0] if len(users) == 1 and not node.outputs[0].is_graph_output() else None


def _divides(node: ir.Node, before: ir.Node, divisor: float) -> bool:
    """Whether `node` divides what `before` writes by `divisor`, or multiplies it by the reciprocal."""
    if before.outputs[0] not in node.inputs:
        return False
    if node.op_type == "Div" and node.inputs[0] is before.outputs[0]:
        number = _number(node.inputs[1])
        return number is not None and math.isclose(number, divisor, rel_tol=1e-6)
    if node.op_type == "Mul":
        numbers = [number for value in node.inputs if (number := _number(value)) is not None]
        return len(numbers) == 1 and math.isclose(numbers[0] * divisor, 1, rel_tol=1e-6)
    return False


def _rank(value: ir.Value | None) -> int | None:
    return None if value is None or value.shape is None else len(value.shape)


def _number(value: ir.Value | None) -> float | None:
    """A constant of one element."""
    array = constant_array(value)
    return float(array.reshape(())) if array is not None and array.size == 1 else None

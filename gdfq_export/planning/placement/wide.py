"""16-bit activations: which nodes have them, and where a value is read with 16 bits and with 8.

A node with 16 bits reads and writes codes of 16 bits, and its neighbours codes of 8. An Identity stands between the two
for each value that both know, so that the value behind it has a pair of its own; a runtime takes the Identity away.
"""

from __future__ import annotations

import dataclasses

import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.constants.constant import unused_name
from gdfq_export.planning.placement.graph_nodes import rule_of
from gdfq_export.planning.placement.named_nodes import named_layers, named_nodes
from gdfq_export.planning.placement.unsupported import unsupported_reason
from gdfq_export.recipe import Bits
from gdfq_export.targets import Output, Rule, Target
from gdfq_export.targets.table import WIDE_BITS

CONVERTS = "gdfq_export.converts"
"""Key of `ir.Node.meta` of an Identity in front of nodes with 16 bits: its input is read as codes."""


def wide_nodes(graph: ir.Graph, target: Target, bits: Bits) -> frozenset[ir.Node]:
    """The nodes that the recipe gives 16-bit activations, with a Relu or Clip that alone reads one of them.

    Raises:
        InputError: a name is no node's, or the target takes no such activations.
    """
    found = set(named_nodes(graph, bits.keep_int16, key="bits.keep_int16"))
    for pattern, widths in bits.layers.items():
        if widths.activations is not None:
            layers = named_layers(graph, pattern)
            found = found | layers if widths.activations == WIDE_BITS else found - layers
    if found and target.wide is None:
        raise InputError(
            f"bits.keep_int16 in the recipe: {target.name} takes no 16-bit activations; leave it out, or name these "
            "nodes in bits.keep_float"
        )
    found = {node for node in found if all(map(is_float, node.outputs))}
    found -= named_nodes(graph, bits.keep_float, key="bits.keep_float")
    return frozenset(found) | {reader for node in found if (reader := _activation_behind(node, target)) is not None}


def is_float(value: ir.Value) -> bool:
    """Whether a value is computed in float32, and no constant."""
    return value.const_value is None and (value.dtype is None or value.dtype is ir.DataType.FLOAT)


def layer_rule(target: Target, node: ir.Node) -> Rule | None:
    """The rule of a layer whose weights can be codes; None of any other node."""
    rule = rule_of(target, node)
    return rule if rule is not None and rule.weight is not None and not unsupported_reason(node, rule) else None


def is_inside(value: ir.Value, wide: frozenset[ir.Node], target: Target) -> bool:
    """Whether a value is between a node with 16 bits and the Relu or Clip behind it, where no pair is."""
    node = value.producer()
    reader = None if node is None or node not in wide else _activation_behind(node, target)
    return reader is not None and reader in wide


def with_conversions(model: FloatModel, target: Target, bits: Bits) -> FloatModel:
    """The network with an Identity wherever a value is known to nodes with 16 bits and to others."""
    if not wide_nodes(model.folded.graph, target, bits):
        return model
    folded = model.folded.clone()
    add_conversions(folded.graph, target, bits)
    return dataclasses.replace(model, folded=folded)


def add_conversions(graph: ir.Graph, target: Target, bits: Bits) -> None:
    """The same, in a graph."""
    wide = wide_nodes(graph, target, bits)
    values = [*graph.inputs, *(value for node in graph for value in node.outputs)]
    for value in values:
        readers = list(dict.fromkeys(user for user, _ in value.uses()))
        with_16, with_8 = [user for user in readers if user in wide], [user for user in readers if user not in wide]
        if value.producer() in wide:
            if with_8:
                _convert(graph, value, with_8, converts=False)
        elif with_16 and is_float(value) and (with_8 or not value.is_graph_input()):
            _convert(graph, value, with_16, converts=True)


def _convert(graph: ir.Graph, value: ir.Value, readers: list[ir.Node], *, converts: bool) -> None:
    name = unused_name(graph, f"{value.name}_{'16' if converts else '8'}")
    node = ir.node("Identity", [value], name=f"{name}_node")
    converted = node.outputs[0]
    converted.name, converted.type, converted.shape = name, value.type, value.shape
    if converts:
        node.meta[CONVERTS] = True
    for user, index in list(value.uses()):
        if user in readers:
            user.replace_input_with(index, converted)
    producer = value.producer()
    if producer is None:
        graph.insert_before(graph[0], node)
    else:
        graph.insert_after(producer, node)


def _activation_behind(node: ir.Node, target: Target) -> ir.Node | None:
    readers = [user for user, _ in node.outputs[0].uses()]
    alone = len(readers) == 1 and len(node.outputs) == 1 and not node.outputs[0].is_graph_output()
    rule = rule_of(target, node)
    computes = rule is not None and rule.output is not Output.INPUT_SCALE
    return readers[0] if alone and computes and readers[0].op_type in target.absorbed else None

"""Which nodes a list of patterns in a recipe names: by their names, their weights' names, their operators."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.planning.placement.graph_nodes import name_of
from gdfq_export.recipe.explain import hint
from gdfq_export.targets.operator_traits import OPERATOR_TRAITS

_REGEX = "re:"


def named_nodes(graph: ir.Graph, patterns: Iterable[str], *, key: str) -> frozenset[ir.Node]:
    """The nodes of a canonical graph that at least one pattern matches.

    Args:
        graph: its nodes have names.
        patterns: `conv1`, `layer3*` or `conv1.weight`, the name of a node or of its weight with the wildcards of a
            shell; `Softmax`, an operator; `re:REGEX`, a regular expression that matches the whole name of a node.
        key: of the recipe, for messages.

    Raises:
        InputError: a pattern matches nothing, or is not a regular expression.
    """
    found: set[ir.Node] = set()
    for pattern in patterns:
        nodes = [node for node in graph if _matches(pattern, node, key)]
        if not nodes:
            known = dict.fromkeys(name for node in graph for name in (*_names(node), node.op_type))
            raise InputError(
                f"{key} in the recipe: no node, weight or operator is called {pattern!r}{hint(pattern, known)}; "
                "gdfq-export quantize --dry-run lists them"
            )
        found.update(nodes)
    return frozenset(found)


def named_layers(graph: ir.Graph, pattern: str) -> set[ir.Node]:
    """The layers whose name, or whose weight's name, a key of `bits.layers` is or matches."""
    return {node for node in graph if _weight(node) is not None and _is_named(pattern, node)}


def with_shared_weights(graph: ir.Graph, nodes: frozenset[ir.Node]) -> frozenset[ir.Node]:
    """The nodes, and every layer that has its weight in common with one of them: it is float or integer for all."""
    weights = {value for node in nodes if (value := _weight(node)) is not None}
    return nodes | {node for node in graph if _weight(node) in weights}


def _matches(pattern: str, node: ir.Node, key: str) -> bool:
    if pattern.startswith(_REGEX):
        try:
            return re.fullmatch(pattern.removeprefix(_REGEX), name_of(node)) is not None
        except re.error as error:
            raise InputError(
                f"{key} in the recipe: {pattern!r} is not a regular expression ({error}); fix it"
            ) from error
    return pattern == node.op_type or _is_named(pattern, node)


def _is_named(pattern: str, node: ir.Node) -> bool:
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for name in _names(node))


def _names(node: ir.Node) -> tuple[str, ...]:
    """The node's name, and that of its weight."""
    weight = _weight(node)
    return (name_of(node),) if weight is None else (name_of(node), name_of(weight))


def _weight(node: ir.Node) -> ir.Value | None:
    """The constant weight of a layer."""
    traits = OPERATOR_TRAITS.get(node.op_type)
    value = None if traits is None or traits.weight is None else node.inputs[traits.weight]
    return None if value is None or value.const_value is None else value

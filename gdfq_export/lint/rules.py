"""What a rule is: a function of one node, pair or layer that yields what it breaks; and rules that runtimes share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import onnx_ir as ir

from gdfq_export.qdq.reader.layers import QdqLayer
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, node_name
from gdfq_export.support.finding import Consequence, Finding

Broken = tuple[str, Consequence, str]
"""A rule's name, what the runtime does, and a message about the node, without its name."""
Subject = TypeVar("Subject", ir.Node, QdqNode, QdqLayer)
Rule = Callable[[QdqModel, Subject], Iterator[Broken]]


def broken_rules(model: QdqModel, rules: Iterable[Rule[Subject]], subjects: Sequence[Subject]) -> list[Finding]:
    """Every rule that every subject breaks, in the order of the rules, then of the subjects."""
    return [each for rule in rules for subject in subjects for each in findings_at(subject, rule(model, subject))]


def findings_at(subject: Subject, broken: Iterable[Broken]) -> Iterator[Finding]:
    """Findings whose messages begin with the node of `subject`."""
    node = subject if isinstance(subject, ir.Node) else subject.node
    name = node_name(node)
    for rule, consequence, message in broken:
        yield Finding(rule=rule, node=name, consequence=consequence, message=f"{node.op_type} {name}: {message}")


def newer_opset(model: QdqModel, most: int, reader: str, write: int) -> Iterator[Finding]:
    """The opset is one that `reader` knows; `write` is the one to write in its place."""
    if model.opset > most:
        message = f"opset {model.opset} is newer than {reader}; write opset {write}"
        yield Finding(rule="opset", node="the file", consequence=Consequence.REFUSED, message=message)


FLOAT_WEIGHT = "its weight is float, so it is computed in float, for which its input is dequantized"


def both_quantized(layer: QdqLayer, float_input: str = "") -> Iterator[Broken]:
    """Both factors of a layer come from a DequantizeLinear; `float_input` says why the first does not."""
    if layer.whole or layer.weight_only:
        return
    first, second = ("activation", "weight") if not layer.of_activations else ("first activation", "second activation")
    if layer.activation is None and layer.weight is None:
        yield "float layer", Consequence.FLOAT, f"neither its {first} nor its {second} is quantized"
    elif layer.weight is None and not layer.of_activations:
        yield "float layer", Consequence.FLOAT, FLOAT_WEIGHT
    elif layer.weight is None:
        yield "half quantized", Consequence.FLOAT, f"its {first} is quantized, its {second} is not"
    else:
        message = float_input or f"its {second} is quantized, its {first} is not"
        yield "half quantized", Consequence.FLOAT, message

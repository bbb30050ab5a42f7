"""What every CPU runtime asks of a layer, and the finding for a layer that runs in float."""

from __future__ import annotations

from collections.abc import Iterator

from gdfq_export.lint.finding_at import finding_at
from gdfq_export.qdq.reader.layers import QdqLayer
from gdfq_export.support.finding import Consequence, Finding


def runs_in_float(layer: QdqLayer, rule: str, message: str) -> Finding:
    """The finding for a layer that breaks a rule and runs in float."""
    return finding_at(layer.node, rule, Consequence.FLOAT, message)


def both_quantized(layer: QdqLayer, float_input: str = "") -> Iterator[Finding]:
    """A layer's activation and weight both come from a DequantizeLinear; `float_input` says why the first does not."""
    if layer.whole or layer.weight_only:
        return
    if layer.activation is None and layer.weight is None:
        yield runs_in_float(layer, "float layer", "neither its activation nor its weight is quantized")
    elif layer.weight is None:
        yield runs_in_float(layer, "half quantized", "its activation is quantized, its weight is not")
    else:
        yield runs_in_float(layer, "half quantized", float_input or "its weight is quantized, its activation is not")

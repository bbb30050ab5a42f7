"""Attributes that only restate their operator's default say nothing.

Without them equal nodes look equal, and files are smaller.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

_WINDOW: dict[str, int | float | str] = {"strides": 1, "dilations": 1, "pads": 0, "auto_pad": "NOTSET"}

_DEFAULTS: dict[str, dict[str, int | float | str]] = {
    "Conv": {**_WINDOW, "group": 1},
    "MaxPool": {**_WINDOW, "ceil_mode": 0, "storage_order": 0},
    "AveragePool": {**_WINDOW, "ceil_mode": 0, "count_include_pad": 0},
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    "Flatten": {"axis": 1},
}


class DefaultAttributesPass(ir.passes.InPlacePass):
    """Remove every attribute that holds its operator's default (ONNX operator schemas, opset 21).

    A list (strides, pads) is at its default where all its elements are. kernel_shape stays: runtimes ask for it.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph."""
        modified = False
        for node in model.graph:
            for name, default in _DEFAULTS.get(node.op_type, {}).items():
                attribute = node.attributes.get(name)
                if attribute is not None and _is_default(attribute.value, default):
                    del node.attributes[name]
                    modified = True
        return ir.passes.PassResult(model, modified)


def _is_default(value: object, default: int | float | str) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(item == default for item in value)
    return value == default

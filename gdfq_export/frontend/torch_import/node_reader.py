"""Reads one ONNX node for its lowering: attributes with defaults, constant inputs as Python values, refusals.

A lowering turns an `onnx_ir.Node` into an `Op`: a plain function, its constant keyword arguments, and the values that
stay tensors. Constants come from initializers and from Constant nodes alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.support.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """What a node computes: `function(*inputs, **kwargs)`.

    Attributes:
        function: works on torch tensors of any device, differentiable, never in place; several outputs come as a tuple.
        inputs: the ONNX values to pass as tensors, None where an optional input is left out.
        kwargs: numbers, strings, dtypes and tuples of them.
        several: the function returns a tuple, one tensor for each output of the node.
    """

    function: Callable[..., Any]
    inputs: tuple[ir.Value | None, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    several: bool = False


class NodeReader:
    """One node as its lowering sees it; every refusal names the operator, the node and what is accepted."""

    def __init__(self, node: ir.Node) -> None:
        """Read `node`."""
        self.node = node

    def refuse(self, found: str, accepted: str) -> InputError:
        """Return the error for something about this node that is not supported; `found` continues the node's name."""
        return InputError(f"{self.node.op_type} node {self.node.name!r} {found}; accepted: {accepted}.")

    def op(self, function: Callable[..., Any], *indices: int, **kwargs: Any) -> Op:
        """Return the Op that passes the inputs at `indices` (those left out become None) as tensors."""
        return Op(function=function, inputs=tuple(self.value(index) for index in indices), kwargs=kwargs)

    def several(self, function: Callable[..., tuple[Any, ...]], *indices: int, **kwargs: Any) -> Op:
        """Return the Op of a function whose results are the node's outputs."""
        return replace(self.op(function, *indices, **kwargs), several=True)

    def value(self, index: int) -> ir.Value | None:
        """Return the input at `index`, None if it is left out."""
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def required(self, index: int, what: str) -> ir.Value:
        """Return the input at `index`; raise InputError if it is left out."""
        value = self.value(index)
        if value is None:
            raise self.refuse(f"has no input {index} ({what})", f"a node with {what}")
        return value

    def is_constant(self, index: int) -> bool:
        """Tell whether the input at `index` is present and constant."""
        value = self.value(index)
        return value is not None and ir.convenience.get_const_tensor(value) is not None

    def constant(self, index: int, what: str) -> np.ndarray | None:
        """Return the constant at input `index`, None if it is left out; raise InputError if it is computed."""
        value = self.value(index)
        if value is None:
            return None
        tensor = ir.convenience.get_const_tensor(value)
        if tensor is None:
            raise self.refuse(f"computes its {what} ({value.name!r}) in the graph", f"constant {what}")
        return tensor.numpy()

    def constant_ints(self, index: int, what: str) -> tuple[int, ...] | None:
        """Return a constant 1-D (or scalar) integer input as Python ints, None if it is left out."""
        array = self.constant(index, what)
        return None if array is None else tuple(int(item) for item in array.reshape(-1))

    def constant_number(self, index: int, what: str) -> float | None:
        """Return a constant input of one element as a Python number, None if it is left out."""
        array = self.constant(index, what)
        if array is None or array.size == 0:
            return None
        if array.size != 1:
            raise self.refuse(f"has {array.size} elements as {what}", "one number")
        return float(array.item())

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.as_int()

    def number(self, name: str, default: float) -> float:
        """Return a float attribute."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.as_float()

    def text(self, name: str, default: str, accepted: tuple[str, ...]) -> str:
        """Return a string attribute; raise InputError if it is none of `accepted`."""
        attribute = self.node.attributes.get(name)
        found = default if attribute is None else attribute.as_string()
        if found not in accepted:
            raise self.refuse(f"has {name} {found!r}", ", ".join(accepted))
        return found

    def integers(self, name: str, default: tuple[int, ...] | None, length: int | None = None) -> tuple[int, ...] | None:
        """Return an attribute of several integers; raise InputError if their number is not `length`."""
        attribute = self.node.attributes.get(name)
        if attribute is None:
            return default
        found = tuple(attribute.as_ints())
        if length is not None and len(found) != length:
            raise self.refuse(f"has {name} {list(found)}", counted(length, "number"))
        return found

    def refuse_extra_outputs(self, what: str) -> None:
        """Raise InputError if any output but the first is used."""
        for value in self.node.outputs[1:]:
            if value.uses() or value.is_graph_output():
                raise self.refuse(f"also returns {value.name!r} ({what})", "its first output only")


Lowering = Callable[[NodeReader], Op]

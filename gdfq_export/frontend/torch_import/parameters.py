"""ONNX constants as torch tensors, and the readable attribute names they get in the module."""

from __future__ import annotations

import keyword
import re

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, fx, nn

from gdfq_export.errors import InputError

_DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")


def tensor_from_onnx(value: ir.Value) -> Tensor:
    """Return a constant as a tensor of its own memory; raise InputError if torch has no such type."""
    constant = ir.convenience.get_const_tensor(value)
    if constant is None:
        raise InputError(f"Value {value.name!r} is used as a constant but has none; store its data in the model.")
    array = constant.numpy()
    if array.dtype.name not in _DTYPES:
        raise InputError(f"Constant {value.name!r} has type {array.dtype.name}; accepted: {', '.join(_DTYPES)}.")
    return torch.from_numpy(np.array(array))


class AttributeNames:
    """Gives ONNX names out as attribute names: identifiers, unique, and none that the module itself uses."""

    def __init__(self) -> None:
        """Start with the names that every GraphModule uses already."""
        self._taken = set(dir(fx.GraphModule(nn.Module(), fx.Graph()))) | set(keyword.kwlist)

    def take(self, name: str) -> str:
        """Return the attribute for an ONNX name, for example `layer1.0.conv1.weight` -> `layer1_0_conv1_weight`."""
        stem = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "value"
        if stem[0].isdigit():
            stem = f"_{stem}"
        candidate, count = stem, 0
        while candidate in self._taken:
            count += 1
            candidate = f"{stem}_{count}"
        self._taken.add(candidate)
        return candidate

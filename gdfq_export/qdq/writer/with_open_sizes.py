"""The quantized file takes images of any size where the float file does and nothing in it depends on the one size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.accepted_forms.open_sizes import OpenSizes, set_symbol
from gdfq_export.frontend.passes.batch.symbolic_batch import graph_inputs
from gdfq_export.frontend.passes.measured_shapes import run_model

_Arrays = Mapping[str, NDArray[np.generic]]


def with_open_sizes(proto: onnx.ModelProto, model: FloatModel) -> onnx.ModelProto | None:
    """Return the quantized network with the symbols of the float file in its input and outputs.

    It is run in ONNX Runtime at the chosen size and at a second one, beside the float file: its outputs must have the
    float file's shapes, and those of the folded float network, whose nodes it has, must be the float file's numbers.

    Args:
        proto: the quantized network, which takes float32 `[N, C, H, W]` at the chosen size; not modified.
        model: the float network that it was made of.

    Returns:
        None where the float file leaves no size open, or the quantized network takes only the chosen size.
    """
    sizes = model.open_sizes
    if sizes is None:
        return None
    result, folded = sizes.opened(proto), sizes.opened(ir.to_proto(model.folded))
    for network in (result, folded):
        for value in network.graph.output:
            value.type.tensor_type.ClearField("shape")
    shape = (model.source_batch or 1, *model.input_spec.shape)
    try:
        chosen, other = _run(sizes.proto, shape), _float_at_another_size(sizes, shape)
        if other is None:
            return None
        second, expected = other
        images_at = ((shape, chosen), (second, expected))
        same = _equal(_run(folded, second), expected) and all(
            _shapes(_run(result, each)) == _shapes(floats) for each, floats in images_at
        )
    except Exception:  # ONNX Runtime's exception types are not public
        return None
    if not same:
        return None
    _declare_outputs(result, proto, sizes, (_shapes(chosen), _shapes(expected)))
    return result


def _float_at_another_size(sizes: OpenSizes, shape: Sequence[int]) -> tuple[tuple[int, ...], _Arrays] | None:
    """Another shape that the float file takes, with its outputs; None where it takes none of those that are tried."""
    for other in sizes.others(shape):
        try:
            return other, _run(sizes.proto, other)
        except Exception:  # a size that this network does not take
            continue
    return None


def _run(proto: onnx.ModelProto, shape: Sequence[int]) -> _Arrays:
    images = np.random.default_rng(0).random(tuple(shape), dtype=np.float32)
    return run_model(proto, {graph_inputs(proto)[0].name: images})


def _shapes(outputs: _Arrays) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in outputs.items()}


def _equal(found: _Arrays, expected: _Arrays) -> bool:
    if _shapes(found) != _shapes(expected):
        return False
    return all(
        np.allclose(array, found[name], rtol=1e-3, atol=1e-4 * float(np.abs(array).max(initial=0)), equal_nan=True)
        for name, array in expected.items()
    )


def _declare_outputs(
    result: onnx.ModelProto,
    proto: onnx.ModelProto,
    sizes: OpenSizes,
    shapes: tuple[Mapping[str, Sequence[int]], Mapping[str, Sequence[int]]],
) -> None:
    """State what `proto` does of an output's axes, and the float file's symbols for those that move with the input."""
    stated = {value.name: value.type.tensor_type.shape.dim for value in sizes.proto.graph.output}
    for value, fixed in zip(result.graph.output, proto.graph.output, strict=True):
        value.CopyFrom(fixed)
        dims, symbols = value.type.tensor_type.shape.dim, stated[value.name]
        pairs = zip(shapes[0][value.name], shapes[1][value.name], strict=True)
        for axis, (dim, pair) in enumerate(zip(dims, pairs, strict=False)):
            if pair[0] != pair[1]:
                set_symbol(dim, symbols[axis].dim_param if axis < len(symbols) else "")

"""Sizes of the input that a file leaves open, as fully convolutional networks do with height and width.

The network is checked, planned and measured at one size, which is written into its input; the file that is made of it
is open again where it computes the same at another size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx

from gdfq_export.frontend.passes.batch.symbolic_batch import graph_inputs

_STEP = 32  # what most networks halve their input down to


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSizes:
    """A network as its file states it, before a size is written into it.

    Attributes:
        proto: the network.
        symbols: by axis of the input, for the open ones: their symbol, empty where they have none.
    """

    proto: onnx.ModelProto
    symbols: dict[int, str]

    @classmethod
    def of(cls, proto: onnx.ModelProto) -> OpenSizes | None:
        """The open sizes of `proto`, which may be changed later; None where it has none, or not one input."""
        inputs = graph_inputs(proto)
        dims = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else ()
        symbols = {axis: dim.dim_param for axis, dim in enumerate(dims) if axis > 0 and dim.dim_value <= 0}
        if not symbols:
            return None
        kept = onnx.ModelProto()
        kept.CopyFrom(proto)
        return cls(proto=kept, symbols=symbols)

    def others(self, shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Shapes with other sizes than `shape`, batch included, in the open axes; axes of one symbol grow alike."""
        distinct = list(dict.fromkeys(symbol or str(axis) for axis, symbol in self.symbols.items()))
        grown = {axis: _STEP * (1 + distinct.index(symbol or str(axis))) for axis, symbol in self.symbols.items()}
        yield tuple(size + grown.get(axis, 0) for axis, size in enumerate(shape))
        yield tuple(size * (2 if axis in self.symbols else 1) for axis, size in enumerate(shape))

    def opened(self, proto: onnx.ModelProto) -> onnx.ModelProto:
        """Return a copy of `proto`, a form of this network at one size, with the input's open sizes open again.

        What it states of the sizes of inner values is left out.
        """
        result = onnx.ModelProto()
        result.CopyFrom(proto)
        del result.graph.value_info[:]
        dims = graph_inputs(result)[0].type.tensor_type.shape.dim
        for axis, symbol in self.symbols.items():
            set_symbol(dims[axis], symbol)
        return result


def set_symbol(dim: onnx.TensorShapeProto.Dimension, symbol: str) -> None:
    """Open a dimension under this symbol; an empty one leaves it without."""
    dim.Clear()
    if symbol:
        dim.dim_param = symbol

"""What ONNX operators do to the elements of their first input, whatever runs them: one table for the whole package.

A runtime's rules may differ from it, for instance because a pass of that runtime stops at one operator. Such a
difference stays with the runtime's rules, as a set that is added or taken away, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTraits:
    """One operator.

    Attributes:
        moves_elements: each element of its outputs is an element of its input; which one does not depend on values.
        drops_elements: some elements of its input may be in no output.
        keeps_range: no element of its outputs lies outside of the range of its input and 0, which padding adds.
        pools: it reduces windows of `[N, C, ...]` channel by channel.
        weight: the input that holds the weights of a layer.
        output_axis: the axis of these weights that output channels lie along, of Gemm without `transB`.
    """

    moves_elements: bool = False
    drops_elements: bool = False
    keeps_range: bool = False
    pools: bool = False
    weight: int | None = None
    output_axis: int | None = None


_RESHAPES = OperatorTraits(moves_elements=True, keeps_range=True)
_SELECTS = OperatorTraits(moves_elements=True, drops_elements=True, keeps_range=True)
_POOLS = OperatorTraits(drops_elements=True, keeps_range=True, pools=True)

OPERATOR_TRAITS: Mapping[str, OperatorTraits] = MappingProxyType(
    {
        "Dropout": _RESHAPES,  # in inference
        "Flatten": _RESHAPES,
        "Identity": _RESHAPES,
        "Reshape": _RESHAPES,
        "Squeeze": _RESHAPES,
        "Transpose": _RESHAPES,
        "Unsqueeze": _RESHAPES,
        "Slice": _SELECTS,
        "Split": _SELECTS,
        "AveragePool": _POOLS,
        "GlobalAveragePool": _POOLS,
        "GlobalMaxPool": _POOLS,
        "MaxPool": _POOLS,
        "Conv": OperatorTraits(weight=1, output_axis=0),
        "ConvTranspose": OperatorTraits(weight=1, output_axis=1),
        "Gemm": OperatorTraits(weight=1, output_axis=1),
        "MatMul": OperatorTraits(weight=1, output_axis=-1),
    }
)

MOVES_ELEMENTS = frozenset(name for name, traits in OPERATOR_TRAITS.items() if traits.moves_elements)
KEEPS_ALL_ELEMENTS = frozenset(name for name in MOVES_ELEMENTS if not OPERATOR_TRAITS[name].drops_elements)
KEEPS_RANGE = frozenset(name for name, traits in OPERATOR_TRAITS.items() if traits.keeps_range)
POOLS = frozenset(name for name, traits in OPERATOR_TRAITS.items() if traits.pools)
LAYERS = frozenset(name for name, traits in OPERATOR_TRAITS.items() if traits.weight is not None)

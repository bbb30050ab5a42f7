"""ONNX Runtime's CPU operators by kind: integer compute, float compute, data movement.

From the rules of its QDQ transformer (`core/optimizer/qdq_transformer/selectors_actions`) and its contributed
operators (`docs/ContribOperators.md`), version 1.32. Operators count under every domain: float convolutions appear as
`Conv` of `com.microsoft.nchwc` too, integer ones as `QLinearConv` of `com.microsoft` in NHWC.
"""

from __future__ import annotations

from gdfq_export.runtimes.base import Kind
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS

_BY_KIND: dict[Kind, tuple[str, ...]] = {
    "integer compute": (
        "QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat",
        "DynamicQuantizeMatMul",
    ),
    # MatMulNBits and MatMulBnb4 store low-bit weights but multiply float activations
    "float compute": (
        "Conv", "FusedConv", "NhwcFusedConv", "ConvTranspose", "Gemm", "FusedGemm", "GemmFloat8", "MatMul",
        "FusedMatMul", "FusedMatMulActivation", "TransposeMatMul", "Einsum", "MatMulNBits", "MatMulBnb4",
    ),
    "quantize": ("QuantizeLinear", "DynamicQuantizeLinear"),
    "dequantize": ("DequantizeLinear",),
    "layout": ("Transpose", "ReorderInput", "ReorderOutput"),
}  # fmt: skip

KINDS: dict[str, Kind] = {operator: kind for kind, operators in _BY_KIND.items() for operator in operators}

_COMPUTES_INTEGERS = (
    "Conv", "Gemm", "MatMul", "Add", "Mul", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Softmax",
    "Concat", "Where",
)  # fmt: skip
# besides those that move elements
_TAKES_ANY_TYPE = (
    "MaxPool", "ReduceMax", "ReduceMin", "Gather", "GatherElements", "DepthToSpace", "Expand", "Tile",
    "Resize", "ArgMax",
)  # fmt: skip

# removed where the range of the next quantizer has the same effect
_VANISHES = ("Relu", "Clip")
# float operators with a fused activation, where the runtime found no integer kernel
_FUSED_FLOAT = ("FusedConv", "NhwcFusedConv", "FusedGemm", "FusedMatMul")

INTEGER_KERNELS: frozenset[str] = MOVES_ELEMENTS.union(_COMPUTES_INTEGERS, _TAKES_ANY_TYPE, _VANISHES, _FUSED_FLOAT)

"""The kind of an engine's layer, by TensorRT's names of layer types.

Types of layers are those of the build log of TensorRT-RTX 1.7 (`correlation`, `gemm`) and of the engine inspector of
TensorRT 8 to 11 (`CaskConvolution`, `CaskGemmMatrixMultiply`, `CaskJitConv`).
"""

from __future__ import annotations

import re

from gdfq_export.runtimes.base import Kind
from gdfq_export.targets.operator_traits import LAYERS

INTEGER_KERNELS = LAYERS | {"Relu", "Clip", "Add", "MaxPool", "Concat"}

_COMPUTE = re.compile(r"conv(?!er)|correlation|gemm|mat(rix)?_?mul|fully_?connected", re.IGNORECASE)
_INTEGER = re.compile(r"int[48]\b", re.IGNORECASE)


def kind_of(layer_type: str, *types: str) -> Kind:
    """Compute is on integers where all of `types`, of what the layer reads and of its weights, are integers."""
    if not _COMPUTE.search(layer_type):
        return "other"
    return "integer compute" if all(_INTEGER.search(each) for each in types) else "float compute"


def onnx_names(text: str) -> tuple[str, ...]:
    """The nodes of the file that went into a layer, from `[ONNX Layer: ...]`; control characters stand between them."""
    return tuple(re.findall(r"\[ONNX Layer: (.*?)\](?=[\x1e\x1f]|\[ONNX Layer: |$)", text))

"""A small residual network and its files as other tools write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from tests import tiny_graph

SHAPE = (3, 8, 8)


class Images(CalibrationDataReader):
    """Two images of noise."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        random = np.random.default_rng(0)
        self._rest = iter([{name: random.normal(size=(1, *shape)).astype(np.float32)} for _ in range(2)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rest, None)


def network() -> onnx.ModelProto:
    """Three Conv, the first and the last added, pooled, and a Gemm."""
    random = np.random.default_rng(0)
    spatial = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    shapes = {
        "w": (8, 3, 3, 3),
        "u": (8, 8, 3, 3),
        "i": (8,),
        "v": (8, 8, 3, 3),
        "g": (5, 8),
        "b": (8,),
        "d": (8,),
        "h": (5,),
    }
    return tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w", "b"], ["c"], spatial),
            ("Relu", ["c"], ["r"]),
            ("Conv", ["r", "u", "i"], ["t"], spatial),
            ("Relu", ["t"], ["o"]),
            ("Conv", ["o", "v", "d"], ["e"], spatial),
            ("Add", ["e", "r"], ["a"]),
            ("Relu", ["a"], ["s"]),
            ("GlobalAveragePool", ["s"], ["p"]),
            ("Flatten", ["p"], ["f"]),
            ("Gemm", ["f", "g", "h"], ["y"], {"transB": 1}),
        ],
        inputs={"x": ("batch", *SHAPE)},
        outputs=["y"],
        initializers={name: (random.normal(size=shape) * 0.3).astype(np.float32) for name, shape in shapes.items()},
    )


def static_file(model: onnx.ModelProto, folder: Path, *, recommended: bool) -> onnx.ModelProto:
    """`quantize_static` as it comes, or as its documentation recommends for x86."""
    source, prepared, out = (folder / f"{name}.onnx" for name in ("float", "prepared", "static"))
    onnx.save(model, source)
    (name,) = (value.name for value in model.graph.input)
    shape = tuple(size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim[1:])
    options = {}
    if recommended:
        quant_pre_process(source, prepared)
        source = prepared
        options = {"per_channel": True, "activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(source, out, Images(name, shape), **options)
    return onnx.load(out)

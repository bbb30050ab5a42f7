"""One file for every runtime: TensorRT's form, which ONNX Runtime and OpenVINO also read, but slower in ONNX Runtime.

Measured (ResNet-18, AVX512-VNNI): OpenVINO runs it as fast as its own file, ONNX Runtime at a third of the speed of
`ort-cpu`, since int8 activations have no VNNI kernel and half of the convolutions stay in float; it also rounds the
float biases to multiples of s_x * s_w, which the file does not say. A file is checked against the rules of the two
others only.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

from gdfq_export.targets.openvino import BIAS_IN_FRONT_OF
from gdfq_export.targets.tensorrt import TENSORRT

PORTABLE = dataclasses.replace(
    TENSORRT,
    name="portable",
    description="any runtime, slow in ONNX Runtime",
    backend="onnxruntime",
    stand_in=None,
    engine=False,
    rules=MappingProxyType(
        {**TENSORRT.rules, "Gemm": dataclasses.replace(TENSORRT.rules["Gemm"], bias_in_front_of=BIAS_IN_FRONT_OF)}
    ),
    held_to=("tensorrt", "openvino"),
    block_note="",
    zero_points_by_shape=True,
    warning="a portable file runs in ONNX Runtime, OpenVINO and TensorRT, but in ONNX Runtime on x86-64 CPUs at about "
    "a third of the speed of a file for that runtime; one file for each target is faster everywhere",
)

"""TensorRT: int8 with zero point 0, float biases, Q/DQ on what convolutions and matrix products read.

From NVIDIA's guide to explicit quantization, and measured (TensorRT-RTX 1.7, parser and builder): other zero points,
uint8 and int32 biases are refused or silently misread; operators between two layers are fused into one of them or run
on whatever they are given, so that only layers, and the edge that skips them, want Q/DQ. One convolution before an Add
is added in its own kernel, before anything is rounded. A pair between AveragePool and a convolution must stand behind
the pool, one between a convolution and its Relu behind the Relu: both follow from quantizing what layers read. 4-bit
numbers are carried in int8: no convolution of 4 bits exists, and the parser takes no INT4 weight beside int8
activations. A Clip in front of QuantizeLinear is fused.
"""

from __future__ import annotations

from types import MappingProxyType

from gdfq_export.targets.table import Clip, Kernel, NumberFormat, Output, Rule, Target

TENSORRT = Target(
    name="tensorrt",
    description="TensorRT 10 and 11, TensorRT-RTX, NVIDIA GPU",
    backend="tensorrt",
    kernels="onnxruntime-x86",
    stand_in="onnxruntime-as-written",
    engine=True,
    opset=20,
    activation=NumberFormat(signed=True, symmetric=True),
    weight=NumberFormat(signed=True, symmetric=True),
    rules=MappingProxyType(
        {
            "Conv": Rule(kernel=Kernel.CONV, weight=1, weight_axis=0, output=Output.OWN_SCALE_OR_FLOAT),
            "Gemm": Rule(kernel=Kernel.GEMM, weight=1, weight_axis=0, output=Output.OWN_SCALE_OR_FLOAT),
            "MatMul": Rule(kernel=Kernel.MATMUL, weight=1, weight_axis=1, output=Output.OWN_SCALE_OR_FLOAT),
            "Add": Rule(
                kernel=Kernel.ADD,
                activations=None,
                accumulates=frozenset({"Conv"}),
                constants=False,
                output=Output.OWN_SCALE_OR_FLOAT,
            ),
        }
    ),
    absorbed=frozenset({"Relu", "Clip"}),
    exact=False,
    clip=Clip.VALUES,
    unpacked_note="TensorRT takes no 4-bit weight beside INT8 activations; the numbers are those of so few bits, bytes "
    "and speed those of 8",
    block_note="NVIDIA's guide has TensorRT unpack them inside the product and multiply in float; such an engine "
    "builds, its speed is not measured",
)

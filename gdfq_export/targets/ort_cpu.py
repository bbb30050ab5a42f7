"""ONNX Runtime on CPUs: uint8 activations, int8 weights per output channel, int32 biases.

Exact on x86-64 with VNNI and on ARM64, with and without dot product, for two reasons (ONNX Runtime 1.32; Cortex-A53,
A72 and A76 emulated by qemu):

* No weight has the code -128. On ARM64 two of them in one output channel, beside activations of the code 0, overflow a
  sum of 16 bits: in every product on cores without dot product, in depthwise kernels of 5x5 and 7x7 on all.
* The scale of a sum is one with which the kernels of both families give the same code for every pair of codes
  (`simulator/kernel_sets/equal_sums.py`).

Measured (ONNX Runtime 1.32, AVX512-VNNI): this is the only combination of types that is both fully fused and fast; int8
activations run at a third of the speed, uint8 weights likewise, a float bias leaves Gemm in float, a missing weight
zero point too. The fused operators are those of the Q/DQ selectors in ONNX Runtime's
`qdq_selector_action_transformer.cc`; Pad and SpaceToDepth are not among them but run on uint8 as they are. It takes
AveragePool with dilations for one of them, and then refuses the file.

Weights below 8 bits: INT4 or, from opset 25 on, INT2 behind a Cast is int8 after loading, at no cost in speed. INT4
that DequantizeLinear reads is unpacked in every run and multiplied in float. A matrix product whose weights have a
scale a block becomes MatMulNBits, if nothing quantizes its activations and it is a MatMul.
"""

from __future__ import annotations

from types import MappingProxyType

from gdfq_export.targets.operator_traits import MOVES_ELEMENTS
from gdfq_export.targets.table import Kernel, NumberFormat, Output, Rule, Target

_MOVED = (
    "MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Resize", "DepthToSpace",
    "Tile", "Expand", "Gather", "GatherElements", "ReduceMax", "ReduceMin",
)  # fmt: skip
_MOVED_AS_CODES = ("Pad", "SpaceToDepth")

PAIRS_PASS = (MOVES_ELEMENTS | {"MaxPool", "Pad"}) - {"Flatten", "Split"}
"""Operators past which ONNX Runtime carries a Q/DQ pair: Pad because it becomes part of the convolution, neither
Flatten nor Split, at which its pass QDQPropagation stops (measured with version 1.32)."""

ORT_CPU = Target(
    name="ort-cpu",
    description="ONNX Runtime, x86-64 CPU with VNNI, ARM64 CPU",
    backend="onnxruntime",
    kernels="onnxruntime-x86",
    opset=21,
    activation=NumberFormat(signed=False, symmetric=False),
    weight=NumberFormat(signed=True, symmetric=True, lowest=-127, packed=(2, 4)),
    rules=MappingProxyType(
        {
            "Conv": Rule(kernel=Kernel.CONV, weight=1, weight_axis=0, bias=2),
            "Gemm": Rule(kernel=Kernel.GEMM, weight=1, weight_axis=0, bias=2, output=Output.OWN_SCALE_OR_FLOAT),
            "MatMul": Rule(kernel=Kernel.MATMUL, weight=1, weight_axis=1, output=Output.OWN_SCALE_OR_FLOAT),
            "Add": Rule(kernel=Kernel.ADD, activations=None),
            "Mul": Rule(kernel=Kernel.MUL, activations=None),
            "Concat": Rule(kernel=Kernel.CONCAT, activations=None),
            "AveragePool": Rule(kernel=Kernel.AVERAGE_POOL),
            "GlobalAveragePool": Rule(kernel=Kernel.GLOBAL_AVERAGE_POOL),
            "HardSigmoid": Rule(kernel=Kernel.HARD_SIGMOID, clips_codes=True),
            **dict.fromkeys(("LeakyRelu", "Sigmoid"), Rule(kernel=Kernel.LOOKUP)),
            "Softmax": Rule(kernel=Kernel.SOFTMAX),
            **dict.fromkeys(_MOVED, Rule(kernel=Kernel.MOVE, output=Output.INPUT_SCALE)),
            **dict.fromkeys(_MOVED_AS_CODES, Rule(kernel=Kernel.MOVE, output=Output.INPUT_SCALE, integer_form=True)),
        }
    ),
    products=MappingProxyType(
        {"MatMul": Rule(kernel=Kernel.MATMUL, activations=None, output=Output.OWN_SCALE_OR_FLOAT)}
    ),
    absorbed=frozenset({"Relu", "Clip"}),
    exact=True,
    equal_kernels=("onnxruntime-arm64",),
    fuses_pairs=True,
    wide=NumberFormat(signed=False, symmetric=False),
    wide_note="ONNX Runtime has no kernels for 16-bit codes on CPUs and computes such nodes in float between their "
    "pairs, with weights that it dequantizes in every run: measured on two convolutions of 32 channels and 56x56 "
    "pixels, 1.8 times the float network's time",
    native_note="ONNX Runtime unpacks them in every run and multiplies in float: measured on a ResNet-18, the file has "
    "0.7 of the float network's speed, a fifth of what INT4 behind a Cast has",
    block_note="ONNX Runtime multiplies them with MatMulNBits, which rounds activations to 8 bits by itself: "
    "measured on the three layers of VGG-16, blocks of 32 have 1.5 times the speed of INT8 for one image, 0.6 times "
    "for eight",
)

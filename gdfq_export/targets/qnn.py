"""Qualcomm's neural processor (HTP), through ONNX Runtime's QNN execution provider.

The provider hands a node to the processor together with the pairs around it, and a tensor has one scale and one zero
point there: what is read is what was written. So every operator that the processor computes on integers has a pair at
each input and at each output, those of the network among them, and nothing is dequantized with another scale.

Measured with onnxruntime-qnn 2.7 and Qualcomm's own simulation of the processor on x86-64, a network of one operator
each; the provider says which nodes it takes:

* An open size in the graph leaves all of it on the CPU, so that files take one image.
* A Gemm whose result is float stays on the CPU. One with a scale per channel is taken. A constant factor of MatMul has
  one scale, as ONNX Runtime's `get_qnn_qdq_config` writes it: older versions refuse more.
* The scale of a 16-bit Sigmoid or Tanh is fixed; with another one the results are wrong by more than 1.
* A Clip or Pad of codes, and what reads it, stays on the CPU. A Clip in front of QuantizeLinear is taken.
* INT4 weights are taken, as they are and behind a Cast.
* A convolution of 16-bit activations is wrong in channels whose activation scale times weight scale is less than 2**-24
  of the scale of the result, as those of dead channels are; their weight scales are raised.
* Convolutions, products and sums give the codes of ONNX's definition, at most one code apart; this is the numerics that
  the simulation computes.

`get_qnn_qdq_config` gives every operator pairs. Here those have none that the provider does not read together with
their pairs: it would compute them in float, and the pairs would only round.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

from gdfq_export.targets.ort_cpu import ORT_CPU
from gdfq_export.targets.table import Clip, Kernel, NumberFormat, Output, Rule

FIXED_SCALES = MappingProxyType(
    {
        ("Sigmoid", "UINT16"): (1 / 65536, 0),
        ("Sigmoid", "INT16"): (1 / 32768, 0),
        ("Tanh", "UINT16"): (1 / 32768, 32768),
        ("Tanh", "INT16"): (1 / 32768, 0),
    }
)
"""Scale and zero point by operator and type of its codes, as `get_qnn_qdq_config` writes them."""

_UNARY = (
    "Abs", "Atan", "Ceil", "Clip", "Cos", "Elu", "Exp", "Floor", "Gelu", "GlobalMaxPool", "HardSigmoid", "HardSwish",
    "Log", "LogSoftmax", "LpNormalization", "Neg", "ReduceMean", "ReduceSum", "Relu", "Round", "Sin", "Sqrt", "Tanh",
)  # fmt: skip
_BINARY = ("Div", "Max", "Min", "Pow", "PRelu", "Sub")

QNN = dataclasses.replace(
    ORT_CPU,
    name="qnn",
    description="Qualcomm HTP, ONNX Runtime's QNN provider",
    backend="qnn",
    stand_in="onnxruntime",
    batch=1,
    activation=dataclasses.replace(ORT_CPU.activation, smallest_range=1e-4),
    weight=dataclasses.replace(ORT_CPU.weight, packed=(4,)),
    wide=NumberFormat(signed=False, symmetric=False, smallest_range=1e-4),
    wide_note="the processor computes them on 16-bit codes; its speed is not measured, and ONNX Runtime's CPU provider "
    "computes them in float",
    smallest_multiplier=2.0**-23,
    fixed_grids=MappingProxyType({name: grid for (name, dtype), grid in FIXED_SCALES.items() if dtype == "UINT16"}),
    clip=Clip.VALUES,
    rules=MappingProxyType(
        {
            **dict.fromkeys(_UNARY, Rule(kernel=Kernel.BETWEEN_PAIRS)),
            **dict.fromkeys(_BINARY, Rule(kernel=Kernel.BETWEEN_PAIRS, activations=None)),
            **{operator: dataclasses.replace(rule, integer_form=False) for operator, rule in ORT_CPU.rules.items()},
            "Gemm": dataclasses.replace(ORT_CPU.rules["Gemm"], output=Output.OWN_SCALE),
            "MatMul": Rule(kernel=Kernel.MATMUL, activations=None),
            "HardSigmoid": Rule(kernel=Kernel.BETWEEN_PAIRS),
        }
    ),
    products={},
    equal_kernels=(),
    native_note="the processor multiplies INT4 weights as they are; its speed is not measured, and ONNX Runtime's CPU "
    "provider multiplies them in float",
    block_note="",
)

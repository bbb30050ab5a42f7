"""OpenVINO on CPUs: the numbers of `ort-cpu`, less the edge that OpenVINO does not quantize.

Measured (OpenVINO 2026.4, AVX512-VNNI): every form of 8-bit activations runs at the same speed, if weights are int8.
Where nothing but an Add reads a convolution, OpenVINO mostly adds inside the convolution, before anything is rounded,
and leaves out an 8-bit Q/DQ pair that stands between them; of two such convolutions it does so with the first. A file
with that pair computes other numbers than ONNX Runtime does with it, so here there is none. Sums are then float32 in an
order of its own, which moves a code where a value lies half-way between two: `exact` is false.

Swish, HardSwish and LeakyRelu are computed inside the layer in front, in float, if no pair stands between the two
(EfficientNet-B0 1.5 times as fast). Gates of squeeze-and-excite keep their pairs: in float, OpenVINO ended in a
segmentation fault on one of some hundred random networks.

Not mended here: OpenVINO 2026.4 joins small fully connected layers that follow one another into one kernel, which now
and then reads memory that nobody has written; the report warns where answers are not the simulated ones. An AveragePool
that counts its padding pads with the code 0, whatever the zero point; behind a Relu the zero point is 0 and all is
well. INT2 is a type that OpenVINO does not load.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

from gdfq_export.targets.ort_cpu import ORT_CPU

__all__ = ["OPENVINO"]

OPENVINO = dataclasses.replace(
    ORT_CPU,
    name="openvino",
    description="OpenVINO, x86-64 CPU",
    backend="openvino",
    rules=MappingProxyType(
        {
            **ORT_CPU.rules,
            "Add": dataclasses.replace(ORT_CPU.rules["Add"], accumulates=frozenset({"Conv"})),
        }
    ),
    exact=False,
    weight=dataclasses.replace(ORT_CPU.weight, packed=(4,)),
    native_note="OpenVINO multiplies them in float: measured on a ResNet-18, the file has the float network's speed, a "
    "third of what INT4 behind a Cast has",
    block_note="OpenVINO multiplies them in float as it unpacks them: measured on the three layers of VGG-16, "
    "blocks of 32 have twice the speed of INT8",
    inside_layers=frozenset({"Sigmoid", "HardSigmoid", "LeakyRelu"}),
)

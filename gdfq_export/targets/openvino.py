"""OpenVINO on CPUs: the numbers of `ort-cpu`, less the edge that OpenVINO does not quantize.

Measured (OpenVINO 2026.4, AVX512-VNNI): every form of 8-bit activations runs at the same speed, if weights are int8.
Where nothing but an Add reads a convolution, OpenVINO mostly adds inside the convolution, before anything is rounded,
and leaves out an 8-bit Q/DQ pair that stands between them; of two such convolutions it does so with the first. A file
with that pair computes other numbers than ONNX Runtime does with it, so here there is none. Sums are then float32 in an
order of its own, which moves a code where a value lies half-way between two: `exact` is false.

Left for later: with Swish, LeakyRelu and gates in float between a layer and the next pair, OpenVINO computes them
inside the layer in front, and EfficientNet-B0 runs 1.5 times as fast; but then it ended in a segmentation fault on one
of some hundred random networks, which has to be understood first.

Not mended here: OpenVINO 2026.4 joins small fully connected layers that follow one another into one kernel, which now
and then reads memory that nobody has written; the report warns where answers are not the simulated ones. An AveragePool
that counts its padding pads with the code 0, whatever the zero point; behind a Relu the zero point is 0 and all is
well.
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
    inside_layers=frozenset({"Sigmoid", "HardSigmoid", "LeakyRelu"}),
)

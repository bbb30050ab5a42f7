"""ONNX Runtime on every x86-64 and ARM64 CPU: `ort-cpu` with weights of seven bits.

Without VNNI a product of uint8 and int8 is `vpmaddubsw` (Intel's instruction reference): two products are added in 16
bits and saturate, so that large weights beside large activations give wrong sums. With codes from -64 to 63 two
products reach 2 * 255 * 64 = 32,640 at most, which int16 holds: every sum is exact, on any CPU, at the same speed.
ONNX Runtime's alternative, `session.x64quantprecision`, is slower and is an option of the session that runs the file.
The scale of a sum is one with which the kernels without fused multiply-add (CPUs older than AVX2) agree as well.
"""

from __future__ import annotations

import dataclasses

from gdfq_export.targets.ort_cpu import ORT_CPU

ORT_CPU_AVX2 = dataclasses.replace(
    ORT_CPU,
    name="ort-cpu-avx2",
    description="ONNX Runtime, every x86-64 and ARM64 CPU",
    equal_kernels=(*ORT_CPU.equal_kernels, "onnxruntime-sse"),
    weight=dataclasses.replace(ORT_CPU.weight, most_bits=7),
)

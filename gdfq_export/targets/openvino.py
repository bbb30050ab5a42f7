"""OpenVINO on CPUs: the numbers of `ort-cpu`, and what OpenVINO computes inside a layer.

Measured (OpenVINO 2026.4, AVX512-VNNI): every form of 8-bit activations runs at the same speed, if weights are int8.

An Add behind a convolution is computed inside it only where the other summand may be overwritten and an 8-bit Q/DQ pair
is between the two (ResNet-50 1.1 times as fast). Of that pair OpenVINO keeps the limits and drops the rounding ("drop
rounding one special residual pattern" in its CPU plugin). The simulation does the same, and since nothing is rounded
the range is twice the calibrated one. Where the sum is not computed inside there is no pair: OpenVINO would round.
`planning/placement/fused_add.py` has the rules; 1,375 random networks with 1,166 such pairs gave the simulated codes.
OpenVINO adds float32 numbers in another order, which moves a code where a value is half-way
between two: `exact` is false.

Swish, HardSwish, LeakyRelu and the gates of squeeze-and-excite are computed inside the layer in front, in float, if no
pair stands between the two (EfficientNet-B0 1.5 times as fast). A HardSigmoid must be spelled with a Clip for that:
ONNX's own is computed by a kernel of its own in another layout, in which OpenVINO once ended in a segmentation fault.

A DepthToSpace moves codes and stands between QuantizeLinear and DequantizeLinear. OpenVINO moves a DequantizeLinear in
front of it behind it, and throws if that came out of a Concat whose parts it gave one zero point, which is not 0. Both
forms have the same speed (a text detector of 320x320, half the float network's time).

OpenVINO 2026.4 joins fully connected layers that follow one another into one kernel. If the first has no bias, or the
same for all outputs, and reads codes whose zero point is not 0, the answers are wrong, up to 1e31. Such a layer stays
float, whatever its zero point: that is not known when kernels are chosen.

An AveragePool that counts its padding pads with the code 0, whatever the zero point: where that is not 0, the codes are
padded in front of it.

The mean of codes over an axis of a tensor of three axes is wrong where its result is float or the zero point of the
codes is not 0, and more than 64 bytes long (numbers near 1e35 among the answers): a pool of signals is written as one
of images, which is right. Other means and sums are not written so, and `inspect` names them.

Where a convolution and a fully connected layer of as many outputs read one tensor of zero points, both run in float,
and so do all others that read it (in a ViT the patches, all projections and every second layer of the MLPs): weights of
another rank or axis have zero points of their own.

Not fixed here: a Clip in float behind codes of fewer than 8 bits is now and then computed with other
limits. INT2 is a type that OpenVINO does not load.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

from gdfq_export.targets.ort_cpu import ORT_CPU

BIAS_IN_FRONT_OF = frozenset({"Gemm"})

OPENVINO = dataclasses.replace(
    ORT_CPU,
    name="openvino",
    description="OpenVINO, x86-64 CPU",
    backend="openvino",
    rules=MappingProxyType(
        {
            **{operator: rule for operator, rule in ORT_CPU.rules.items() if operator != "Softmax"},
            "DepthToSpace": dataclasses.replace(ORT_CPU.rules["DepthToSpace"], integer_form=True),
            "Gemm": dataclasses.replace(ORT_CPU.rules["Gemm"], bias_in_front_of=BIAS_IN_FRONT_OF),
            "HardSigmoid": dataclasses.replace(ORT_CPU.rules["HardSigmoid"], clips_codes=False),
            "Add": dataclasses.replace(ORT_CPU.rules["Add"], accumulates=frozenset({"Conv"}), overwrites=True),
        }
    ),
    products={},
    exact=False,
    equal_kernels=(),
    fuses_pairs=False,
    wide=None,
    wide_note="",
    weight=dataclasses.replace(ORT_CPU.weight, lowest=-128, packed=(4,)),
    native_note="OpenVINO multiplies them in float: measured on a ResNet-18, the file has the float network's speed, a "
    "third of what INT4 behind a Cast has",
    block_note="OpenVINO multiplies them in float as it unpacks them: measured on the three layers of VGG-16, "
    "blocks of 32 have twice the speed of INT8",
    inside_layers=frozenset({"Sigmoid", "HardSigmoid", "LeakyRelu"}),
    hard_sigmoid_as_clip=True,
    padded_codes=True,
    signal_pools_as_images=True,
    zero_points_by_shape=True,
)

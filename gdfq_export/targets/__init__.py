"""Runtimes as frozen tables."""

from __future__ import annotations

from gdfq_export.errors import InputError
from gdfq_export.targets.block_rules import BLOCK_BITS, BLOCK_RULES
from gdfq_export.targets.openvino import OPENVINO
from gdfq_export.targets.ort_cpu import ORT_CPU
from gdfq_export.targets.ort_cpu_avx2 import ORT_CPU_AVX2
from gdfq_export.targets.portable import PORTABLE
from gdfq_export.targets.qnn import QNN
from gdfq_export.targets.table import Clip, Kernel, NumberFormat, Output, Rule, Target
from gdfq_export.targets.tensorrt import TENSORRT

TARGETS: dict[str, Target] = {
    target.name: target for target in (ORT_CPU, ORT_CPU_AVX2, OPENVINO, TENSORRT, QNN, PORTABLE)
}

_OTHER_NAMES = {
    "onnxruntime": "ort-cpu",
    "ort": "ort-cpu",
    "ort-arm64": "ort-cpu",
    "ort-every-cpu": "ort-cpu-avx2",
    "ov": "openvino",
    "htp": "qnn",
    "trt": "tensorrt",
    "tensorrt-rtx": "tensorrt",
}


def find_target(name: str) -> Target:
    """The table called `name`, or by another usual name of its runtime, such as `trt`.

    Raises:
        InputError: there is none; the message lists what there is.
    """
    try:
        return TARGETS[_OTHER_NAMES.get(name.lower(), name)]
    except KeyError:
        raise InputError(f"unknown target {name!r}; choose one of: {', '.join(sorted(TARGETS))}") from None

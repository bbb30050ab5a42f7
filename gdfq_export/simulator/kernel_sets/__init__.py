"""Integer kernels by runtime and CPU family; a target names its set in `Target.kernels`.

To add one: a file here that emulates its kernels and ends in a `KernelSet`, an entry in `KERNEL_SETS`, and a test that
compares each function with the runtime on that CPU, as `tests/simulator/kernel_sets/test_emulated_cpus.py` does.
"""

from __future__ import annotations

from gdfq_export.simulator.kernel_sets.kernel_set import KernelSet
from gdfq_export.simulator.kernel_sets.onnxruntime_arm64 import ONNXRUNTIME_ARM64
from gdfq_export.simulator.kernel_sets.onnxruntime_sse import ONNXRUNTIME_SSE
from gdfq_export.simulator.kernel_sets.onnxruntime_x86 import ONNXRUNTIME_X86

KERNEL_SETS: dict[str, KernelSet] = {
    kernels.name: kernels for kernels in (ONNXRUNTIME_X86, ONNXRUNTIME_SSE, ONNXRUNTIME_ARM64)
}

"""What torch computes with, as far as it decides bytes: device, threads, and the CPU's instruction set.

A sum of floats depends on the order of its summands, and that on the number of threads and on the width of the CPU's
vectors. A run is repeated to the byte where all of these are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gdfq_export.runtimes.environment.machine import this_machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Computing:
    """What images and tuned weights were computed with.

    Attributes:
        device: `cpu`, or the name of the GPU.
        threads: torch's on the CPU.
        cpu: name of the CPU.
        instruction_set: that torch's kernels use: `AVX512`, `AVX2`, `DEFAULT`, ...
    """

    device: str
    threads: int
    cpu: str
    instruction_set: str


def computing_on(device: str) -> Computing:
    """What is computed with now, on the torch device `cpu` or `cuda`."""
    return Computing(
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        cpu=this_machine().cpu,
        instruction_set=torch.backends.cpu.get_cpu_capability(),
    )

"""Every target names a kernel set that exists."""

from __future__ import annotations

from gdfq_export.simulator.kernel_sets import KERNEL_SETS
from gdfq_export.targets import TARGETS


def test_every_target_names_a_kernel_set() -> None:
    assert {target.kernels for target in TARGETS.values()} <= set(KERNEL_SETS)
    assert all(name == kernels.name for name, kernels in KERNEL_SETS.items())

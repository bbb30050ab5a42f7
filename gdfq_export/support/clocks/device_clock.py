"""Time as the device has it: work on a GPU is queued, so a clock that is read at once measures how fast it is queued.

Where torch has begun to use a GPU, every reading first waits until all that was queued is done. Nothing reads such a
clock within a step of a training.
"""

from __future__ import annotations

import sys
import time


def wait_for_device() -> None:
    """Wait until all that was queued on a GPU is done; without one that is in use, return at once."""
    torch = sys.modules.get("torch")  # before it is imported, nothing is queued
    if torch is not None and torch.cuda.is_initialized():
        torch.accelerator.synchronize()


def monotonic() -> float:
    """`time.monotonic()`, seconds, once the device is done."""
    wait_for_device()
    return time.monotonic()


def seconds_now() -> float:
    """`time.perf_counter()`, seconds, once the device is done."""
    wait_for_device()
    return time.perf_counter()

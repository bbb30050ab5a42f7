"""The processes that a launcher has started: torchrun, or whatever sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.

Each GPU has one process, which takes the device of its LOCAL_RANK. Tensors are gathered through NCCL between GPUs and
through gloo between CPUs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from calib.parallel.processes import ALONE, Processes, Value

_PATIENCE = timedelta(hours=12)  # one process may measure while others wait; one that ended is noticed at once


def processes_started() -> int:
    """How many processes the launcher has started, by the environment; 1 without a launcher."""
    size = os.environ.get("WORLD_SIZE", "1")
    return int(size) if size.isdecimal() and "RANK" in os.environ else 1


def launched() -> Processes:
    """Join the processes of the launcher; a single process without one.

    On a machine with GPUs, the current CUDA device becomes that of LOCAL_RANK.
    """
    if processes_started() == 1:
        return ALONE
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE
        )
    return LaunchedProcesses()


class LaunchedProcesses(Processes):
    """The processes of torch's default process group."""

    def __init__(self) -> None:
        self.rank = torch.distributed.get_rank()
        self.size = torch.distributed.get_world_size()

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, of one shape, in the order of their ranks."""
        own = tensor.detach().contiguous()
        parts = [torch.empty_like(own) for _ in range(self.size)]
        torch.distributed.all_gather(parts, own)
        return parts

    def from_first(self, compute: Callable[[], Value]) -> Value:
        """What `compute` gives in the first process, in all of them; the others wait for it."""
        value: list[Any] = [compute() if self.first else None]
        torch.distributed.broadcast_object_list(value, src=0)
        result: Value = value[0]
        return result

    def all_of(self, value: Any) -> list[Any]:
        """A value of each process, of any kind, in the order of their ranks."""
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values

"""The processes that a launcher has started: torchrun, or whatever sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.

Each GPU has one process, which takes the device of its LOCAL_RANK. Tensors are gathered through NCCL between GPUs and
through gloo between CPUs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from calib.errors import ProcessLost
from calib.parallel.processes import ALONE, Processes, Value

Done = TypeVar("Done")
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
    store, rank, size = next(rendezvous("env://", timeout=_PATIENCE))
    return LaunchedProcesses(store, rank, size)


class LaunchedProcesses(Processes):
    """The processes that meet at a store, in torch's default process group.

    Args:
        store: a key-value store that all of them reach.
        rank: number of this process.
        size: how many there are.
    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self._store = store
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE)

    def first_to_fail(self) -> bool:
        """Whether no other process has told of a failure; asked once, by one that is about to tell."""
        try:
            return int(self._store.add("failures", 1)) == 1
        except RuntimeError:  # the process that kept the store has ended
            return False

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, of one shape, in the order of their ranks."""
        own = tensor.detach().contiguous()
        parts = [torch.empty_like(own) for _ in range(self.size)]
        _with_others(lambda: torch.distributed.all_gather(parts, own))
        return parts

    def from_first(self, compute: Callable[[], Value]) -> Value:
        """What `compute` gives in the first process, in all of them; the others wait for it."""
        value: list[Any] = [compute() if self.first else None]
        _with_others(lambda: torch.distributed.broadcast_object_list(value, src=0))
        result: Value = value[0]
        return result

    def all_of(self, value: Any) -> list[Any]:
        """A value of each process, of any kind, in the order of their ranks."""
        values: list[Any] = [None] * self.size
        _with_others(lambda: torch.distributed.all_gather_object(values, value))
        return values

    def after_first(self, compute: Callable[[], Value]) -> Value:
        """What `compute` gives in each process; the others begin when the first one has ended, as with a download."""
        found = compute() if self.first else None
        self.all_of(None)
        return compute() if found is None else found


def _with_others(work: Callable[[], Done]) -> Done:
    """Do what takes all processes.

    Raises:
        ProcessLost: one of them has ended.
    """
    try:
        return work()
    except RuntimeError as error:
        raise ProcessLost from error

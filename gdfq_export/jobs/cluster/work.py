"""Pieces of work, where they run, and what comes back of each."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_BASE_MEMORY = 1.0e9  # bytes of a worker that has imported everything and holds a small network
_MEMORY_BY_SIZE = 30.0  # bytes for each byte of a network's file: weights, gradients, graphs, sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where work runs.

    Attributes:
        workers: processes of this machine; 1 is this process itself, None as many as cores and memory allow.
        scheduler: address of a Dask scheduler (`tcp://host:8786`) in place of workers here, or its JSON file.
        retries: how often work is begun again that a defect ended.
    """

    workers: int | None = None
    scheduler: str | None = None
    retries: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One piece of work.

    Attributes:
        key: of its own; Dask shows it.
        argument: what the function is called with; it is pickled where a cluster runs it.
        shared: what it has in common with other pieces, for instance its network; workers that have had it are
            preferred.
        memory: bytes that it needs.
        cores: that it computes with.
    """

    key: str
    argument: Any
    shared: str = ""
    memory: float = _BASE_MEMORY
    cores: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a piece of work: its `value`, or the `error` that ended it on every try."""

    work: Work
    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """What is done on workers, both found by importing their module.

    Attributes:
        run: gives the value of an argument.
        prepare: brings what the argument shares with others to the worker; what it raises is left to `run`.
    """

    run: Callable[[Any], Any]
    prepare: Callable[[Any], Any]


def memory_for(file_bytes: int) -> float:
    """Bytes of memory that quantizing a network of so many bytes takes, roughly.

    >>> memory_for(100_000_000)
    4000000000.0
    """
    return _BASE_MEMORY + _MEMORY_BY_SIZE * file_bytes


def local_workers(work: Sequence[Work], asked: int | None) -> int:
    """How many processes of this machine: as asked for, else by cores and free memory; no more than there is work."""
    if asked is not None:
        return max(1, min(asked, len(work)))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most_cores = max((each.cores for each in work), default=1)
    most_memory = max((each.memory for each in work), default=_BASE_MEMORY)
    fitting = min(cores / most_cores, free_memory() / most_memory)
    return max(1, min(math.floor(fitting), len(work)))


def free_memory() -> float:
    """Bytes of memory that are free on this machine; without end where that is not known."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            facts = dict(line.split(":", 1) for line in lines)
        return 1024.0 * int(facts["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return math.inf

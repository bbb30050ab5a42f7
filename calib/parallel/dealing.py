"""Pieces of work that do not need each other, dealt to processes; the results are those of one process, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from calib.checkpoints.checkpoint import Checkpoint, NoCheckpoint
from calib.parallel.processes import Processes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pieces:
    """Pieces of work that draw from one random stream, each where the piece before it has left it.

    Attributes:
        do: gives the result of a piece by its number, on the CPU; keeps its state in the checkpoint.
        skip: draws from the random stream what a piece would draw.
        random: the stream.
        checkpoint: of a piece by its number.
    """

    do: Callable[[int, Checkpoint], Tensor]
    skip: Callable[[int], None]
    random: torch.Generator
    checkpoint: Callable[[int], Checkpoint]


def deal(processes: Processes, count: int, pieces: Pieces) -> list[Tensor]:
    """The results of `count` pieces, in their order, in every process; process i modulo their number does piece i.

    What several processes have done is kept when all of a round are done, one piece for each process.
    """
    if processes.size == 1:
        return [pieces.do(number, pieces.checkpoint(number)) for number in range(count)]
    results: list[Tensor] = []
    for start in range(0, count, processes.size):
        results += _round(processes, range(start, min(count, start + processes.size)), pieces)
    return results


def rounds(processes: Processes, count: int) -> int:
    """How many pieces one process does after another."""
    return -(-count // processes.size)


def _round(processes: Processes, numbers: range, pieces: Pieces) -> list[Tensor]:
    kept = [pieces.checkpoint(number).load() for number in numbers]
    own: Tensor | None = None
    states = []
    for rank, (number, known) in enumerate(zip(numbers, kept, strict=True)):
        if known is not None:
            pieces.random.set_state(known["random"])
        elif rank == processes.rank:
            own = pieces.do(number, NoCheckpoint())
        else:
            pieces.skip(number)
        states.append(pieces.random.get_state())
    found = processes.all_of(own)
    results: list[Tensor] = []
    for number, known, state, result in zip(numbers, kept, states, found[: len(numbers)], strict=True):
        if known is None:
            pieces.checkpoint(number).finish(partial(dict, images=result, random=state))
        results.append(result if known is None else known["images"])
    return results

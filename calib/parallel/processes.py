"""The processes of one run, all of which hold the same state and work on different parts of the same batches.

Every process draws the same random numbers for a whole batch and takes its share of it. What the processes find is
gathered in their order and combined by the same operations everywhere, so that their states stay the same and the
result does not depend on which of them was faster. A single process has everything: its share of a batch is the batch,
and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

Value = TypeVar("Value")
_ROWS_AT_ONCE = 48
_FEWEST_ROWS = 128  # of a product that is worth sharing


class Processes:
    """The processes of one run; this class is a run of a single one, `launched.py` has those of several.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.

    Example:
        >>> import torch
        >>> from calib.parallel.processes import ALONE
        >>> share = ALONE.share(3)
        >>> share.take(torch.arange(3)).tolist(), share.gather(torch.arange(3)).tolist()
        ([0, 1, 2], [0, 1, 2])
    """

    rank = 0
    size = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, prints and measures."""
        return self.rank == 0

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, of one shape, in the order of their ranks."""
        return [tensor]

    def from_first(self, compute: Callable[[], Value]) -> Value:
        """What `compute` gives in the first process, in all of them; the others wait for it."""
        return compute()

    def after_first(self, compute: Callable[[], Value]) -> Value:
        """What `compute` gives in each process; the others begin when the first one has ended, as with a download."""
        return compute()

    def first_to_fail(self) -> bool:
        """Whether no other process has told of a failure; asked once, by one that is about to tell."""
        return True

    def all_of(self, value: Any) -> list[Any]:
        """A value of each process, of any kind, in the order of their ranks."""
        return [value]

    def share(self, count: int) -> Share:
        """This process's share of `count` images, which are dealt one by one; all, where there are too few to share."""
        if count < self.size:
            return ALONE.share(count)
        return Share(processes=self, owners=torch.arange(count) % self.size)

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, added in the order of their ranks."""
        parts = self.gather(tensor)
        return tensor if self.size == 1 else torch.stack(parts).sum(dim=0)

    def product(self, one: Tensor, other: Tensor) -> Tensor:
        """The product of matrices [groups, M, K] and [groups, K, N] that all processes have, each computing some rows.

        Rows are dealt in blocks of a multiple of what kernels of matrix products compute at once, so that on most CPUs
        the result is the same to the bit for any number of processes.
        """
        rows = one.shape[1]
        if self.size == 1 or rows < _FEWEST_ROWS:
            return one @ other
        each = -(-rows // (_ROWS_AT_ONCE * self.size)) * _ROWS_AT_ONCE
        own = one[:, self.rank * each : (self.rank + 1) * each] @ other
        padded = functional.pad(own, (0, 0, 0, each - own.shape[1]))
        return torch.cat(self.gather(padded), dim=1)[:, :rows]

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Give each parameter the sum of the gradients that the processes have for it."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.total(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, total in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(total.reshape(gradient.shape))


ALONE = Processes()


@dataclass(frozen=True, kw_only=True, eq=False)
class Share:
    """What one of the processes has of the rows of a tensor.

    Attributes:
        processes: those that share.
        owners: int64 [count], the rank that has each row.
    """

    processes: Processes
    owners: Tensor

    def __len__(self) -> int:
        """How many rows all processes have together."""
        return len(self.owners)

    @cached_property
    def rows(self) -> Tensor:
        """The rows of this process, int64, ascending."""
        return torch.nonzero(self.owners == self.processes.rank).flatten()

    def _at(self, rank: int, device: torch.device) -> slice | Tensor:
        """Where a process has its rows; a slice where it can be, which sends nothing to a GPU."""
        rows = torch.nonzero(self.owners == rank).flatten()
        if len(rows) == len(range(rank, len(self), self.processes.size)) and bool(
            (rows == torch.arange(rank, len(self), self.processes.size)).all()
        ):
            return slice(rank, None, self.processes.size)
        return rows.to(device)

    @cached_property
    def weight(self) -> float:
        """This process's part of the whole."""
        return len(self.rows) / len(self.owners)

    @property
    def _alone(self) -> bool:
        return self.processes.size == 1

    def take(self, whole: Tensor) -> Tensor:
        """The rows of this process, of a tensor [count, ...] that every process has whole."""
        return whole if self._alone else whole[self._at(self.processes.rank, whole.device)]

    def of_length(self, rows: int) -> Share:
        """The share of a value of which this process has `rows` rows: the same number for every image."""
        if self._alone:
            return self if rows == len(self) else Share(processes=self.processes, owners=torch.zeros(rows).long())
        each, rest = divmod(rows, len(self.rows)) if len(self.rows) else (1, rows)
        assert rest == 0, "a value does not have the same number of rows for every image"
        return self if each == 1 else Share(processes=self.processes, owners=self.owners.repeat_interleave(each))

    def part(self, start: int, stop: int) -> tuple[Share, slice]:
        """The share of the rows from `start` up to `stop`, and where this process has them among its own."""
        part = Share(processes=self.processes, owners=self.owners[start:stop])
        if self._alone:
            return part, slice(start, stop)
        low, high = torch.searchsorted(self.rows, torch.tensor([start, stop])).tolist()
        return part, slice(low, high)

    def gather(self, own: Tensor) -> Tensor:
        """All rows, in their order and in the memory format of `own`, the rows of this process; without gradients."""
        if self._alone:
            return own
        most = int(torch.bincount(self.owners, minlength=self.processes.size).max())
        padded = own.new_zeros((most, *own.shape[1:]))
        padded[: len(own)] = own.detach()
        whole = own.new_empty((len(self), *own.shape[1:]))
        if own.dim() == 4 and own.is_contiguous(memory_format=torch.channels_last) and not own.is_contiguous():
            whole = whole.contiguous(memory_format=torch.channels_last)
        for rank, part in enumerate(self.processes.gather(padded)):
            whole[self._at(rank, own.device)] = part[: int((self.owners == rank).sum())]
        return whole

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, added in the order of their ranks."""
        return self.processes.total(tensor)

    def mean(self, own: Tensor) -> Tensor:
        """Means over all rows, of means over the rows of this process (NaN where it has none)."""
        return own if self._alone else self.total(own.nan_to_num() * self.weight)

    def normal(self, shape: Sequence[int], random: torch.Generator) -> Tensor:
        """Normal numbers for this process's rows of `shape` [rows, ...], drawn on the CPU for all rows."""
        return self.take(torch.randn((len(self), *shape[1:]), generator=random))

"""A stand-in for a GPU: torch's meta device, on which nothing is computed, with a count of what a GPU would wait for.

Work on a GPU is queued. Reading a number from it, copying from it, and copying usual memory to it waits until all that
was queued is done; so do operators whose result's shape depends on values. All of them are counted here. What is read
is 1, so that a training goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

DEVICE = "meta"
_SHAPED_BY_VALUES = frozenset(
    {"_linalg_check_errors", "_unique2", "bincount", "equal", "histc", "masked_select", "nonzero", "unique_dim"}
)


class StandInGpu(TorchDispatchMode):
    """Inside the block the meta device can be computed on like a GPU.

    Attributes:
        waits: how often the host would have waited, by reason.
        sent: tensors that were copied to the device without waiting.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self.sent = 0

    @property
    def count(self) -> int:
        """How often the host would have waited."""
        return self.waits.total()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Compute on the CPU, or let the meta device pretend, and count."""
        given = dict(kwargs or {})
        name = func.overloadpacket.__name__
        if name == "is_pinned":
            return False
        if name == "_pin_memory":
            return args[0].clone()
        on_device = any(tensor.is_meta for tensor in _tensors((args, given)))
        target = None if given.get("device") is None else torch.device(given["device"]).type
        if name == "_to_copy" and target == "cpu" and on_device:
            self.waits["copied to the host"] += 1
            return torch.ones(args[0].shape, dtype=given.get("dtype") or args[0].dtype)
        if name == "_to_copy" and target == DEVICE and not on_device:
            if given.get("non_blocking"):
                self.sent += 1
            else:
                self.waits["copied from usual memory"] += 1
        if name == "copy_" and args[0].is_meta != args[1].is_meta:
            self.waits["copied between the devices"] += 1
            return args[0]
        if on_device and name == "_local_scalar_dense":
            self.waits["a number was read"] += 1
            return 1.0 if args[0].is_floating_point() else 1
        if on_device and name in _SHAPED_BY_VALUES:
            self.waits[name] += 1
        if on_device and name == "bincount":  # torch has none for the meta device
            return torch.ones(given.get("minlength", 0) or args[-1], dtype=torch.int64, device=DEVICE)
        if name.startswith("index") and any(each.dtype == torch.bool for each in _tensors(args[1:])):
            self.waits["indexed by a mask"] += 1
        return func(*args, **given)


def _tensors(values: Any) -> Iterator[Tensor]:
    return (each for each in tree_flatten(values)[0] if isinstance(each, Tensor))

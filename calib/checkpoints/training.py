"""The state of a training: network or pixels, optimizer, schedule, and the random stream it draws from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from calib.checkpoints.checkpoint import State


class Stateful(Protocol):
    """What torch's modules, optimizers and schedules have in common."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """The inverse of `state_dict`."""
        ...


class Training:
    """Takes the state of everything that a training changes, and puts it back.

    Args:
        parts: by name; an optimizer or its schedule is put back after the parameters that it changes.
        random: the stream that the training draws from.

    Example:
        >>> import torch
        >>> layer, random = torch.nn.Linear(2, 2), torch.Generator()
        >>> training = Training({"network": layer}, random)
        >>> before = training.state(step=3)
        >>> _ = torch.rand(1, generator=random)
        >>> training.restore(before)
        3
    """

    def __init__(self, parts: Mapping[str, Stateful], random: torch.Generator) -> None:
        self._parts = dict(parts)
        self._random = random

    def state(self, step: int, **more: Any) -> State:
        """The state after `step` steps, with `more` beside it; its tensors are those of the training, not copies."""
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        return {"step": step, "random": self._random.get_state(), **parts, **more}

    def restore(self, state: State) -> int:
        """Put a state back; returns the number of its steps."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        self._random.set_state(state["random"])
        return int(state["step"])

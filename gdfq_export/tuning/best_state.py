"""The best state of a network while it is trained, so that more steps never leave a worse one."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gdfq_export.simulator import Simulator

_NEAR = 1.02  # times the least error: closer, a few images do not tell two states apart


class BestState:
    """Holds a copy of the parameters with the least error so far.

    Args:
        simulator: as it is before training.
        error: of this state, on images that are not trained on.

    Attributes:
        start: the error before training.
        error: the least so far.
        step: after how many steps it was; 0: before training.
    """

    def __init__(self, simulator: Simulator, error: float) -> None:
        self._network = simulator.network
        self.start = self.error = error
        self.step = 0
        self._state = self._copy()

    def state_dict(self) -> dict[str, Any]:
        """Everything, as a checkpoint keeps it."""
        return {"start": self.start, "error": self.error, "step": self.step, "network": self._state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.start, self.error, self.step = (state_dict[name] for name in ("start", "error", "step"))
        self._state = state_dict["network"]

    def offer(self, error: float, step: int) -> None:
        """Keep the state as it is now, after `step` steps, where its error is the least so far."""
        if error < self.error:
            self.error, self.step, self._state = error, step, self._copy()

    def settle(self, error: float, step: int) -> int:
        """Leave the last state where it is the best or near it, else bring the best one back.

        Args:
            error: of the last state.
            step: its number.

        Returns:
            The number of the state that the network now has.
        """
        if error < self.start and error <= _NEAR * self.error:
            return step
        self._network.load_state_dict(self._state)
        return self.step

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._network.state_dict().items()}

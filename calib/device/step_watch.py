"""Looking at the figures of a training's steps.

On a CPU a look costs nothing, and there is one after each step. Elsewhere a look waits for the device, which then has
nothing to do until the next step is queued: there is one after each 25th step and after the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from calib.device.transfer import Device, is_accelerator

STEPS_BETWEEN_LOOKS = 25
_FEWEST_LOOKS = 4

Report = Callable[[int, Mapping[str, float]], None]
"""Called with the steps done and the figures of the last one by name."""


class StepWatch:
    """Looks at the losses of all steps and at the other figures of some.

    Args:
        steps: of the training; a short one is looked at more often.
        device: where it runs.
        report: told the figures of a step at each look; None: nobody.
        diverged: makes the message of the error from the number of the step whose loss is not finite; None: such losses
            are let pass.

    Example:
        >>> import torch
        >>> watch = StepWatch(2, "cpu", lambda done, figures: print(done, figures))
        >>> for step in (1, 2):
        ...     losses = watch.step(step, {"loss": torch.tensor(0.5)}, last=step == 2)
        1 {'loss': 0.5}
        2 {'loss': 0.5}
    """

    def __init__(
        self,
        steps: int,
        device: Device,
        report: Report | None = None,
        *,
        diverged: Callable[[int], str] | None = None,
    ) -> None:
        longest = max(1, min(STEPS_BETWEEN_LOOKS, steps // _FEWEST_LOOKS))
        self._every = longest if is_accelerator(device) else 1
        self._report = report
        self._diverged = diverged
        self._losses: list[Tensor] = []

    def due(self, done: int) -> bool:
        """Whether there is a look after `done` steps, whichever is the last."""
        return done % self._every == 0

    def step(self, done: int, figures: Mapping[str, Tensor], *, last: bool) -> list[float]:
        """Note a step's figures, scalars by name, `loss` among them.

        Args:
            done: number of the step, from 1.
            figures: on the device.
            last: no step follows, so that there is a look.

        Returns:
            The losses since the look before, where there is one now; else nothing.

        Raises:
            FloatingPointError: a loss is NaN or infinite.
        """
        self._losses.append(figures["loss"].detach())
        if not (last or self.due(done)):
            return []
        shown = [] if self._report is None else [figure.detach() for figure in figures.values()]
        numbers = torch.stack([number.double() for number in (*self._losses, *shown)]).tolist()
        losses, values = numbers[: len(self._losses)], numbers[len(self._losses) :]
        self._losses = []
        if self._diverged is not None:
            for number, loss in enumerate(losses, start=done - len(losses) + 1):
                if not math.isfinite(loss):
                    raise FloatingPointError(self._diverged(number))
        if self._report is not None:
            self._report(done, dict(zip(figures, values, strict=True)))
        return losses

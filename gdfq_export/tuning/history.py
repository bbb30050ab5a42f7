"""Accuracy over time while a network is tuned: figures on held-out images, and when they were taken."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from torch import Tensor

from calib.checkpoints.checkpoint import State
from gdfq_export.simulator import Simulator
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.support.progress import Progress
from gdfq_export.support.text import counted
from gdfq_export.tuning.held_out import HeldOutFigures, HeldOutImages

_NAME = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedTuning:
    """What a run with a time budget brings to tuning.

    Attributes:
        clock: of the run; any step may ask it for its share.
        held_out: images `[N, C, H, W]` that nothing is tuned on; None where there are no more images than are needed.
    """

    clock: BudgetClock
    held_out: Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningPoint:
    """Figures of one moment.

    Attributes:
        seconds: since the run began.
        phase: that had just ended, or was under way.
        step: of fine-tuning; 0 in other phases.
        figures: on the held-out images.
        kept: whether the file has this state.
    """

    seconds: float
    phase: str
    step: int
    figures: HeldOutFigures
    kept: bool = False


class TuningHistory:
    """The points of a run, each shown as it is taken.

    Args:
        clock: of the run.
        held_out: images `[N, C, H, W]` that nothing is tuned on.
        reference: the float network.
        progress: where points are shown.

    Attributes:
        points: in the order of time; those whose error is no finite number are left out.
    """

    def __init__(self, clock: BudgetClock, held_out: Tensor, *, reference: Simulator, progress: Progress) -> None:
        self._clock = clock
        self._images = HeldOutImages(held_out, reference)
        self._progress = progress
        self.points = _points(progress.checkpoints.of(_NAME).kept())

    @property
    def images(self) -> int:
        """How many images the figures are taken on."""
        return len(self._images)

    def measure(self, phase: str, simulator: Simulator) -> float:
        """Take and show the figures after a phase; returns the error of the outputs."""
        figures = self._images.measure(simulator)
        self.add(phase, 0, figures)
        return figures.error

    def add(self, phase: str, step: int, figures: HeldOutFigures) -> None:
        """Note and show figures that were taken on the same images."""
        known = any((point.phase, point.step) == (phase, step) for point in self.points)
        if known or not math.isfinite(figures.error):  # known: taken by an earlier part of the run
            return
        point = TuningPoint(seconds=self._clock.spent, phase=phase, step=step, figures=figures)
        self.points.append(point)
        self._progress.checkpoints.of(_NAME).keep({"points": [dataclasses.asdict(each) for each in self.points]})
        same = "" if figures.agreement is None else f", same class as float {100 * figures.agreement:.1f} %"
        what = f"{phase}, step {step}" if step else phase
        self._progress.note(
            f"{point.seconds:.0f} of {self._clock.seconds:g} s, {what}: error of the outputs {figures.error:.4g}{same} "
            f"({counted(self.images, 'held-out image')})"
        )

    def checkpoint(self, step: int, figures: HeldOutFigures) -> None:
        """Note and show figures of fine-tuning."""
        self.add("fine-tune", step, figures)

    def time_is_up(self) -> bool:
        """Whether nothing is left for tuning."""
        return self._clock.share() <= 0

    def keep(self, phase: str, step: int = 0) -> None:
        """Mark the point of this phase and step, and no other, as the state that the file has."""
        self.points = [
            dataclasses.replace(point, kept=(point.phase, point.step) == (phase, step)) for point in self.points
        ]


def _points(state: State | None) -> list[TuningPoint]:
    """The points that an earlier part of the run has taken."""
    return [
        TuningPoint(**{**point, "figures": HeldOutFigures(**point["figures"])})
        for point in (state or {"points": []})["points"]
    ]

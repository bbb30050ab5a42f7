"""The clock of a run with a time budget: what is left, and what a step of the run may take of it."""

from __future__ import annotations

from collections.abc import Callable

from gdfq_export.support.clocks.device_clock import monotonic


class BudgetClock:
    """The time that one run may take, measurements of its file included.

    Args:
        seconds: for everything.
        clock: gives monotonic seconds, and waits for a GPU that computes; a test gives one of its own.
        started: what `clock` gave when the run began; None: it begins now.

    Example:
        >>> clock = BudgetClock(100, lambda: 30.0, started=10.0)
        >>> clock.reserve(20)
        >>> clock.spent, clock.left, clock.share(0.5)
        (20.0, 80.0, 30.0)
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic, *, started: float | None = None) -> None:
        self.seconds = seconds
        self._clock = clock
        self._started = clock() if started is None else started
        self._reserved = 0.0

    @property
    def spent(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._started

    @property
    def left(self) -> float:
        """Seconds left; negative when the run took longer."""
        return self.seconds - self.spent

    def reserve(self, seconds: float) -> None:
        """Keep `seconds` for what comes after tuning, in place of what was kept before."""
        self._reserved = seconds

    def share(self, fraction: float = 1.0) -> float:
        """Seconds that a step may take now: a fraction of what is left for tuning; 0 when nothing is.

        A step asks when it begins. What it does not take is there for the steps after it.
        """
        return max(0.0, fraction * (self.left - self._reserved))

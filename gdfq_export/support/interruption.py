"""SIGINT, SIGTERM and SIGHUP: as an exception at once, at the end of a step, or after a section that must not end.

A job that saves its state works in `finishing_steps()` and calls `end_of_step()` wherever it can be continued:

    with finishing_steps():
        for step in steps:
            run(step)
            end_of_step()      # raises Interrupted where a signal has come

A second signal does not wait for the step. Only the main thread receives signals; elsewhere all of this does nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], None]


class Interrupted(KeyboardInterrupt):
    """A signal asks the process to end.

    Attributes:
        number: of the signal; `exit_code` is what shells make of it, 130 for SIGINT and 143 for SIGTERM.
        go_on: a sentence that says how to go on; empty where nothing was saved.
    """

    def __init__(self, number: int = signal.SIGINT, *, go_on: str = "") -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.go_on = go_on

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal."""
        return 128 + self.number


class _Request:
    """The signal that waits for the end of a step."""

    number: int | None = None
    active = False
    raised: int | None = None  # by a handler, at any place, for instance amid the import of a library


def raise_on_signals() -> None:
    """From now on, raise `Interrupted` where a signal comes; one that the process was told to ignore stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def die_on_signals() -> None:
    """From now on, end the process at once where a signal comes: nothing is left to be done."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def finishing_steps() -> Iterator[None]:
    """Let the first signal wait for `end_of_step()`; a second one interrupts at once.

    Raises:
        Interrupted: a signal came, and the block or a step of it has ended.
    """
    if _Request.active:
        yield
        return
    with _handled_by(_request):
        _Request.active = True
        try:
            yield
            end_of_step()
        finally:
            _Request.number, _Request.active = None, False


def asked_to_end() -> bool:
    """Whether a signal waits for the end of the step."""
    return _Request.number is not None


def end_of_step() -> None:
    """Say that the job can be continued from here.

    Raises:
        Interrupted: a signal came during the step.
    """
    if _Request.number is not None:
        raise Interrupted(_Request.number)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Run a short section to its end: signals that come are delivered behind it."""
    received: list[int] = []
    with _handled_by(lambda number, frame: received.append(number)):
        yield
    if received:
        signal.raise_signal(received[0])


def lost_signal() -> Interrupted | None:
    """The interruption that was raised amid other code, which has made another error of it; it is given once.

    An import that is interrupted, for instance, may leave half a module, of which the next import complains.
    """
    number, _Request.raised = _Request.raised, None
    return None if number is None else Interrupted(number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _Request.raised = number
    raise Interrupted(number)


def _request(number: int, frame: FrameType | None) -> None:
    if _Request.number is not None:
        raise Interrupted(number)
    _Request.number = number


@contextmanager
def _handled_by(handler: Handler) -> Iterator[None]:
    """Give the signals that are not ignored to `handler`, and back."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in SIGNALS}
        # None: Python has no handler to give back, as where the interpreter ends, or a library has set its own
        before = {number: current for number, current in before.items() if current not in (None, signal.SIG_IGN)}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, current in before.items():
            signal.signal(number, current)

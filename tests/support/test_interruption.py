"""Signals end a run at once, at the end of a step, or behind a section that must not be interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from gdfq_export.support.interruption import (
    SIGNALS,
    Interrupted,
    end_of_step,
    finishing_steps,
    raise_on_signals,
    uninterrupted,
)

pytestmark = pytest.mark.signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Those of the process are given back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    raise_on_signals()
    ours = signal.getsignal(signal.SIGINT)
    yield
    left = {signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert left == {ours}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_an_exception_with_the_exit_code_of_shells(number: signal.Signals, code: int) -> None:
    with pytest.raises(Interrupted) as caught:
        signal.raise_signal(number)
    assert caught.value.exit_code == code


def test_what_the_process_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise_on_signals()
    with finishing_steps(), uninterrupted():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGINT))


def test_a_step_is_finished_first() -> None:
    done = []
    with pytest.raises(Interrupted) as caught, finishing_steps():
        for step in range(3):
            if step == 1:
                signal.raise_signal(signal.SIGTERM)
            done.append(step)
            end_of_step()
    assert done == [0, 1]
    assert caught.value.exit_code == 143


def test_the_end_of_the_block_is_the_end_of_a_step() -> None:
    with pytest.raises(Interrupted), finishing_steps():
        signal.raise_signal(signal.SIGTERM)
        with finishing_steps():
            pass


def test_the_second_signal_does_not_wait() -> None:
    with pytest.raises(Interrupted) as caught, finishing_steps():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it waited")
    assert caught.value.number == signal.SIGINT


def test_a_signal_does_not_outlive_its_block() -> None:
    with pytest.raises(ValueError, match="diverged"), finishing_steps():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError("diverged")
    with finishing_steps():
        end_of_step()


def test_a_section_is_run_to_its_end() -> None:
    done = False
    with pytest.raises(Interrupted) as caught, uninterrupted():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        done = True
    assert done and caught.value.number == signal.SIGTERM


def test_other_threads_are_left_alone() -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with finishing_steps(), uninterrupted():
                end_of_step()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failed

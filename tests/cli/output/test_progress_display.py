"""Progress: bars where there is a terminal, a logged line elsewhere, timed either way."""

from __future__ import annotations

import io
import logging
import time

import pytest
from rich.console import Console

from gdfq_export.cli.output.progress_display import BarProgress, LoggedProgress, progress_display
from gdfq_export.support.curves import Curves, RecordedProgress
from gdfq_export.support.progress import Progress


def work(progress: Progress) -> None:
    with progress.phase("generator") as outer:
        outer(1, 2, {"loss": 0.51234, "bns": 0.1})
        with progress.phase("draw") as inner:
            inner(64, 64)
        outer(2, 2, {"loss": 0.25})


def test_a_terminal_sees_every_phase_and_keeps_a_line_of_each() -> None:
    stream = io.StringIO()
    progress = BarProgress(Console(file=stream, force_terminal=True, width=120))
    work(progress)
    work(progress)
    assert set(progress.seconds) == {"generator", "draw"}
    assert stream.getvalue().count("generator  ") >= 2


def shown(stream: io.StringIO, text: str) -> bool:
    """Wait until another thread has drawn the text."""
    return any(text in stream.getvalue() or time.sleep(0.05) for _ in range(10_000))


def test_a_terminal_sees_the_figures_of_the_step() -> None:
    stream = io.StringIO()
    with BarProgress(Console(file=stream, force_terminal=True, width=120)).phase("generator") as report:
        report(1, 2, {"loss": 0.51234})
        assert shown(stream, "loss 0.512")


def test_a_terminal_sees_what_is_left_of_the_budget() -> None:
    stream = io.StringIO()
    progress = BarProgress(Console(file=stream, force_terminal=True, width=120))
    progress.budget_left = lambda: 65.2
    with progress.phase("generator") as report:
        report(1, 2)
        assert shown(stream, "budget 1:05 left")


def test_a_note_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    progress = BarProgress(Console(file=stream, force_terminal=True, width=120))
    with progress.phase("fine-tune"):
        progress.note("41 of 600 s [8 held-out images]")
    assert "41 of 600 s [8 held-out images]" in stream.getvalue()
    RecordedProgress(LoggedProgress(), Curves()).note("41 of 600 s")
    assert capsys.readouterr().err == "41 of 600 s\n"


def test_elsewhere_a_phase_is_one_line_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    progress = LoggedProgress()
    with caplog.at_level(logging.INFO, logger="gdfq_export"):
        work(progress)
    draw, generator = caplog.messages
    assert draw.startswith("draw  ")
    assert generator.endswith("2/2  loss 0.25")
    assert progress.seconds["generator"] >= progress.seconds["draw"]


@pytest.mark.parametrize("progress", [LoggedProgress(), BarProgress(Console(file=io.StringIO()))])
def test_a_failed_phase_is_not_reported_as_finished(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="gdfq_export"), pytest.raises(ValueError), progress.phase("generator"):
        raise ValueError
    assert caplog.messages == []
    assert "generator" in progress.seconds


def test_a_pipe_gets_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(progress_display(), LoggedProgress)

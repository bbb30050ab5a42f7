"""Sections are measured in processes of their own: a crash, an endless one and a full stop leave what was made."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from bench.gpu.runner import Measured, lines, measure_to, run_all, run_section
from bench.gpu.section import Row, Section


def section(name: str = "one", missing: str = "") -> Section:
    def rows() -> Iterator[tuple[str, Row]]:
        yield "first", {"seconds": 1.5}
        yield "second", {"top1": {"quantized": {"value": 0.7}, "drop_pp": 1.25}}

    return Section(name=name, titles=("first", "second"), seconds=60, missing=lambda: missing, measure=rows)


def python(code: str) -> object:
    """Starts a process that runs `code` with the answer's path in ANSWER."""
    return lambda section, answer: [sys.executable, "-c", f"ANSWER = {str(answer)!r}\n{code}"]


FIRST = "open(ANSWER, 'w').write('{\"first\": {\"seconds\": 2.0}}')\n"


def test_rows_are_there_as_soon_as_they_are_made(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    measure_to(section(), answer)
    assert (
        answer.read_text()
        == '{"first": {"seconds": 1.5}, "second": {"top1": {"quantized": {"value": 0.7}, "drop_pp": 1.25}}}'
    )


@pytest.mark.parametrize(
    ("code", "seconds", "reason"),
    [
        (FIRST, 60, ""),
        (FIRST + "raise SystemExit('no TensorRT')", 60, "it ended with 1: no TensorRT"),
        (FIRST + "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 60, "it ended with -11: no message"),
        (FIRST + "import time; time.sleep(600)", 2, "it took longer than its 2 s"),
    ],
)
def test_what_was_made_is_kept_and_the_reason_is_given(code: str, seconds: float, reason: str) -> None:
    found = run_section(section(), python(code), seconds)
    assert found.rows == {"first": {"seconds": 2.0}} and found.reason == reason


def test_without_what_it_needs_no_process_is_started() -> None:
    found = run_section(section(missing="there is no GPU"), python("raise SystemExit(9)"), 60)
    assert (found.rows, found.reason) == ({}, "there is no GPU")
    assert lines(section(), found) == ["first: not measured: there is no GPU", "second: not measured: there is no GPU"]


def test_lines_have_the_numbers_of_a_row(tmp_path: Path) -> None:
    rows = dict(section().measure())
    assert lines(section(), Measured(rows=rows)) == ["first: seconds 1.5", "second: quantized 0.7, drop_pp 1.25"]


def test_the_same_command_again_goes_on_with_what_is_missing() -> None:
    started: list[str] = []
    kept: list[list[str]] = []

    def start(given: Section, answer: Path) -> Sequence[str]:
        started.append(given.name)
        return [sys.executable, "-c", f"open({str(answer)!r}, 'w').write('{{\"second\": {{}}}}')"]

    def keep(found: Mapping[str, Measured]) -> None:
        kept.append(list(found))

    before = {"one": Measured(rows={"first": {}}), "two": Measured(rows={"first": {}}, reason="no TensorRT")}
    found = run_all([section("one"), section("two"), section("three")], start, 60, before=before, keep=keep)
    assert started == ["two", "three"] and kept == [["one", "two"], ["one", "two", "three"]]
    assert found["two"].rows == {"first": {}, "second": {}} and all(each.complete for each in found.values())


def test_nothing_is_begun_when_the_time_is_used_up() -> None:
    found = run_all([section()], python("raise SystemExit(9)"), 3, before={}, keep=lambda found: None)
    assert found["one"].reason == "the time was used up: run it again, and it goes on with one"

"""The table of docs/cpus.md is what was measured."""

from __future__ import annotations

from bench.cpus import CPUS, END, PAGE, START, _results, _table


def row(cpu: str, **figures: object) -> dict[str, object]:
    return {"network": "demo", "tool": "ours", "cpu": cpu, "images_run": 8, **figures}


def test_the_page_holds_the_table_of_the_results() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(START) == text.count(END) == 1
    assert text.split(START)[1].split(END)[0] == _table(_results())


def test_a_cell_has_the_integers_that_differ_and_the_answers_that_stay() -> None:
    rows = [
        row("native", integers=1000, differing=0),
        row("cortex-a53", integers=1000, differing=1234, same_answers=7),
        row("cortex-a76", reason="no simulation"),
    ]
    line = _table(rows).splitlines()[2]
    assert line == "| demo | gdfq-export | 1,000 | 0 | 1,234; 7 of 8 | not compared | not compared |"
    assert len(line.split("|")) == len(CPUS) + 5

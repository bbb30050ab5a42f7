from __future__ import annotations

import pytest

from gdfq_export.views.html.gate_rows import gate_rows, tone_of
from tests.views.html.gated import FAILED, INCONCLUSIVE, gate, with_gates


def test_the_worst_comes_first() -> None:
    rows = gate_rows(with_gates(gate("a"), gate("b", INCONCLUSIVE), gate("c", FAILED)))
    assert [row.name for row in rows] == ["c", "b", "a"]
    assert [row.verdict for row in rows] == ["failed", "inconclusive", "passed"]


def test_a_row_in_words() -> None:
    (row,) = gate_rows(with_gates(gate()))
    assert (row.limit, row.value) == ("at most +1.00\u00a0pp", "+0.40\u00a0pp")
    assert row.interval == "[\u22120.20\u00a0pp, +0.90\u00a0pp]"


@pytest.mark.parametrize("name", ["max-size-ratio", "min-agreement", "max-regression top1-pp"])
def test_the_picture_keeps_value_interval_and_limit_apart(name: str) -> None:
    (row,) = gate_rows(with_gates(gate(name, unit="", value=0.5, low=0.4, high=0.6, limit=0.9)))
    picture = row.picture
    assert picture is not None
    assert 0 < picture.low < picture.value < picture.high < picture.limit < 100
    outside = (picture.limit, 100.0) if name.startswith("max") else (0.0, picture.limit)
    assert (picture.outside_from, picture.outside_to) == outside


def test_yes_or_no_and_what_was_not_measured_have_no_picture() -> None:
    yes = gate("require-parity", unit="boolean", value=1.0, low=1.0, high=1.0, limit=True)
    nothing = gate(verdict=INCONCLUSIVE, value=None, low=None, high=None)
    rows = {row.name: row for row in gate_rows(with_gates(yes, nothing))}
    assert (rows["require-parity"].value, rows["require-parity"].limit) == ("yes", "required")
    assert rows["max-top1-drop-pp"].value == "not measured"
    assert all(row.picture is None and row.interval == "" for row in rows.values())


def test_a_card_has_the_worst_tone_of_its_gates() -> None:
    report = with_gates(gate("max-p99-ms"), gate("max-latency-ratio", INCONCLUSIVE))
    assert tone_of(report, "max-p99-ms", "max-latency-ratio") == "inconclusive"
    assert tone_of(report, "max-size-ratio") == ""

"""The table of what the seventh bit costs is what was measured."""

from __future__ import annotations

import numpy as np

from bench.seventh_bit import END, PAGE, START, _lost, results, table


def test_the_page_holds_the_table_of_the_results() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(START) == text.count(END) == 1
    assert text.split(START)[1].split(END)[0] == table(results())


def test_what_is_lost_counts_images_that_one_file_alone_has_right() -> None:
    eight, seven = np.array([True, True, True, False]), np.array([True, False, False, True])
    lost = _lost(eight, seven)
    assert (lost["only_eight_right"], lost["only_seven_right"], lost["pp"]) == (2, 1, 25.0)
    assert lost["low_pp"] < 25 < lost["high_pp"]

from __future__ import annotations

from gdfq_export.views.html.outline import bars, line


def test_a_line_joins_its_points() -> None:
    assert line([(0, 1.5), (33.333, 100)]) == "M0 1.5L33.33 100"


def test_bars_are_one_closed_outline_and_the_highest_reaches_the_top() -> None:
    assert bars([1, 4, 0], start=0, end=30, logarithmic=False) == "M0 100V75H10V0H20V100H30V100Z"


def test_a_logarithmic_bar_of_one_value_can_be_seen_beside_a_million() -> None:
    outline = bars([1, 1_000_000], start=0, end=100, logarithmic=True)
    assert float(outline.split("V")[1].split("H")[0]) < 96


def test_a_histogram_without_values_is_flat() -> None:
    assert bars([0, 0], start=0, end=100, logarithmic=False) == "M0 100V100H50V100H100V100Z"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.views.html.numerals import count, decibels, kilobytes, percent, points, seconds, significant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (significant(0), "0"),
        (significant(1234.5), "1,234"),
        (significant(-0.012345), "\u22120.0123"),
        (significant(2.5e-7), "2.50e\u221207"),
        (percent(0.00001), "<0.01\u00a0%"),
        (percent(0), "0.00\u00a0%"),
        (percent(1), "100.00\u00a0%"),
        (points(-0.5), "\u22120.50\u00a0pp"),
        (points(0.5), "+0.50\u00a0pp"),
        (decibels(200.0), "no error"),
        (decibels(None), ""),
        (kilobytes(999), "999\u00a0bytes"),
        (kilobytes(1_109_261), "1.11\u00a0MB"),
        (seconds(59.94), "59.9\u00a0s"),
        (seconds(61), "1\u00a0min 1\u00a0s"),
        (count(1, "class", "classes"), "1\u00a0class"),
        (count(2000, "image"), "2,000\u00a0images"),
    ],
)
def test_numbers_as_they_are_written(text: str, expected: str) -> None:
    assert text == expected


@given(st.floats(min_value=1e-4, max_value=9e6), st.sampled_from([1, -1]))
def test_three_digits_are_within_half_a_per_cent(value: float, sign: int) -> None:
    assert float(significant(sign * value).replace("\u2212", "-").replace(",", "")) == pytest.approx(
        sign * value, rel=0.005
    )

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.views.html.scale import count_scale, linear_scale, log_scale

ENDS = st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(ENDS, st.booleans())
def test_a_linear_axis_holds_both_ends_and_its_ticks_stand_where_they_say(
    ends: tuple[float, float], widen: bool
) -> None:
    scale = linear_scale(*ends, widen=widen)
    assert scale.low <= ends[0] < ends[1] <= scale.high
    assert all(0 <= tick.at <= 100 for tick in scale.ticks)
    assert [tick.at for tick in scale.ticks] == sorted(tick.at for tick in scale.ticks)
    assert len({tick.text for tick in scale.ticks}) == len(scale.ticks) > 0


def test_ticks_carry_as_many_decimals_as_they_need() -> None:
    assert [tick.text for tick in linear_scale(0, 10, most=4).ticks] == ["0", "2.5", "5.0", "7.5", "10.0"]
    assert [tick.text for tick in linear_scale(-1, 1, most=2).ticks] == ["\u22121", "0", "1"]


def test_one_value_alone_still_has_an_axis() -> None:
    assert linear_scale(3, 3).at(3) == pytest.approx(50, abs=20)
    assert linear_scale(0, 0).at(0) == 50


def test_what_lies_beyond_is_drawn_at_the_end() -> None:
    scale = linear_scale(0, 1)
    assert (scale.at(-5), scale.at(7), scale.down(7)) == (0, 100, 0)


def test_a_logarithmic_axis_puts_equal_ratios_at_equal_distances() -> None:
    scale = log_scale(1, 100)
    assert (scale.at(1), scale.at(10), scale.at(100), scale.at(0)) == (0, 50, 100, 0)
    assert {"1", "10", "100"} <= {tick.text for tick in scale.ticks}


@pytest.mark.parametrize("number", [1, 2, 13, 74])
def test_columns_stand_in_the_middle_of_their_place(number: int) -> None:
    scale = count_scale(number)
    assert scale.at(1) == pytest.approx(50 / number, abs=0.01)
    assert scale.ticks[0].text == "1"
    assert all(1 <= int(tick.text) <= number for tick in scale.ticks)

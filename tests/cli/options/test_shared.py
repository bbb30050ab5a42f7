"""The forms of option values: numbers for channels, shapes, and what is said about anything else."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.cli.options.shared import DURATION, NUMBERS, SHAPE

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(numbers=st.lists(finite, min_size=1, max_size=4).map(tuple))
def test_numbers_are_read_as_written(numbers: tuple[float, ...]) -> None:
    assert NUMBERS.convert(",".join(map(repr, numbers)), None, None) == numbers


@given(shape=st.tuples(*[st.integers(1, 5000)] * 3))
def test_shapes_are_read_as_written(shape: tuple[int, int, int]) -> None:
    sizes = ",".join(map(str, shape))
    assert SHAPE.convert(sizes, None, None) == ("", shape)
    assert SHAPE.convert(f"a=b={sizes}", None, None) == ("a=b", shape)


@pytest.mark.parametrize("text", ["", "a", "0.5,", "0.5;0.5", "0.5 0.5"])
def test_what_is_no_numbers_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="for instance 0\\.485,0\\.456,0\\.406"):
        NUMBERS.convert(text, None, None)


@pytest.mark.parametrize("text", ["", "3,0,32", "3,-1,32", "3x32x32", "3,32,3.5"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="for instance 3,32,32"):
        SHAPE.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("2m", 120), ("1.5h", 5400), ("fast", 120), ("balanced", 600), ("best", 3600)],
)
def test_times_are_read_in_their_unit(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "0s", "nanm", "infh", "10 minutes", "slow"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="for instance 90s, 10m or 1h, or one of fast, balanced, best"):
        DURATION.convert(text, None, None)

"""How many bits a range of codes needs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.support.bit_width import bits_of


@given(st.integers(1, 16))
def test_bits_are_those_of_the_whole_range(bits: int) -> None:
    signed, unsigned = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), (0, 2**bits - 1)
    assert bits_of(unsigned, around_zero=False) == bits_of(signed, around_zero=False) == bits
    assert bits_of(signed, around_zero=True) == bits


@given(st.integers(-128, 127), st.integers(-128, 127))
def test_centred_codes_fit_into_their_bits_and_not_into_one_fewer(one: int, other: int) -> None:
    low, high = min(one, other, 0), max(one, other, 0)
    bits = bits_of((low, high), around_zero=True)
    assert -(2 ** (bits - 1)) <= low and high <= 2 ** (bits - 1) - 1
    assert bits == 1 or low < -(2 ** (bits - 2)) or high > 2 ** (bits - 2) - 1

"""How many bits codes need: what a file says of its weights, whose type may be wider."""

from __future__ import annotations


def bits_of(codes: tuple[int, int], *, around_zero: bool) -> int:
    """Bits that a range of codes needs: (0, 15) and (-8, 7) four, (-127, 127) eight.

    `around_zero` counts both ways from 0, as weights do: (-3, 100) are 8 bits and not 7.
    """
    low, high = codes
    if around_zero:
        return max(1, 1 + max(high, -low - 1).bit_length())
    return max(1, (high - low).bit_length())

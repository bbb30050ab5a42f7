"""Numbers and texts that readers stumble over."""

from __future__ import annotations

from random import Random

NUMBERS = (0, 1, -1, 2, 3, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32, 10**12, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1e-45, 1e38, 3.5, -1.0, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    "",
    "x",
    "../../../../etc/passwd",
    "/etc/passwd",
    "a\x00b",
    "\x1b[31mred\x1b[0m",
    "‮txt.exe",
    "{}{}%s%n",
    "=[0, __import__('os').system('x')][0]",
    "image",
    "N",
    "A" * 5000,
    "9" * 400,
    "1e999",
)


def number(random: Random) -> int:
    """A signed integer of 64 bits, mostly one at a boundary."""
    return random.choice(NUMBERS) if random.random() < 0.7 else random.randrange(-300, 300)


def text(random: Random) -> str:
    """A text that is a path, code, a control sequence, or very long."""
    return random.choice(TEXTS)

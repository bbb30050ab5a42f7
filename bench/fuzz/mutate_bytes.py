"""Mutations of plain bytes: flipped, cut, repeated, moved."""

from __future__ import annotations

from random import Random


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Change a few places of `data`, or its length."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        position = random.randrange(len(changed)) if changed else 0
        kind = random.randrange(6)
        if kind == 0 and changed:
            changed[position] ^= 1 << random.randrange(8)
        elif kind == 1 and changed:
            changed[position] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del changed[position:]
        elif kind == 3:
            del changed[position : position + random.randrange(1, 64)]
        elif kind == 4:
            changed[position:position] = bytes(random.randrange(256) for _ in range(random.randrange(1, 16)))
        else:
            changed[position:position] = changed[position : position + random.randrange(1, 200)]
    return bytes(changed)

"""Mutations of YAML: tags, aliases, depth, other types, or its bytes."""

from __future__ import annotations

from random import Random

from bench.fuzz.mutate_bytes import mutate_bytes
from bench.fuzz.values import FLOATS, number, text

_VALUES = (
    "!!python/object/apply:os.system ['x']", "!!float x", "!!int 1:a", "!!timestamp 99999-99-99", "2001-99-99",
    "!!binary '%%%'", "!!set {a, [b]}", "*missing", "&a [*a]", "&b {<<: *b}", "{<<: [1]}", "!!str", "~", ".nan", ".inf",
    "0x" + "f" * 6000, "9" * 5000, "1:2:3", "[]", "{}", "? [a]", "'\\x1b[31m'", '"\\0\\x1b"', "|\n  a\n b",
)  # fmt: skip


def mutate_yaml(data: bytes, random: Random) -> bytes:
    """Change the value or the key of a line, nest it, or put aliases of aliases behind it."""
    if random.random() < 0.15:
        return mutate_bytes(data, random)
    lines = data.decode().splitlines()
    for _ in range(random.choice((1, 1, 2, 3))):
        position = random.randrange(len(lines))
        key, colon, _ = lines[position].partition(":")
        kind = random.randrange(8)
        if kind < 4:
            lines[position] = f"{key}{colon} {_value(random)}"
        elif kind == 4:
            lines[position] = f"{key[: len(key) - len(key.lstrip())]}{text(random)[:300]}: 1"
        elif kind == 5:
            lines.insert(position, lines[random.randrange(len(lines))])
        elif kind == 6:
            opening, closing = random.choice((("[", "]"), ("{a: ", "}")))
            depth = random.choice((5, 40, 5000))
            lines[position] = f"{key}{colon} {opening * depth}1{closing * depth}"
        else:
            lines += _aliases(random.choice((3, 8, 30)))
    return "\n".join(lines).encode(errors="replace")


def _value(random: Random) -> str:
    plain = (str(number(random)), str(random.choice(FLOATS)), text(random), repr(text(random)))
    return random.choice((*_VALUES, *plain, *plain))


def _aliases(count: int) -> list[str]:
    """Each line stands for ten of the line above."""
    lines = ["k0: &k0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    return lines + [f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 10)}]" for i in range(1, count)]

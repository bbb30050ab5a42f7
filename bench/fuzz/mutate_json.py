"""Mutations of JSON: of its tree, where a key or value becomes another, or of its text."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from bench.fuzz.mutate_bytes import mutate_bytes
from bench.fuzz.values import FLOATS, number, text


def mutate_json(data: bytes, random: Random) -> bytes:
    """Change the tree in one to three places; sometimes the text itself."""
    if random.random() < 0.1:
        return mutate_bytes(data, random)
    if random.random() < 0.03:
        deep = random.choice((b"[", b'{"a":')) * random.choice((100, 2_000, 100_000))
        return data[: random.randrange(len(data))] + deep
    tree = mutate_tree(json.loads(data), random)
    return json.dumps(tree).encode(errors="surrogatepass")


def mutate_tree(tree: Any, random: Random) -> Any:
    """A copy of JSON data with one to three places changed."""
    holder = {"root": copy.deepcopy(tree)}
    for _ in range(random.choice((1, 1, 2, 3))):
        places = _places(holder)
        parent, key = random.choice(places[1:] or places)
        if isinstance(parent, dict) and random.random() < 0.15:
            parent[text(random)] = parent.pop(key)
        elif random.random() < 0.15:
            del parent[key]
        else:
            parent[key] = _other(parent[key], random)
        holder.setdefault("root", None)
    return holder["root"]


def _places(holder: Any) -> list[tuple[Any, Any]]:
    """Every container with every key or index in it, in the order of the tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [holder]
    while waiting:
        container = waiting.pop()
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            found.append((container, key))
            if isinstance(container[key], dict | list):
                waiting.append(container[key])
    return found


def _other(value: Any, random: Random) -> Any:
    kinds: tuple[Any, ...] = (
        None,
        True,
        number(random),
        random.choice(FLOATS),
        text(random),
        [],
        {},
        [value],
        {"a": value},
        [value] * random.choice((2, 50)),
        10 ** random.choice((30, 400)),
    )
    return random.choice(kinds)

"""What is wrong with a file for one runtime: the rule, the node that breaks it, and what then happens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Consequence(StrEnum):
    """What a runtime does with a node that breaks a rule."""

    REFUSED = "refused"
    WRONG = "wrong numbers"
    FLOAT = "runs in float"
    SLOWER = "slower"
    ROUNDED = "rounded otherwise than the file says"
    MISTAKE = "computed as written, probably a mistake"
    LARGER = "larger file"
    OTHER_CPU = "other numbers on another CPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule broken by one node; `node` is its name or, where it has none, its output."""

    rule: str
    node: str
    consequence: Consequence
    message: str

"""A part of the measurement: what it needs, how long it may take, and the rows it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
"""Numbers of one row by name, JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part; a process of its own measures it.

    Attributes:
        name: of the section, one word.
        titles: of the rows that it makes; where it cannot, each is printed with the reason.
        seconds: that it may take; its process is ended then, and the rows made so far are kept.
        missing: why it cannot be measured here; empty where it can.
        measure: makes the rows one by one, by title.
    """

    name: str
    titles: tuple[str, ...]
    seconds: float
    missing: Callable[[], str]
    measure: Callable[[], Iterator[tuple[str, Row]]]

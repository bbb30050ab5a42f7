"""The value of a figure nobody measured: the report shows null and the reason beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """Why there is no figure, as one sentence a user can act on."""

    reason: str

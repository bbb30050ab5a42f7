"""Which runtime measures a target's file on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.base import Backend
from gdfq_export.targets import Target

__all__ = ["Measuring", "choose_backend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """`own` is the runtime the file is made for, `backend` the one that runs it here; `away` says why they differ."""

    own: Backend
    backend: Backend
    away: str = ""


def choose_backend(target: Target, backends: dict[str, Backend]) -> Measuring:
    """The target's own runtime or, where that cannot be used and the target has one, its stand-in.

    Raises:
        BackendUnavailable: the runtime cannot be used here, and nothing stands in for it.
    """
    own = backends[target.backend]
    try:
        own.require()
    except BackendUnavailable as error:
        if target.stand_in is None:
            raise
        return Measuring(own=own, backend=backends[target.stand_in], away=str(error))
    return Measuring(own=own, backend=own)

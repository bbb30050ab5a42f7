"""Which runtime measures a target's file on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.base import Backend
from gdfq_export.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """The runtimes of a measurement.

    Attributes:
        target_backend: the runtime that the file is written for.
        measured_on: the runtime that runs it here.
        fallback_reason: why they differ; empty where they do not.
    """

    target_backend: Backend
    measured_on: Backend
    fallback_reason: str = ""

    def is_simulated(self, target: Target) -> bool:
        """Whether the runtime that runs the files computes every integer that is simulated."""
        return target.exact and (target.stand_in is None or bool(self.fallback_reason))


def choose_backend(target: Target, backends: dict[str, Backend]) -> Measuring:
    """The target's runtime or, where that cannot be used here, the stand-in of the target.

    Raises:
        BackendUnavailable: the runtime cannot be used here, and the target has no stand-in.
    """
    wanted = backends[target.backend]
    try:
        wanted.require()
    except BackendUnavailable as error:
        if target.stand_in is None:
            raise
        stand_in = backends[target.stand_in]
        return Measuring(target_backend=wanted, measured_on=stand_in, fallback_reason=str(error))
    return Measuring(target_backend=wanted, measured_on=wanted)

"""What several processes do together in a job, and what the first of them does alone."""

from __future__ import annotations

from calib.parallel.processes import Processes
from gdfq_export.errors import InputError, SharedWorkDone
from gdfq_export.recipe import Recipe


def require_first(processes: Processes) -> None:
    """Go on in the first process alone, which measures the result and writes it.

    Raises:
        SharedWorkDone: this is another one.
    """
    if not processes.first:
        raise SharedWorkDone(f"process {processes.rank} has done its part of the run; the first one writes the result")


def require_shareable(recipe: Recipe, processes: Processes, *, times_targets: bool) -> None:
    """Refuse what is decided by times that one process measures.

    Raises:
        InputError: the target or the precision of layers is chosen by drafts.
    """
    if processes.size > 1 and times_targets:
        raise InputError(
            "--target auto times drafts, which one process does; name the target, or run without a launcher"
        )
    if processes.size > 1 and recipe.bits.precision == "auto":
        raise InputError(
            f"bits.precision: auto in the recipe {recipe.name} times drafts, which one process does; run it without a "
            "launcher, or name the layers that stay float with --keep-float"
        )

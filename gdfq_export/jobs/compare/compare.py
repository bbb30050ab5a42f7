"""`compare()`: one network, methods beside methods on one grid, each cell a whole run of the pipeline.

Every cell is scored on the same images, by the file it exported. A cell that cannot be run says why, and the others go
on. After each cell all of them are written, so that an interruption costs one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from calib.samplers import RealSet
from gdfq_export import __version__
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.compare.cells import (
    Cell,
    Comparison,
    Identity,
    NetworkFacts,
    in_order,
    kept_cells,
)
from gdfq_export.jobs.compare.files import FILES, JSON, file_name, read_comparison, write_comparison
from gdfq_export.jobs.compare.methods import GRIDS, METHODS, BudgetUse, recipe_for, require_known
from gdfq_export.jobs.compare.run_cell import run_cell
from gdfq_export.jobs.compare.scored_images import ScoredImages, images_facts, preprocessing_of, shared_images
from gdfq_export.recipe import Recipe, recipe_sha256
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.choose import choose_backend
from gdfq_export.runtimes.environment.machine import this_machine, versions
from gdfq_export.support.progress import Progress, SilentProgress
from gdfq_export.support.text import counted
from gdfq_export.targets import find_target

__all__ = ["NO_REAL_IMAGES", "Listener", "Settings", "compare"]

NO_REAL_IMAGES = "no real images were given; give some as --calibration, other ones than those of --data"


class Listener:
    """Hears how a comparison goes on; this one does nothing with it."""

    def dropped(self, cells: int) -> None:
        """So many measured cells in the folder are of another comparison, and will not be in its files any more."""

    def starts(self, number: int, total: int, cell: Cell) -> None:
        """A cell is about to run, as number so-and-so of all that run."""

    def ends(self, comparison: Comparison, cell: Cell, *, ran: bool) -> None:
        """A cell is there, run now or by an earlier run; the comparison holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is compared, and in how much time.

    Attributes:
        methods: keys of `METHODS`.
        bits: keys of `GRIDS`.
        target: the runtime; None is that of the recipes.
        budget: seconds for each cell, up to the written file.
        seed: of everything random.
        device: torch device.
    """

    methods: Sequence[str]
    bits: Sequence[str]
    target: str | None = None
    budget: float
    seed: int = 0
    device: str = "cpu"


def compare(
    model: FloatModel,
    settings: Settings,
    *,
    folder: Path,
    scored: ScoredImages,
    real: RealSet | None,
    progress: Callable[[], Progress] = SilentProgress,
    listener: Listener | None = None,
) -> Comparison:
    """Run the cells that `folder` does not hold yet; writes its files after each, and the networks into `files`.

    Measured cells of an earlier run that belong to the same comparison stay, also where they are not asked for.

    Args:
        model: the float network.
        settings: which cells, in how much time.
        folder: exists, and so does its folder `files`.
        scored: the images that all cells are scored on.
        real: real images for the methods that work on them.
        progress: makes a display for each cell.
        listener: hears of each cell.

    Raises:
        InputError: a name is none of the ladder's, or an earlier comparison in the folder cannot be read.
        BackendUnavailable: nothing here runs files of that target.
    """
    require_known(settings.methods, settings.bits)
    target = find_target(settings.target or _recipe(model, settings, settings.methods[0], settings.bits[0]).target)
    choose_backend(target, BACKENDS)
    listener = listener or Listener()
    comparison = _start(model, settings, target.name, scored, real)
    asked = {(cell.bits, cell.method): cell for cell in _cells(model, settings, comparison)}
    earlier = read_comparison(folder / JSON)
    kept = kept_cells(earlier, asked)
    if earlier is not None and (dropped := sum(cell.measured is not None for cell in earlier.cells) - len(kept)):
        listener.dropped(dropped)
    comparison = replace(comparison, cells=in_order(kept.values()))
    runs = [key for key, cell in asked.items() if key not in kept and cell.reason is None]
    for key, cell in asked.items():
        if key in runs:
            listener.starts(runs.index(key) + 1, len(runs), cell)
            cell = run_cell(
                model,
                cell,
                _recipe(model, settings, cell.method, cell.bits),
                out=folder / FILES / file_name(cell.bits, cell.method),
                budget=settings.budget,
                scored=scored,
                real=real,
                progress=progress(),
            )
        cell = kept.get(key, cell)
        comparison = comparison.with_cell(cell)
        if key in runs:
            write_comparison(comparison, folder)
        listener.ends(comparison, cell, ran=key in runs)
    write_comparison(comparison, folder)
    return comparison


def _start(
    model: FloatModel, settings: Settings, target: str, scored: ScoredImages, real: RealSet | None
) -> Comparison:
    """The comparison before any cell."""
    warnings = list(model.warnings)
    if real is not None and scored.labelled and (shared := shared_images(scored.images, real)):
        warnings.append(
            f"{shared:,} of {counted(len(real), 'real image')} stand among those that are scored: the row of real "
            "images says more than images of its own could"
        )
    return Comparison(
        tool_version=__version__,
        network=NetworkFacts(
            name=model.name,
            source=model.source,
            sha256=model.sha256,
            classes=model.num_classes,
            input_shape=model.input_spec.shape,
            bytes=model.original.ByteSize(),
        ),
        target=target,
        seed=settings.seed,
        device=settings.device,
        threads=torch.get_num_threads(),
        budget_seconds=settings.budget,
        scored=scored.facts,
        real=None if real is None else images_facts(real),
        machine=this_machine(),
        versions=versions(),
        warnings=tuple(warnings),
        cells=(),
    )


def _recipe(model: FloatModel, settings: Settings, method: str, bits: str) -> Recipe:
    return recipe_for(method, bits, model.input_spec.shape, target=settings.target)


def _cells(model: FloatModel, settings: Settings, comparison: Comparison) -> Iterator[Cell]:
    """What is asked for, row by row, before it is run; a cell that cannot be run has its reason already."""
    real = comparison.real
    for bits in (name for name in GRIDS if name in settings.bits):
        for name in (name for name in METHODS if name in settings.methods):
            method, recipe = METHODS[name], _recipe(model, settings, name, bits)
            identity = Identity(
                tool_version=comparison.tool_version,
                network_sha256=model.sha256,
                preprocessing=preprocessing_of(model.input_spec),
                target=comparison.target,
                recipe_sha256=recipe_sha256(recipe),
                seed=settings.seed,
                device=settings.device,
                budget_seconds=None if method.budget is BudgetUse.IGNORED else settings.budget,
                scored_sha256=comparison.scored.sha256,
                calibration_sha256=real.sha256 if method.real and real is not None else None,
            )
            reason = NO_REAL_IMAGES if method.real and real is None else None
            yield Cell(bits=bits, method=name, recipe=recipe.name, identity=identity, reason=reason)

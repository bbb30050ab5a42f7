"""`compare()`: one network by several methods at several bit widths, each cell a whole run of the pipeline.

Every cell is scored on the same images, with the file it exported. A cell that cannot be run says why, and the others
continue. All results are written after each cell, so that an interruption loses one at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from calib.samplers import RealSet
from gdfq_export import __version__
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.batch.network_source import NetworkSource
from gdfq_export.jobs.cluster.work import Cluster
from gdfq_export.jobs.compare.cells import (
    Cell,
    Comparison,
    NetworkFacts,
    in_order,
    kept_cells,
)
from gdfq_export.jobs.compare.files import JSON, file_name, read_comparison, write_comparison
from gdfq_export.jobs.compare.methods import BIT_WIDTHS, METHODS, BudgetUse, recipe_for, require_known
from gdfq_export.jobs.compare.on_cluster import CellAndNetwork, cells_on_cluster
from gdfq_export.jobs.compare.run_cell import CellSettings, run_cell
from gdfq_export.jobs.compare.scored_images import ScoredImages, images_facts, preprocessing_of, shared_images
from gdfq_export.jobs.resume.identity import JobIdentity
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import Bits, Recipe, recipe_sha256
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.choose import choose_backend
from gdfq_export.runtimes.environment.machine import this_machine, versions
from gdfq_export.support.progress import Progress, SilentProgress
from gdfq_export.support.text import counted
from gdfq_export.targets import find_target
from gdfq_export.tasks.labelled_images import LabelledImages

HERE = Cluster(workers=1)
DEFAULT_BUDGET = 300.0
"""Seconds for each cell, up to the written file."""

NO_REAL_IMAGES = "no real images were given; give some as --calibration, other ones than those of --data"


class Listener:
    """Is told how a comparison proceeds; this one ignores it."""

    def dropped(self, cells: int) -> None:
        """So many measured cells in the folder belong to another comparison and will be left out of its files."""

    def starts(self, number: int, total: int, cell: Cell) -> None:
        """A cell is about to run, `number` of `total`."""

    def ends(self, comparison: Comparison, cell: Cell, *, ran: bool) -> None:
        """A cell is in the comparison, run now (`ran`) or by an earlier run."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompareOptions:
    """What a comparison can do without.

    Attributes:
        target: the runtime; None is that of the recipes.
        images: how many are synthesized to score on where none are given; None: the default recipe's number.
        keep_float: nodes that stay float in every cell, as in a recipe's `bits.keep_float`.
        keep_int16: nodes with 16-bit activations in every cell, as in `bits.keep_int16`.
        progress: makes a display for each cell.
        listener: is told of each cell.
        cluster: where cells run; one process, this one, unless told otherwise.
        source: how workers load the network; needed where they are other processes.
    """

    target: str | None = None
    images: int | None = None
    keep_float: Sequence[str] = ()
    keep_int16: Sequence[str] = ()
    progress: Callable[[], Progress] = SilentProgress
    listener: Listener | None = None
    cluster: Cluster = HERE
    source: NetworkSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompareRequest:
    """What is compared, in how much time.

    Attributes:
        methods: keys of `METHODS`.
        bits: keys of `BIT_WIDTHS`.
        scored: the images that all cells are scored on.
        real: real images for the methods that need them.
        target: the runtime; None is that of the recipes.
        keep_float: nodes that stay float in every cell, as in a recipe's `bits.keep_float`.
        keep_int16: nodes with 16-bit activations in every cell, as in `bits.keep_int16`.
        budget: seconds for each cell, up to the written file.
        seed: random seed.
        device: torch device.
        checkpoint: folder for the states of cells while they run; None keeps nothing.
        restart: discard what an earlier run left there.
        cluster: where cells run.
        source: how workers load the network, None where cells run in this process.
    """

    methods: Sequence[str]
    bits: Sequence[str]
    scored: ScoredImages
    real: RealSet | None = None
    target: str | None = None
    keep_float: Sequence[str] = ()
    keep_int16: Sequence[str] = ()
    budget: float
    seed: int = 0
    device: str = "cpu"
    checkpoint: Path | None = None
    restart: bool = False
    cluster: Cluster = HERE
    source: NetworkSource | None = None

    def recipe(self, model: FloatModel, method: str, bits: str) -> Recipe:
        """The recipe of a cell."""
        recipe = recipe_for(method, bits, model.input_spec.extent, target=self.target)
        return recipe.keeping(self.keep_float, self.keep_int16)

    def settings(self, model: FloatModel, cell: Cell) -> CellSettings:
        """How a cell is run."""
        return CellSettings(
            method=cell.method,
            recipe=self.recipe(model, cell.method, cell.bits),
            scored=self.scored.images,
            real=self.real,
            budget=self.budget,
            seed=self.seed,
            device=self.device,
            checkpoint=None if self.checkpoint is None else self.checkpoint / f"{cell.bits}-{cell.method}",
            restart=self.restart,
        )


def compare(
    model: FloatModel,
    request: CompareRequest,
    *,
    folder: Path,
    progress: Callable[[], Progress] = SilentProgress,
    listener: Listener | None = None,
) -> Comparison:
    """Run the cells that `folder` does not hold yet. Its files are written after each, the networks into `files`.

    Measured cells of an earlier run that belong to the same comparison are kept, also where they are not asked for.

    Args:
        model: the float network.
        request: which cells, and what they are scored on.
        folder: exists, and so does its folder `files`.
        progress: makes a display for each cell.
        listener: is told of each cell.

    Raises:
        InputError: a method, bit widths or a node to keep float are unknown, or an earlier comparison in the folder
            cannot be read.
        BackendUnavailable: nothing here runs files of that target.
    """
    require_known(request.methods, request.bits)
    target = find_target(request.target or request.recipe(model, request.methods[0], request.bits[0]).target)
    choose_backend(target, BACKENDS)
    named = Bits(keep_float=tuple(request.keep_float), keep_int16=tuple(request.keep_int16))
    plan_of(model, target.name, named)  # refuses names of no node
    listener = listener or Listener()
    comparison = _start(model, request, target.name)
    asked = {(cell.bits, cell.method): cell for cell in _cells(model, request, comparison)}
    earlier = read_comparison(folder / JSON)
    kept = kept_cells(earlier, asked)
    _tell_dropped(earlier, len(kept), listener)
    comparison = replace(comparison, cells=in_order(kept.values()))
    runs = [key for key, cell in asked.items() if key not in kept and cell.reason is None]
    if request.source is not None:
        there = [(asked[key], request.settings(model, asked[key])) for key in runs]
        ran = cells_on_cluster(request.source, request.cluster, there, labelled=request.scored.labelled)
        return _written(comparison, [cell for key, cell in asked.items() if key not in runs], ran, folder, listener)
    for key in asked:
        cell = kept.get(key, asked[key])
        if key in runs:
            listener.starts(runs.index(key) + 1, len(runs), cell)
            cell = _run_here(model, request, comparison, cell, folder, progress())
        comparison = comparison.with_cell(cell)
        listener.ends(comparison, cell, ran=key in runs)
    write_comparison(comparison, folder)
    return comparison


def _tell_dropped(earlier: Comparison | None, kept: int, listener: Listener) -> None:
    measured = 0 if earlier is None else sum(cell.measured is not None for cell in earlier.cells)
    if measured > kept:
        listener.dropped(measured - kept)


def _run_here(
    model: FloatModel, request: CompareRequest, comparison: Comparison, cell: Cell, folder: Path, progress: Progress
) -> Cell:
    """Run a cell in this process, and write it with the comparison so far."""
    name, labelled = file_name(cell.bits, cell.method), request.scored.labelled
    settings = request.settings(model, cell)
    cell, made = run_cell(model, cell, settings, name=name, progress=progress, labelled=labelled)
    write_comparison(comparison.with_cell(cell), folder, {} if made is None else {name: made.onnx_bytes})
    if made is not None:
        made.run.discard_checkpoint()
    return cell


def _written(
    comparison: Comparison,
    others: Sequence[Cell],
    ran: Iterable[CellAndNetwork],
    folder: Path,
    listener: Listener,
) -> Comparison:
    """The comparison with `others`, which need not run, and then each cell that a cluster has run, written at once."""
    held = {(cell.bits, cell.method): cell for cell in comparison.cells}
    for other in others:
        cell = held.get((other.bits, other.method), other)
        comparison = comparison.with_cell(cell)
        listener.ends(comparison, cell, ran=False)
    for cell, network in ran:
        comparison = comparison.with_cell(cell)
        write_comparison(comparison, folder, {} if network is None else {file_name(cell.bits, cell.method): network})
        listener.ends(comparison, cell, ran=True)
    write_comparison(comparison, folder)
    return comparison


def _start(model: FloatModel, request: CompareRequest, target: str) -> Comparison:
    """The comparison before any cell."""
    scored, real = request.scored, request.real
    warnings = list(model.warnings)
    if real is not None and scored.labelled and (shared := shared_images(scored.images.images, real.images.numpy())):
        warnings.append(
            f"{shared:,} of {counted(len(real), 'real image')} are also among the scored images: the results of the "
            "method real are too good"
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
        seed=request.seed,
        device=request.device,
        threads=torch.get_num_threads(),
        budget_seconds=request.budget,
        scored=scored.facts,
        real=None
        if real is None
        else images_facts(LabelledImages(images=real.images.numpy(), truth=real.labels.numpy(), source=real.origin)),
        machine=this_machine(),
        versions=versions(),
        warnings=tuple(warnings),
        cells=(),
    )


def _cells(model: FloatModel, request: CompareRequest, comparison: Comparison) -> Iterator[Cell]:
    """The cells that are asked for, before they run; one that cannot run has its reason already."""
    real = comparison.real
    for bits in (name for name in BIT_WIDTHS if name in request.bits):
        for name in (name for name in METHODS if name in request.methods):
            method, recipe = METHODS[name], request.recipe(model, name, bits)
            identity = JobIdentity(
                tool_version=comparison.tool_version,
                network_sha256=model.sha256,
                preprocessing=preprocessing_of(model.input_spec),
                target=comparison.target,
                recipe_sha256=recipe_sha256(recipe),
                seed=request.seed,
                device=request.device,
                budget_seconds=None if method.budget is BudgetUse.IGNORED else request.budget,
                scored_sha256=comparison.scored.sha256,
                calibration_sha256=real.sha256 if method.real and real is not None else None,
            )
            reason = NO_REAL_IMAGES if method.real and real is None else None
            yield Cell(bits=bits, method=name, recipe=recipe.name, identity=identity, reason=reason)

"""Cells of a comparison on the workers of a cluster, each with the threads of this process and the same images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from gdfq_export.jobs.batch.network_cache import loaded
from gdfq_export.jobs.batch.network_source import NetworkSource
from gdfq_export.jobs.cluster.run_work import run_work
from gdfq_export.jobs.cluster.work import Cluster, Functions, Work
from gdfq_export.jobs.compare.cells import Cell
from gdfq_export.jobs.compare.files import file_name
from gdfq_export.jobs.compare.run_cell import CellSettings, run_cell
from gdfq_export.support.progress import SilentProgress

CellAndNetwork = tuple[Cell, bytes | None]
"""A cell that ran, and the bytes of its network; None where it could not be run."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellWork:
    """What a worker needs to run a cell; `threads` are torch's, on which the bytes of a network depend."""

    source: NetworkSource
    sha256: str
    cell: Cell
    settings: CellSettings
    labelled: bool
    threads: int


def cells_on_cluster(
    source: NetworkSource, cluster: Cluster, cells: Sequence[tuple[Cell, CellSettings]], *, labelled: bool
) -> Iterator[CellAndNetwork]:
    """Run cells and give each when it is done; one that a defect ended has that as its reason.

    Args:
        source: of the network; workers load it themselves.
        cluster: where cells run.
        cells: what to run, and how; workers keep no checkpoints.
        labelled: the labels of the scored images were given.

    Raises:
        BackendUnavailable: the cluster cannot be used, or was lost.
    """
    sha256, threads = source.sha256(), torch.get_num_threads()
    work = []
    for cell, settings in cells:
        settings = replace(settings, checkpoint=None)
        argument = CellWork(
            source=source, sha256=sha256, cell=cell, settings=settings, labelled=labelled, threads=threads
        )
        work.append(Work(key=f"{cell.identity.sha256}-{cell.method}", argument=argument, shared=sha256))
    for done in run_work(Functions(run=_run, prepare=_prepare), work, cluster):
        if done.error is None:
            yield done.value
        else:
            reason = f"internal error: {type(done.error).__name__}: {' '.join(str(done.error).split())[:300]}"
            yield replace(done.work.argument.cell, reason=reason), None


def _run(work: CellWork) -> CellAndNetwork:
    torch.set_num_threads(work.threads)
    cell = work.cell
    made, result = run_cell(
        loaded(work.source, work.sha256),
        cell,
        work.settings,
        name=file_name(cell.bits, cell.method),
        progress=SilentProgress(),
        labelled=work.labelled,
    )
    return made, None if result is None else bytes(result.onnx_bytes)


def _prepare(work: CellWork) -> None:
    loaded(work.source, work.sha256)

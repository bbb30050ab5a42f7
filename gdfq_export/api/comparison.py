"""Compare methods and bit widths on one network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calib.samplers import RealSet
from gdfq_export.api.networks import Network, load
from gdfq_export.errors import InputError
from gdfq_export.frontend.demo import held_out_set
from gdfq_export.jobs.batch.network_source import NetworkSource
from gdfq_export.jobs.compare.cells import Comparison
from gdfq_export.jobs.compare.compare import DEFAULT_BUDGET, CompareOptions, CompareRequest
from gdfq_export.jobs.compare.compare import compare as run_compare
from gdfq_export.jobs.compare.files import FILES, make_folder
from gdfq_export.jobs.compare.methods import DEFAULT_BITS, DEFAULT_METHODS, require_known
from gdfq_export.jobs.compare.scored_images import scored_images
from gdfq_export.jobs.given_inputs import GivenImages, labelled_of, real_of
from gdfq_export.jobs.resume.threads import threads_for
from gdfq_export.jobs.run_context import RunContext


def compare(
    model: Network = None,
    out: str | Path = "comparison",
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    bits: Sequence[str] = DEFAULT_BITS,
    data: GivenImages | None = None,
    calibration: RealSet | str | Path | None = None,
    options: CompareOptions | None = None,
    run: RunContext | None = None,
) -> Comparison:
    """Quantize a network by several methods at several bit widths, and score all files on the same images.

    Args:
        model: the float network, as `load` takes it.
        out: folder for the comparison's files; cells that it holds already are not run again.
        methods: `noise`, `dfq`, `zeroq`, `gdfq`, `ours`, `real`.
        bits: `w8a8`, `w4a8`, `w4a4`, ...
        data: labelled images to score with; without them the agreement with float on synthesized images is compared.
        calibration: real images for the method `real`, other ones than `data`.
        options: target, number of images to synthesize, displays.
        run: seed, device, threads; `budget_seconds` is that of each cell, 300 where it is None, and `checkpoint` a
            folder for the states of all cells.

    Returns:
        The cells, each with its figures or the reason why it could not be run.

    Raises:
        InputError: a method or bit widths are unknown, workers of a cluster cannot load the network, or an earlier
            comparison in the folder cannot be read.
        BackendUnavailable: nothing here runs files of that target.

    Example:
        >>> import gdfq_export as gq
        >>> found = gq.compare("net.onnx", methods=["dfq", "ours"], bits=["w4a4"])  # doctest: +SKIP
        >>> [cell.method for cell in found.cells]  # doctest: +SKIP
        ['dfq', 'ours']
    """
    run, options, network = (run or RunContext()).started(), options or CompareOptions(), load(model)
    source = _source(model, options)
    run.progress.warn(*network.warnings)
    require_known(methods, bits)
    if data is None and model is None and options.images is None:
        data = held_out_set()
    labelled = None if data is None else labelled_of(data, network)
    if run.checkpoint is not None:
        make_folder(run.checkpoint)
    with threads_for(run, network):
        request = CompareRequest(
            methods=methods,
            bits=bits,
            scored=scored_images(network, labelled, make_folder(Path(out), FILES), options.images, run),
            real=None if calibration is None else real_of(calibration, network),
            target=options.target,
            keep_float=options.keep_float,
            keep_int16=options.keep_int16,
            budget=run.budget_seconds or DEFAULT_BUDGET,
            seed=run.seed,
            device=run.device,
            checkpoint=run.checkpoint,
            restart=run.restart,
            cluster=options.cluster,
            source=source,
        )
        found = run_compare(network, request, folder=Path(out), progress=options.progress, listener=options.listener)
    run.discard_checkpoint()
    return found


def _source(model: Network, options: CompareOptions) -> NetworkSource | None:
    """How workers load the network; None where cells run in this process.

    Raises:
        InputError: the network has no name that workers could load it by.
    """
    if options.cluster.scheduler is None and options.cluster.workers == 1:
        return None
    if options.source is not None:
        return options.source
    if model is not None and not isinstance(model, str | Path):
        raise InputError(
            "workers load the network themselves: give compare the path or name of one, or CompareOptions(source=...), "
            "instead of a network that is loaded"
        )
    return NetworkSource(model=None if model is None else str(model))

"""Quantize a network, or only plan where Q/DQ goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.api.networks import Network, load
from gdfq_export.frontend.demo import held_out_set
from gdfq_export.jobs.given_inputs import GivenImages, calibration_of, labelled_of, recipe_of
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.quantizing.whole_run import AUTO, run_whole
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.planning.placement import as_planned, forewarnings, plan_of
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.planning.precision.goals import require_goals
from gdfq_export.recipe import DEFAULT_RECIPE, Gates, Recipe
from gdfq_export.support.files import require_writable
from gdfq_export.targets import find_target


def quantize(
    model: Network = None,
    recipe: Recipe | str | Path = DEFAULT_RECIPE,
    out: str | Path | None = None,
    *,
    target: str | None = None,
    data: GivenImages | None = None,
    calibration: SyntheticSet | RealSet | str | Path | None = None,
    gates: Mapping[str, float | bool] | None = None,
    run: RunContext | None = None,
) -> Result:
    """Quantize a network without its training data, and measure the file on its runtime.

    Args:
        model: the float network, as `load` takes it.
        recipe: a shipped recipe's name, a YAML file, or a `Recipe`.
        out: ONNX file to write; None keeps it in memory (`result.save`).
        target: runtime the file is for (`ort-cpu`, `openvino`, ...); `auto` times drafts in every installed runtime
            and takes the fastest; None is the recipe's.
        data: real images to score with, never to tune with: a `RealSet`, an `.npz`, or a folder as the network's task
            reads it (of a classifier: with `labels.csv`).
        calibration: images to use instead of synthesizing.
        gates: limits by gate name, for instance `{"max-top1-drop-pp": 1.0}`; verdicts are in `result.report.gates`.
        run: seed, device, threads, time budget, progress, and where a run is kept that may be interrupted.

    Returns:
        File, report, simulation and images of the run.

    Raises:
        InputError: the network, the data, the recipe or `out` cannot be used.
        BackendUnavailable: the target's runtime is not installed.
        DataError: the images cannot be read.
        SharedWorkDone: of several processes (`run.processes`), in all but the first.

    Example:
        >>> import gdfq_export as gq
        >>> result = gq.quantize(recipe="paper/noise")  # the embedded demo network, on noise
        >>> result.report.parity.exact, result.file.name
        (True, 'model.onnx')
    """
    run = (run or RunContext()).started()
    if out is not None:
        require_writable(Path(out))
    chosen = recipe_of(recipe, None if target == AUTO else target)
    limits = {**chosen.gates.limits(), **(gates or {})}
    if chosen.bits.precision == "auto":
        chosen = chosen.model_copy(update={"gates": Gates.of(limits)})
        require_goals(chosen)
    network = load(model)
    run.progress.warn(*network.warnings, *network.batch_notice)
    data = held_out_set() if model is None and data is None else data
    request = QuantizeRequest(
        model=network,
        recipe=chosen,
        labelled=None if data is None else labelled_of(data, network),
        calibration=calibration_of(calibration, chosen, network),
        gates=limits,
        name="model.onnx" if out is None else Path(out).name,
    )
    result = run_whole(request, run, target)
    if out is not None:
        result.save(out)
        run.discard_checkpoint()
    return result


def plan(
    model: Network = None,
    recipe: Recipe | str | Path = DEFAULT_RECIPE,
    *,
    target: str | None = None,
    run: RunContext | None = None,
) -> QuantPlan:
    """Return which tensors `quantize` would quantize, and how, before `bits.mixed` raises any.

    Raises:
        InputError: the network or the recipe cannot be used, or the target does not take the recipe's bits.

    Example:
        >>> import gdfq_export as gq
        >>> gq.plan().target
        'ort-cpu'
    """
    chosen, network = recipe_of(recipe, target), load(model)
    placed = plan_of(as_planned(network, find_target(chosen.target), chosen.bits), chosen.target, chosen.bits)
    (run or RunContext()).progress.warn(*network.warnings, *network.batch_notice, *forewarnings(placed))
    return placed

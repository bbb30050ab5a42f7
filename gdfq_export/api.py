"""The Python API: each function is one job, and each command of the command line is one call of it.

    import gdfq_export as gq

    result = gq.quantize("net.onnx", out="net.int8.onnx")
    print(result.report.passed)

A network is given as a path (`.onnx`, `.pt2`), a published network's name (`pytorchcv:resnet18`), a
`package.module:callable`, a torch module loaded by `gq.load(module, input_shape=(3, 224, 224))`, or None for the
embedded demo network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.errors import InputError
from gdfq_export.frontend.demo import held_out_set
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.auto_target.choose_target import choose_target
from gdfq_export.jobs.auto_target.quantize_fastest import quantize_fastest
from gdfq_export.jobs.given_inputs import bundle_of, calibration_of, labelled_of, recipe_of
from gdfq_export.jobs.quantize import QuantizeRequest
from gdfq_export.jobs.quantize import quantize as run_quantize
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.synthesize import synthesize as run_synthesize
from gdfq_export.jobs.verify.evaluation_data import EvaluationData
from gdfq_export.jobs.verify.subject import find_subject
from gdfq_export.jobs.verify.verify import Gating, VerifyOptions
from gdfq_export.jobs.verify.verify import verify as run_verify
from gdfq_export.lint.inspect import InspectedFile, inspect_model
from gdfq_export.planning.placement import forewarnings, plan_of
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import DEFAULT_RECIPE, Recipe, list_recipes
from gdfq_export.report.report import Report
from gdfq_export.support.files import require_writable
from gdfq_export.targets import find_target

if TYPE_CHECKING:
    from gdfq_export.runtimes.environment.doctor import Diagnosis

__all__ = ["AUTO", "doctor", "inspect", "load", "plan", "quantize", "recipes", "synthesize", "verify"]

AUTO = "auto"
Network = FloatModel | str | Path | nn.Module | None


def load(
    model: Network = None,
    *,
    scale: float | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    input_shape: Sequence[int] | None = None,
) -> FloatModel:
    """Load a float network, ready to quantize.

    Args:
        model: path to `.onnx` or `.pt2`, `package.module:callable`, `pytorchcv:`, `timm:` or `torchvision:` and a name,
            a torch module, or None for the embedded demo.
        scale: pixels 0..255 are divided by it; 255 unless stated here or in the sidecar `NAME.json`.
        mean: subtracted after scaling, one number or one per channel.
        std: divides after that, one number or one per channel.
        input_shape: (C, H, W) of one image; needed where the network does not say it.

    Returns:
        The network in every form that quantization needs; one that is loaded already comes back as it is.

    Raises:
        InputError: `model` cannot be used; the message says why and what to do.

    Example:
        >>> load().input_spec.shape
        (1, 8, 8)
    """
    if isinstance(model, FloatModel):
        return model
    return load_model(model, scale=scale, mean=mean, std=std, input_shape=input_shape)


def quantize(
    model: Network = None,
    recipe: Recipe | str | Path = DEFAULT_RECIPE,
    out: str | Path | None = None,
    *,
    target: str | None = None,
    data: RealSet | str | Path | None = None,
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
        data: labelled images to score with, never to tune with: a `RealSet`, an `.npz` or a folder with `labels.csv`.
        calibration: images to use instead of synthesizing.
        gates: limits by gate name, for instance `{"max-top1-drop-pp": 1.0}`; verdicts are in `result.report.gates`.
        run: seed, device, threads, time budget, progress.

    Returns:
        File, report, simulation and images of the run.

    Raises:
        InputError: the network, the data, the recipe or `out` cannot be used.
        BackendUnavailable: the target's runtime is not installed.
        DataError: the images cannot be read.

    Example:
        >>> result = quantize(recipe="w8a8-ort-cpu", target="ort-cpu")  # doctest: +SKIP
        >>> result.report.parity.exact  # doctest: +SKIP
        True
    """
    run = (run or RunContext()).started()
    if out is not None:
        require_writable(Path(out))
    chosen = recipe_of(recipe, None if target == AUTO else target)
    network = load(model)
    run.progress.warn(*network.warnings)
    labelled = held_out_set() if model is None and data is None else labelled_of(data, network)
    request = QuantizeRequest(
        model=network,
        recipe=chosen,
        labelled=labelled,
        calibration=calibration_of(calibration, chosen, network),
        gates={**chosen.gates.limits(), **(gates or {})},
        name="model.onnx" if out is None else Path(out).name,
    )
    if target == AUTO:
        result = quantize_fastest(request, choose_target(network, chosen, run), run)
    else:
        run.progress.warn(*forewarnings(plan_of(network, chosen.target, chosen.bits)))
        result = run_quantize(request, run)
    if out is not None:
        result.save(out)
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
        >>> plan().target
        'ort-cpu'
    """
    chosen, network = recipe_of(recipe, target), load(model)
    placed = plan_of(network, chosen.target, chosen.bits)
    (run or RunContext()).progress.warn(*network.warnings, *forewarnings(placed))
    return placed


def synthesize(
    model: Network = None,
    recipe: Recipe | str | Path = DEFAULT_RECIPE,
    out: str | Path | None = None,
    *,
    count: int | None = None,
    run: RunContext | None = None,
) -> SyntheticSet:
    """Synthesize images for a network, from the network alone.

    Args:
        model: the float network, as `load` takes it.
        recipe: how the images are made.
        out: `.npz` file to write; None keeps them in memory.
        count: number of images; None makes as many as a run of the recipe needs.
        run: seed, device, threads, progress.

    Returns:
        Images `[N, C, H, W]`, preprocessed, with labels and the float network's outputs; ONNX Runtime's
        `quantize_static` takes the set as a calibration data reader.

    Raises:
        InputError: the network or the recipe cannot be used, or training diverged.
    """
    run = (run or RunContext()).started()
    if out is not None:
        require_writable(Path(out))
    network = load(model)
    run.progress.warn(*network.warnings)
    made = run_synthesize(network, recipe_of(recipe, None), run, count=count)
    if out is not None:
        made.save(Path(out))
    return made


def verify(
    file: str | Path,
    reference: Network = None,
    *,
    data: RealSet | str | Path | None = None,
    images: SyntheticSet | str | Path | None = None,
    gates: Mapping[str, float | bool] | Gating | None = None,
    options: VerifyOptions | None = None,
    run: RunContext | None = None,
) -> Report:
    """Measure a quantized file of any tool, an engine or a bundle against its float network.

    Args:
        file: an ONNX file with Q/DQ, a TensorRT engine, or a bundle (its folder or its `manifest.json`).
        reference: the float network, as `load` takes it; a bundle holds its own.
        data: labelled images to score with.
        images: images without labels to compare on; without both, images are synthesized.
        gates: limits by gate name, or a `Gating` with a baseline.
        options: target, runtime, and the latency measurement.
        run: seed and progress.

    Returns:
        The report; `report.passed` says whether every gate holds.

    Raises:
        InputError: a file cannot be used, does not belong to the float network, or a bundle was changed.
        BackendUnavailable: the runtime or its device is missing.
    """
    run, options = run or RunContext(), options or VerifyOptions()
    bundle = bundle_of(Path(file))
    if bundle is not None:
        reference = reference or bundle.float_network
        images = bundle.calibration if images is None and data is None else images
    if reference is None:
        raise InputError(f"{file} needs its float network to be measured against; give it as reference (--reference)")
    subject = find_subject(
        Path(file) if bundle is None else bundle.model,
        engine=None if bundle is None else bundle.engine,
        target=options.target,
        backend=options.backend,
    )
    network = load(reference)
    run.progress.warn(*network.warnings)
    saved = SyntheticSet.load(Path(images)) if isinstance(images, str | Path) else images
    return run_verify(
        network,
        subject,
        run,
        data=EvaluationData(labelled=labelled_of(data, network), saved=saved),
        timing=options.timing,
        gating=gates if isinstance(gates, Gating) else Gating(limits=gates or {}),
    )


def inspect(file: str | Path, targets: Iterable[str] = ()) -> InspectedFile:
    """Read what is in an ONNX file, and which rules of a runtime it breaks; nothing is run.

    Args:
        file: an ONNX file of any tool.
        targets: whose rules to check; none: those of the target the file was made for, or of all.

    Raises:
        InputError: the file cannot be read or is no ONNX model, or there is no such target.
    """
    return inspect_model(Path(file), [find_target(name) for name in dict.fromkeys(targets)])


def recipes() -> tuple[Recipe, ...]:
    """Return the shipped recipes, the default first.

    Example:
        >>> recipes()[0].name
        'w8a8-ort-cpu'
    """
    return tuple(list_recipes())


def doctor() -> Diagnosis:
    """Return what this machine can run: runtimes, targets, devices, and whether its integer products are exact."""
    from gdfq_export.runtimes.environment.doctor import diagnose

    return diagnose()

"""Measure a quantized file, an engine or a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from calib.synthetic_set import SyntheticSet
from gdfq_export.api.networks import Network, load
from gdfq_export.errors import InputError
from gdfq_export.jobs.given_inputs import GivenImages, bundle_of, labelled_of
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.verify.evaluation_data import EvaluationData
from gdfq_export.jobs.verify.other_cpus import other_cpus
from gdfq_export.jobs.verify.subject import find_subject
from gdfq_export.jobs.verify.verify import Gating, VerifyOptions
from gdfq_export.jobs.verify.verify import verify as run_verify
from gdfq_export.report.report import Report


def verify(
    file: str | Path,
    reference: Network = None,
    *,
    data: GivenImages | None = None,
    images: SyntheticSet | str | Path | None = None,
    gates: Mapping[str, float | bool] | Gating | None = None,
    cpus: Sequence[str] = (),
    options: VerifyOptions | None = None,
    run: RunContext | None = None,
) -> Report:
    """Measure a quantized file of any tool, an engine or a bundle against its float network.

    Args:
        file: an ONNX file with Q/DQ, a TensorRT engine, or a bundle (its folder or its `manifest.json`).
        reference: the float network, as `load` takes it; a bundle holds its own.
        data: real images to score with.
        images: images without labels to compare on; without both, images are synthesized.
        gates: limits by gate name, or a `Gating` with a baseline.
        cpus: CPUs to run an ONNX file on besides, in ONNX Runtime under emulation: `cortex-a53`, `cortex-a72`,
            `cortex-a76`, `arm64-max`, `haswell`, `nehalem`; the gate require-parity then means these, and `native` is
            this machine's own. See `install_emulator`.
        options: target, runtime, the latency measurement, and how many images an emulated CPU runs.
        run: seed and progress.

    Returns:
        The report; `report.passed` says whether every gate holds.

    Raises:
        InputError: a file cannot be used, does not belong to the float network, or a bundle was changed or is
            not signed by the key of `options`.
        BackendUnavailable: the runtime, its device or the emulator is missing.

    Example:
        >>> import gdfq_export as gq
        >>> report = gq.verify("net.int8.onnx", "net.onnx", gates={"min-agreement": 0.99})  # doctest: +SKIP
        >>> report.passed  # doctest: +SKIP
        True
    """
    run, options = run or RunContext(), options or VerifyOptions()
    bundle = bundle_of(Path(file), options.public_key)
    if bundle is not None:
        run.progress.warn(*bundle.unchecked(options.public_key))
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
    chosen = other_cpus(cpus, subject, images=options.cpu_images, seconds=options.cpu_seconds) if cpus else None
    network = load(reference)
    run.progress.warn(*network.warnings)
    saved = SyntheticSet.load(Path(images)) if isinstance(images, str | Path) else images
    return run_verify(
        network,
        subject,
        run,
        data=EvaluationData(labelled=None if data is None else labelled_of(data, network), saved=saved),
        timing=options.timing,
        gating=gates if isinstance(gates, Gating) else Gating(limits=gates or {}),
        cpus=chosen,
    )

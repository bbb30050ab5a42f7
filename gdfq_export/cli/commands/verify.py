"""gdfq-export verify: measure a quantized file or an engine against its float network, and check gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gdfq_export.cli.options.gates import gate_limits, gate_options
from gdfq_export.cli.options.shared import (
    COUNT,
    IMAGES,
    OUTPUT,
    SEED,
    InputPath,
    checked_model,
    details_option,
    log_level_option,
    preprocessing_options,
)
from gdfq_export.cli.output.echo import echo

CPU_NAMES = ("cortex-a53", "cortex-a72", "cortex-a76", "arm64-max", "haswell", "nehalem", "native")
RUNTIMES = {
    "ort": "onnxruntime",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "tensorrt": "tensorrt",
    "qnn": "qnn",
}


@click.command()
@click.argument("model", type=InputPath("give the path of an .onnx file or an engine"), required=False)
@click.option(
    "--reference",
    metavar="MODEL",
    callback=checked_model,
    help="The float network, as gdfq-export quantize takes it.",
)
@click.option(
    "--manifest",
    type=OUTPUT,
    help="manifest.json of a bundle: its files are checked against their hashes, and stand for MODEL and --reference.",
)
@click.option(
    "--public-key",
    type=InputPath("give the PEM file of a public key"),
    metavar="KEY",
    help="Refuse the bundle unless it was signed with the private key of this public key (PEM); needs the extra sign.",
)
@click.option(
    "--data",
    type=IMAGES,
    help="Real images to score with: an .npz (images, labels) or a folder with labels.csv; other tasks' labels are in "
    "docs/tasks.md.",
)
@click.option(
    "--images",
    type=IMAGES,
    help="Images without labels to compare outputs on, from gdfq-export synthesize.  [default: --data, else new ones]",
)
@click.option("--backend", type=click.Choice([*RUNTIMES]), help="Runtime to measure in.  [default: the file's own]")
@click.option("--target", metavar="NAME", help="Target whose rules the file must keep.  [default: the file's own]")
@click.option(
    "--cpu",
    "cpus",
    type=click.Choice(CPU_NAMES),
    multiple=True,
    help="A CPU to run the file on besides, under emulation (gdfq-export emulator install); may be repeated.",
)
@click.option("--cpu-images", type=COUNT, default=8, help="Images that each emulated CPU runs.")
@click.option(
    "--cpu-seconds",
    type=click.FloatRange(1, 86400),
    default=1800.0,
    help="Seconds that an emulated CPU may take for 8 images before it is ended.",
)
@gate_options
@click.option("--gates", type=OUTPUT, help="YAML file with a section gates; flags win over it.")
@click.option("--baseline", type=OUTPUT, help="An earlier report to compare this one with.")
@click.option(
    "--max-regression",
    multiple=True,
    metavar="NAME=VALUE",
    help="Largest regression of a figure from the baseline, for instance top1-pp=0.5 or latency-ratio=0.05.",
)
@details_option
@click.option("--json", "json_out", type=OUTPUT, help="The report to write.")
@click.option("--html", type=OUTPUT, help="The report as a page, one file.")
@click.option("--junit", type=OUTPUT, help="The gates as JUnit XML, one test case a gate.")
@click.option("--markdown", type=OUTPUT, help="The report in short, for a pull request.")
@click.option(
    "--latency-seconds",
    type=click.FloatRange(0, 600),
    default=5.0,
    help="Seconds for the latency measurement; 0: none.",
)
@click.option("--batch", type=COUNT, default=1, help="Batch size for the latency measurement.")
@click.option(
    "--threads",
    type=COUNT,
    default=1,
    help="Runtime threads for the latency measurement.",
)
@click.option("--seed", type=SEED, default=0, help="Random seed of synthesized images.")
@preprocessing_options
@log_level_option
def verify(
    model: Path | None,
    reference: str | None,
    manifest: Path | None,
    public_key: Path | None,
    data: Path | None,
    images: Path | None,
    backend: str | None,
    target: str | None,
    cpus: tuple[str, ...],
    cpu_images: int,
    cpu_seconds: float,
    gates: Path | None,
    baseline: Path | None,
    max_regression: tuple[str, ...],
    json_out: Path | None,
    html: Path | None,
    junit: Path | None,
    markdown: Path | None,
    latency_seconds: float,
    batch: int,
    threads: int,
    seed: int,
    details: bool,
    preprocessing: dict[str, Any],
    **flags: Any,
) -> None:
    """Measure MODEL, a Q/DQ file of any tool or an engine of TensorRT, against the float network --reference.

    Accuracy or agreement, error layer by layer, what really runs on integers, time, memory and size; then every gate is
    checked. That no node breaks a rule of the runtime is always a gate of an ONNX file. Without --data
    and --images, images are made from the float network. An engine runs on the GPU that it was built for.
    With --cpu, ONNX Runtime runs the file on other CPUs too: --require-parity then means all that are named.

    Exit code 1 where a gate fails or the images do not decide it.
    """
    from gdfq_export.cli.options.outputs import require_outputs, sidecar_of

    if data is not None and images is not None:
        raise click.UsageError("--data and --images both say what to evaluate on; give one of them")
    inputs = (model, reference, sidecar_of(reference), data, images, gates, baseline, manifest, public_key)
    require_outputs((json_out, html, junit, markdown), inputs)

    gating = _gating(gates, gate_limits(flags), baseline, max_regression)
    subject = _subject(model, reference, manifest, public_key)

    import gdfq_export as gq
    from gdfq_export.cli.output.progress_display import print_warnings, progress_display
    from gdfq_export.cli.output.report_outputs import require_passed, write_views
    from gdfq_export.cli.output.report_tables import print_report

    progress = progress_display()
    bundle = None if manifest is None else gq.open_bundle(manifest, public_key=public_key)
    network = gq.load(reference if bundle is None else bundle.float_network, **preprocessing)
    echo(network.task_notice, err=True)
    report = gq.verify(
        subject,
        network,
        data=data,
        images=images,
        gates=gq.Gating(**gating),
        cpus=cpus,
        options=gq.VerifyOptions(
            cpu_images=cpu_images,
            cpu_seconds=cpu_seconds,
            public_key=public_key,
            target=target,
            backend=RUNTIMES.get(backend or ""),
            timing=gq.Timing(seconds=latency_seconds, batch=batch, threads=threads),
        ),
        run=gq.RunContext(seed=seed, progress=progress),
    )
    write_views(report, json_out=json_out, html=html, junit=junit, markdown=markdown)
    print_warnings(warning for warning in report.warnings if warning not in progress.warned)
    print_report(report, details=details)
    require_passed(report)


def _subject(model: Path | None, reference: str | None, manifest: Path | None, public_key: Path | None) -> Path:
    """The file or the manifest to verify."""
    if manifest is not None and (model is not None or reference is not None):
        raise click.UsageError("--manifest names the file and the float network; leave out MODEL and --reference")
    if public_key is not None and manifest is None:
        raise click.UsageError("--public-key checks who signed a bundle; give --manifest")
    subject = manifest or model
    if subject is None or (manifest is None and reference is None):
        raise click.UsageError("give MODEL and --reference, or --manifest")
    return subject


def _gating(
    gates: Path | None, flags: dict[str, float | bool], baseline: Path | None, max_regression: tuple[str, ...]
) -> dict[str, Any]:
    """Arguments of `Gating`: limits of the file `gates` and of flags, which win; baseline and allowed regressions."""
    from gdfq_export.recipe.gates import load_gates
    from gdfq_export.report.baseline import read_baseline
    from gdfq_export.report.regressions import parse_regression

    limits = (load_gates(gates).limits() if gates is not None else {}) | flags
    allowed = dict(map(parse_regression, max_regression))
    if bool(allowed) != (baseline is not None):
        raise click.UsageError(
            "--baseline and --max-regression go together: a report, and how much worse figures may be"
        )
    return {"limits": limits, "baseline": None if baseline is None else read_baseline(baseline), "allowed": allowed}

"""gdfq-export build: ONNX file in, TensorRT engine out, and what runs as integer in it."""

from __future__ import annotations

from pathlib import Path

import click

from gdfq_export.cli.options.shared import COUNT, MODEL_FILE, OUTPUT
from gdfq_export.cli.output.echo import echo

_FINDINGS = 8


@click.command()
@click.argument("model", type=MODEL_FILE)
@click.option("--engine-out", type=OUTPUT, required=True, help="The engine to write.")
@click.option(
    "--batch",
    type=COUNT,
    default=1,
    help="Batch the engine is tuned for; smaller ones run too.",
)
@click.option(
    "--timing-cache",
    type=OUTPUT,
    help="Measured kernels, read if the file exists and written again, so that later builds are quick; TensorRT-RTX "
    "measures none, which a warning says.",
)
@click.option(
    "--level",
    type=click.IntRange(0, 5),
    default=3,
    help="TensorRT's builder optimization level: how long it looks for fast kernels.",
)
def build(model: Path, engine_out: Path, batch: int, timing_cache: Path | None, level: int) -> None:
    """Build a TensorRT engine of MODEL, a Q/DQ file of any tool, and say which layers run on integers.

    The file is first checked against TensorRT's rules, which name the node that breaks one. TensorRT builds on a GPU,
    for that GPU; TensorRT-RTX builds for RTX GPUs on any machine.
    """
    from gdfq_export.cli.options.outputs import require_outputs

    outputs = [path for path in (engine_out, timing_cache) if path is not None]
    require_outputs(outputs, (model,))

    from gdfq_export.cli.output.progress_display import print_warnings, progress_display
    from gdfq_export.cli.output.report_tables import print_engine
    from gdfq_export.errors import InputError
    from gdfq_export.frontend.passes.acceptance import not_quantized
    from gdfq_export.frontend.sources.onnx_file import read_onnx
    from gdfq_export.lint.tensorrt_rules import tensorrt_findings
    from gdfq_export.runtimes.tensorrt import build_engine, reason_against_gpu
    from gdfq_export.support.files import write_files
    from gdfq_export.support.finding import Consequence
    from gdfq_export.support.text import counted

    proto = read_onnx(model)
    print_warnings(not_quantized(proto, str(model)))
    findings = tensorrt_findings(proto)
    print_warnings(f"{finding.message} ({finding.consequence})" for finding in findings[:_FINDINGS])
    if (more := len(findings) - _FINDINGS) > 0:
        print_warnings([f"{counted(more, 'more finding')}; gdfq-export inspect --target tensorrt lists them all"])
    if refused := [finding for finding in findings if finding.consequence is Consequence.REFUSED]:
        raise InputError(
            f"{model}: TensorRT would refuse {len(refused)} of its nodes, first {refused[0].message}; quantize the "
            "network with --target tensorrt"
        )
    with progress_display().phase("build the engine"):
        engine = build_engine(model, batches=(1, batch, batch), timing_cache=timing_cache, level=level)
    print_warnings(engine.warnings)
    write_files({engine_out: engine.data})
    print_engine(engine, reason_against_gpu() or "gdfq-export verify times an engine")
    echo(f"wrote {engine_out}")

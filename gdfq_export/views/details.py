"""The figures of a report that its summary leaves out, as rows of a table: name, value, sample."""

from __future__ import annotations

from collections.abc import Iterator

from gdfq_export.planning.layer_mix import LayerMix
from gdfq_export.report.figure_text import percent
from gdfq_export.report.report import Report
from gdfq_export.report.summary_table import Row, not_measured_row
from gdfq_export.runtimes import runtime_title
from gdfq_export.runtimes.base import HOST_CLOCK
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

_RULES = 5
_NODES = 8


def detail_rows(report: Report) -> list[Row]:
    """A few rows per section, none for a section that was not measured: the summary has the reasons."""
    sections = (
        _accuracy,
        _agreement,
        _outputs,
        _layers,
        _simulation,
        _coverage,
        _latency,
        _resources,
        _budget,
        _mixed_bits,
        _kept,
        _precision,
        _findings,
        _gates,
    )
    return [row for section in sections for row in section(report)]


def _accuracy(report: Report) -> Iterator[Row]:
    if isinstance(accuracy := report.accuracy, NotMeasured):
        return
    on = f"{counted(accuracy.images, 'image')} of {accuracy.source}"
    for name, scores in (("top-1", accuracy.top1), ("top-5", accuracy.top5)):
        if isinstance(scores, NotMeasured):
            continue
        yield f"{name} accuracy, float", percent(scores.float_network), on
        yield f"{name} accuracy, quantized", percent(scores.quantized), on
        drop = f"{scores.drop_pp:+.2f} pp [{scores.drop_low_pp:+.2f}, {scores.drop_high_pp:+.2f}] at 95 %"
        yield f"{name} drop", drop, f"paired, {on}"


def _agreement(report: Report) -> Iterator[Row]:
    if isinstance(agreement := report.agreement, NotMeasured):
        return
    on = f"{counted(agreement.images, 'image')} of {agreement.source}"
    if not isinstance(report.accuracy, NotMeasured) and report.accuracy.source != agreement.source:
        yield "top-1 agreement with float", percent(agreement.top1), on
    error = f"logit error {agreement.rms_logit_error:.3g} RMS, {agreement.max_abs_logit_error:.3g} maximum; {on}"
    yield "KL divergence from float", f"{agreement.kl_mean_nats:.2g} nats", error


def _outputs(report: Report) -> Iterator[Row]:
    """One row an output, where there are several or no classes."""
    task = report.task
    if task is None or (task.name == "classify" and len(task.outputs) < 2):
        return
    for error in task.outputs:
        constant = "; float gives the same for all images" if error.constant else ""
        detail = f"cosine {error.cosine:.5f}, largest error {error.max_abs_error:.3g}{constant}"
        yield f"SNR of output {error.output}", f"{error.snr_db:.1f} dB", detail


def _layers(report: Report) -> Iterator[Row]:
    if isinstance(layers := report.layers, NotMeasured):
        yield not_measured_row("error by layer", layers)
        return
    last = layers.layers[-1]
    least = min(layers.layers, key=lambda layer: layer.snr_db)
    on = f"{counted(len(layers.layers), 'tensor')}, {counted(layers.images, 'image')} of {layers.source}"
    yield "SNR of the output", f"{last.snr_db:.1f} dB", f"lowest {least.snr_db:.1f} dB in {least.tensor}; {on}"


def _simulation(report: Report) -> Iterator[Row]:
    if isinstance(simulation := report.simulation, NotMeasured):
        return
    on = f"{counted(simulation.images, 'image')} of {simulation.source}"
    yield "logit error from the simulation", f"{simulation.rms_logit_error:.2g} RMS", on


def _coverage(report: Report) -> Iterator[Row]:
    if isinstance(coverage := report.coverage, NotMeasured):
        return
    reasons = dict.fromkeys(node.reason for node in coverage.remaining_dequantize)
    yield "remaining DequantizeLinear", str(len(coverage.remaining_dequantize)), "; ".join(list(reasons)[:3]) or "none"


def _latency(report: Report) -> Iterator[Row]:
    if isinstance(latency := report.latency, NotMeasured):
        return
    on = f"batch {latency.batch}, {counted(latency.threads, 'thread')}"
    if latency.clock != HOST_CLOCK:
        on = f"batch {latency.batch}, timed by {latency.clock}"
    for name, timings in (("float", latency.float_network), ("quantized", latency.quantized)):
        spread = f"p90 {timings.p90_ms:.3f}, p99 {timings.p99_ms:.3f} ms; {counted(timings.runs, 'run')}, {on}"
        yield f"latency, {name}", f"{timings.p50_ms:.3f} ms", spread
    noise = f"{100 * max(latency.float_network.relative_iqr, latency.quantized.relative_iqr):.0f} %"
    rounds = counted(latency.speedup.rounds, "interleaved round")
    yield "interquartile range of the rounds", noise, f"{rounds}, the larger of float and quantized"
    yield "throughput", f"{latency.images_per_second:,.0f} images/s", f"{on}, at p50"


def _resources(report: Report) -> Iterator[Row]:
    if isinstance(used := report.resources, NotMeasured):
        return
    quantized, floating = used.quantized, used.float_network
    on = f"float {1000 * floating.load_seconds:.1f} ms; in {runtime_title(used.runtime)}"
    yield "load time", f"{1000 * quantized.load_seconds:.1f} ms", on
    memory = f"float {floating.peak_memory_bytes / 2**20:.1f} MiB; without the runtime itself, batch {used.batch}"
    yield "peak memory", f"{quantized.peak_memory_bytes / 2**20:.1f} MiB", memory


def _budget(report: Report) -> Iterator[Row]:
    if (budget := report.budget) is not None and report.recipe is not None and report.calibration is not None:
        used = report.recipe.used
        chosen = [counted(report.calibration.images, "image")]
        if used["data"]["method"].startswith("gdfq"):
            chosen.append(f"{counted(used['data']['generator']['steps'], 'generator step')}")
        finetune = used["tuning"]["finetune"]
        chosen.append(f"{counted(0 if finetune is None else finetune['steps'], 'fine-tuning step')}")
        yield "budget", f"{budget.seconds_spent:,.0f} of {budget.seconds:,.0f} s", ", ".join(chosen)
    if (over_time := report.accuracy_over_time) is not None:
        on = f"{counted(over_time.images, 'synthetic image')} that nothing was tuned on"
        for point in over_time.points[:1] + tuple(each for each in over_time.points[1:] if each.kept):
            what = f"{point.phase}, step {point.step:,}" if point.step else point.phase
            same = "" if point.agreement is None else f", same class as float {100 * point.agreement:.2f} %"
            yield f"after {point.seconds:,.0f} s", f"output error {point.output_error:.3g}{same}", f"{what}; {on}"


def _mixed_bits(report: Report) -> Iterator[Row]:
    if (mixed := report.mixed_bits) is not None:
        names = ", ".join(mixed.raised[:5]) + (", ..." if len(mixed.raised) > 5 else "")
        of = len(mixed.layers) or len(mixed.sensitivity) or len(mixed.raised)
        note = f"given more bits, weights +{100 * mixed.growth:.1f} %: {names or 'none'}"
        yield "mixed bits", f"{len(mixed.raised)} of {counted(of, 'layer')}", note
        for layer in mixed.layers:
            inputs = "float input" if layer.activations is None else f"A{layer.activations}"
            yield f"bits of {layer.layer}", f"W{layer.weights} {inputs}", _reason_of_bits(layer)
        if mixed.operations is not None:
            what = "multiply-accumulates x bits of weights x bits of inputs"
            yield "bit operations", f"{mixed.operations:.3f} x 8 bits", what


def _kept(report: Report) -> Iterator[Row]:
    """One row for each way to keep nodes."""
    by_reason: dict[str, list[str]] = {}
    for each in report.kept:
        by_reason.setdefault(each.reason, []).append(f"{each.op_type} {each.node}")
    for reason, nodes in by_reason.items():
        more = f", {len(nodes) - _NODES} more" if len(nodes) > _NODES else ""
        yield "nodes by the recipe", counted(len(nodes), "node"), f"{reason}: {', '.join(nodes[:_NODES])}{more}"


def _precision(report: Report) -> Iterator[Row]:
    """The choice of `bits.precision`: points of the frontier, and why for each layer."""
    if (precision := report.precision) is None:
        return
    of = f"of {counted(len(precision.layers), 'layer')}" if precision.layers else "nothing had to stay float"
    yield "layers kept float", str(len(precision.floats)), f"{of}; goals: {precision.goals}"
    for point in precision.frontier:
        kind = "chosen draft" if point.chosen else "measured draft" if point.measured else "predicted"
        time = "not measured" if point.latency_ratio is None else f"{point.latency_ratio:.3f} of float's latency"
        if point.predicted_latency_ratio is not None:
            time += f" (predicted: {point.predicted_latency_ratio:.3f})"
        note = f"{time}, {point.size_ratio:.3f} of its bytes; {counted(point.float_layers, 'float layer')}"
        yield f"precision, {kind}", f"{point.snr_db:.1f} dB", note
    for layer in precision.layers:
        yield f"precision of {layer.layer}", layer.precision, layer.reason


def _reason_of_bits(layer: LayerMix) -> str:
    """What the bits of a layer were decided from: errors of the outputs, bytes, operations."""
    errors = [
        f"{name} alone {error:.2g}"
        for name, error in (("weights", layer.weights_error), ("input", layer.activations_error))
        if error is not None
    ]
    error = f"error of the outputs with fewest bits of {', of '.join(errors)}; " if errors else "not measured; "
    return f"{error}more for weights cost {layer.bytes_added:,} bytes; {100 * layer.operations:.1f} % of all operations"


def _findings(report: Report) -> Iterator[Row]:
    """One row for each broken rule."""
    if isinstance(findings := report.findings, NotMeasured):
        yield not_measured_row("rules", findings)
        return
    broken: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        broken.setdefault((finding.rule, finding.consequence), []).append(finding.message)
    for (rule, consequence), messages in [*broken.items()][:_RULES]:
        more = f"; {counted(len(messages) - 1, 'more node')}" if len(messages) > 1 else ""
        yield f"rule {rule}", consequence, f"{messages[0]}{more}"
    if (more_rules := len(broken) - _RULES) > 0:
        yield "rules", f"{more_rules} more", "gdfq-export inspect lists all"


def _gates(report: Report) -> Iterator[Row]:
    for gate in report.gates:
        limit = "" if gate.limit is True else f" {gate.limit}"
        yield f"gate {gate.name}{limit}", gate.verdict.upper(), gate.message

"""Tables of `gdfq-export inspect`: facts, layers, operators, broken rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdfq_export.cli.output.echo import echo
from gdfq_export.cli.output.report_tables import print_table
from gdfq_export.support.text import counted

if TYPE_CHECKING:
    from gdfq_export.lint import InspectedFile, Inspection, LayerFacts, ValueFacts
    from gdfq_export.support.finding import Finding

_NODES = 8


def print_inspection(inspected: InspectedFile) -> None:
    """The file's form in one line, then tables."""
    facts = inspected.facts
    echo(f"{inspected.path}: {facts.form}")
    print_table(("fact", "value"), _facts(inspected))
    if facts.layers:
        header = ("layer", "operator", "numbers", "types", "weight scales", "zero points", "bias", "bytes")
        print_table(header, map(_layer, facts.layers))
    print_table(("operator", "count"), [(name, str(count)) for name, count in facts.operators.items()])


def print_findings(inspected: InspectedFile) -> None:
    """One row per broken rule with its first nodes; one line per target without any."""
    rows: list[tuple[str, ...]] = []
    for target, findings in inspected.findings.items():
        if not findings:
            echo(f"{target}: nothing found")
        rows.extend((target, *row) for row in _by_rule(findings))
    if rows:
        print_table(("target", "rule", "consequence", "count", "nodes", "first message"), rows)


def _facts(inspected: InspectedFile) -> Iterator[tuple[str, str]]:
    facts = inspected.facts
    yield "bytes", f"{facts.bytes:,}"
    if facts.initializer_bytes:
        yield (
            "of these, stored numbers",
            ", ".join(f"{kind} {count:,}" for kind, count in facts.initializer_bytes.items()),
        )
    yield "operator sets", ", ".join(f"{name} {version}" for name, version in facts.opsets.items())
    yield "IR version", str(facts.ir_version)
    yield "written by", facts.producer or "unknown"
    for key, text in facts.metadata.items():
        yield f"gdfq_export.{key}", text
    yield "inputs", ", ".join(map(_value, facts.inputs))
    yield "outputs", ", ".join(map(_value, facts.outputs))
    if inspected.quantize:
        yield "gdfq-export quantize", inspected.quantize
    yield "quantized tensors", _tensors(facts)
    if facts.layers:
        whole = f"{facts.layers_quantized_as_written} of {counted(len(facts.layers), 'layer')}"
        yield "activation and weight quantized", f"{whole} as written; what runs on integers depends on the runtime"


def _tensors(facts: Inspection) -> str:
    counts: dict[str, int] = defaultdict(int)
    for tensor in facts.tensors:
        counts[tensor.role.value] += 1
    return ", ".join(f"{count} {role}" for role, count in counts.items()) or "none"


def _value(value: ValueFacts) -> str:
    shape = "of unknown shape" if value.shape is None else "[" + ", ".join(map(str, value.shape)) + "]"
    return f"{value.name} {value.dtype} {shape}"


def _layer(layer: LayerFacts) -> tuple[str, ...]:
    types = " x ".join(kind or "float" for kind in (layer.activation_dtype, layer.weight_dtype))
    scales = "" if layer.weight_bits is None else "one"
    if layer.weight_axis is not None:
        block = f" in blocks of {layer.weight_block}" if layer.weight_block else ""
        scales = f"{layer.weight_scales} along axis {layer.weight_axis}{block}"
    bias = "none"
    if layer.has_bias:
        bias = "float" if layer.bias_bits is None else f"INT{layer.bias_bits}"
    zeros = " x ".join(_ends(zero) for zero in (layer.activation_zero_point, layer.weight_zero_point))
    return layer.name, layer.op_type, layer.numbers, types, scales, zeros, bias, f"{layer.bytes:,}"


def _ends(zero: tuple[int, int] | None) -> str:
    if zero is None:
        return "-"
    return str(zero[0]) if zero[0] == zero[1] else f"{zero[0]}..{zero[1]}"


def _by_rule(findings: Sequence[Finding]) -> Iterator[tuple[str, ...]]:
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.rule, finding.consequence.value].append(finding)
    for (rule, consequence), found in groups.items():
        nodes = ", ".join(finding.node for finding in found[:_NODES])
        more = f", ... {len(found) - _NODES} more" if len(found) > _NODES else ""
        yield rule, consequence, str(len(found)), nodes + more, found[0].message

"""Tables on stdout: reports, image sets, plans, engines, recipes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gdfq_export.cli.output.echo import echo
from gdfq_export.support.text import counted, printable

if TYPE_CHECKING:
    from gdfq_export.planning.plan import QuantPlan, QuantPoint
    from gdfq_export.recipe import KeyFacts, Recipe
    from gdfq_export.report.report import Report
    from gdfq_export.report.target_choice import TargetChoice
    from gdfq_export.runtimes.tensorrt import Engine
    from gdfq_export.views.dataset_preview.headline import Row

WIDTH_OF_A_FILE = 160


def print_report(report: Report, *, details: bool) -> None:
    """The figures that decide, one row each; all figures with `details`."""
    from gdfq_export.report.summary_table import summary_rows
    from gdfq_export.views.details import detail_rows

    print_table(("result", "value", "sample"), summary_rows(report))
    if details:
        print_table(("figure", "value", "sample"), detail_rows(report))


def print_headline(rows: Iterable[Row]) -> None:
    """Statistics of a set of images, one row each."""
    print_table(("figure", "value", "compare with"), rows)


def print_plan(plan: QuantPlan) -> None:
    """Every quantized tensor, then every float node with its reason."""
    print_table(("tensor", "role", "type", "scales", "group", "read by"), map(_point_row, plan.points))
    floating = [node for node in plan.nodes if node.kernel is None and node.node not in plan.absorbed]
    if floating:
        print_table(("float node", "operator", "reason"), [(node.node, node.op_type, node.reason) for node in floating])
    echo(
        f"{plan.target}: {counted(len(plan.points), 'quantized tensor')}; of {counted(len(plan.nodes), 'node')}, "
        f"activations absorbed into integer kernels: {len(plan.absorbed)}, in float: {len(floating)}"
    )


def print_choice(choice: TargetChoice) -> None:
    """What `--target auto` measured: the float network, then one row per target."""
    what = f"speed, x float (batch {choice.batch}, {counted(choice.threads, 'thread')})"
    rows = [("float", choice.float_runtime, f"{choice.float_timings.p50_ms:.3f} ms", "1", "its fastest runtime")]
    for candidate in choice.candidates:
        time, speed, ratio = "not measured", "", candidate.speedup
        if candidate.timings is not None and ratio is not None:
            time = f"{candidate.timings.p50_ms:.3f} ms"
            speed = f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
        rows.append((candidate.target, candidate.runtime, time, speed, candidate.reason))
    print_table(("target", "runtime", "median latency", what, "reason"), rows)


def print_engine(engine: Engine, latency: str) -> None:
    """An engine's size and its integer layers; `latency` is why latency was not measured."""
    from gdfq_export.metrics.coverage import measure_coverage
    from gdfq_export.report.summary_table import integer_layers

    rows = [("engine", f"{len(engine.data):,} bytes", f"{engine.runtime}, {engine.seconds:.1f} s")]
    if engine.graph is None:
        rows.append(("integer layers", "not measured", f"{engine.runtime} does not list the layers while it builds"))
    else:
        coverage = measure_coverage(engine.graph)
        rows.append(("integer layers", *integer_layers(coverage, lambda node: f"{node.op_type} {node.name}")))
    rows.append(("latency", "not measured", latency))
    print_table(("engine", "value", "details"), rows)


def print_recipes(recipes: Sequence[Recipe]) -> None:
    """One row per recipe."""
    print_table(
        ("recipe", "target", "description"), [(recipe.name, recipe.target, recipe.description) for recipe in recipes]
    )


def print_keys(keys: Iterable[KeyFacts]) -> None:
    """One row per key of a recipe; a star marks values that are not the default."""
    print_table(
        ("key", "", "value", "default", "accepts", "description"),
        [
            (fact.key, "*" if fact.changed else "", fact.value, fact.default, fact.accepted, fact.description)
            for fact in keys
        ],
        whole_first=True,
    )


def _point_row(point: QuantPoint) -> tuple[str, ...]:
    width = 32 if point.role.value == "bias" else point.bits
    scales = "one" if point.axis is None else f"one for each index of axis {point.axis}"
    group = "" if point.group in (point.tensor, point.key) else point.group
    kind = f"{'int' if point.signed else 'uint'}{width}{', symmetric' if point.symmetric else ''}"
    return point.tensor, point.role.value, kind, scales, group, ", ".join(point.consumers)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, whole_first: bool = False) -> None:
    """One table on stdout, as wide as the terminal or, in a file, `WIDTH_OF_A_FILE`.

    `whole_first` never wraps the first column.
    """
    table = Table(*header, box=SIMPLE_HEAD)
    table.columns[0].no_wrap = whole_first
    for row in rows:
        table.add_row(*(printable(cell) for cell in row))
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)
    console.print(table)

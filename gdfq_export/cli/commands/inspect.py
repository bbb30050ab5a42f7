"""gdfq-export inspect: what is in an ONNX file, and which rules of a runtime it breaks, from the file alone."""

from __future__ import annotations

from pathlib import Path

import click

from gdfq_export.cli.options.shared import MODEL_FILE, json_option, log_level_option, task_option
from gdfq_export.cli.output.echo import echo
from gdfq_export.targets import TARGETS


@click.command()
@click.argument("model", type=MODEL_FILE)
@click.option(
    "--target",
    "targets",
    metavar="NAME",
    multiple=True,
    help=f"Runtime whose rules are checked, repeatable: {', '.join(TARGETS)}.  [default: the one "
    "the file was made for, where it says that; else all]",
)
@task_option
@json_option
@click.option("--strict", is_flag=True, help="Exit with 1 where a rule is broken.")
@log_level_option
def inspect(model: Path, targets: tuple[str, ...], task: str | None, json_out: Path | None, strict: bool) -> None:
    """Print layers, bit widths and bytes of MODEL, an ONNX file of any tool, and the runtime rules that it breaks.

    Nothing is run; gdfq-export verify measures what a runtime computes in integers.
    """
    import gdfq_export as gq
    from gdfq_export.cli.options.outputs import require_outputs

    require_outputs([] if json_out is None else [json_out], (model,))

    from gdfq_export.cli.output.inspect_tables import print_findings, print_inspection
    from gdfq_export.cli.output.progress_display import print_warnings
    from gdfq_export.errors import GateFailed
    from gdfq_export.support.files import write_files
    from gdfq_export.support.text import counted

    inspected = gq.inspect(model, targets, task=task)
    if strict and not targets and not inspected.made_for:
        raise click.UsageError(f"{model} does not say what it is made for; --strict needs --target")
    if json_out is not None:
        write_files({json_out: inspected.to_json()})
    print_warnings(inspected.warnings)
    print_inspection(inspected)
    print_findings(inspected)
    if json_out is not None:
        echo(f"wrote {json_out}")
    if strict and (broken := [(name, found) for name, found in inspected.findings.items() if found]):
        name, found = broken[0]
        first = f"{found[0].message} ({found[0].consequence})"
        raise GateFailed(f"{model}: {counted(len(found), 'finding')} for {name}, first {first}")

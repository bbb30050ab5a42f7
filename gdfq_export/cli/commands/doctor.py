"""gdfq-export doctor: what this machine can run, and what is missing for the rest."""

from __future__ import annotations

from pathlib import Path

import click

from gdfq_export.cli.options.shared import json_option, log_level_option
from gdfq_export.cli.output.echo import echo


@click.command()
@json_option
@log_level_option
def doctor(json_out: Path | None) -> None:
    """Print what this machine can run: runtimes, targets, devices, and whether its integer products are exact.

    Products of uint8 and int8 are tried with the largest values; nothing else is run.
    """
    from gdfq_export.cli.options.outputs import require_outputs
    from gdfq_export.cli.output.doctor_tables import print_diagnosis
    from gdfq_export.support.files import write_files

    require_outputs([] if json_out is None else [json_out], ())

    import gdfq_export as gq

    diagnosis = gq.doctor()
    if json_out is not None:
        write_files({json_out: diagnosis.to_json()})
    print_diagnosis(diagnosis)
    if json_out is not None:
        echo(f"wrote {json_out}")

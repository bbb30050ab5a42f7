"""Networks of public bug reports: each script of a folder writes one, which is quantized beside `quantize_static`.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.cases [CASE ...]

The scripts lie in GDFQ_EXPORT_CASES, or in cases/ beside FOLDER. Writes bench/results/cases.json.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import click
import torch

from bench.case_run import CaseResult, run_case
from bench.results_file import write_results


def case_scripts() -> list[Path]:
    """The scripts, in order of their names; none where there is no folder of them."""
    folder = os.environ.get("GDFQ_EXPORT_CASES")
    if folder is None and "GDFQ_EXPORT_DATA" in os.environ:
        folder = str(Path(os.environ["GDFQ_EXPORT_DATA"]).resolve().parent / "cases")
    return [] if folder is None else sorted(path for path in Path(folder).glob("[!_]*.py"))


@click.command()
@click.argument("names", nargs=-1)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep networks and files in.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file, in place of the results' own.")
def main(names: tuple[str, ...], keep: Path | None, out: Path | None) -> None:
    """Run the scripts called NAMES; all by default."""
    torch.set_num_threads(1)
    scripts = [script for script in case_scripts() if not names or script.stem in names]
    if not scripts:
        raise click.UsageError("there are no such scripts; let GDFQ_EXPORT_CASES name their folder")
    results: dict[str, CaseResult] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for script in scripts:
            results[script.stem] = case = run_case(script, folder)
            click.echo(line_of(case))
            body = {"cases": {name: asdict(result) for name, result in results.items()}}
            if out is None:
                write_results("cases", body)
            else:
                out.write_text(json.dumps(body, indent=1), encoding="utf-8")


def line_of(case: CaseResult) -> str:
    """One line about one case."""
    if case.exit_code:
        return f"{case.name}: exit code {case.exit_code}, {case.message}"
    figures = ", ".join(
        f"{name} {snr:.1f} dB (static {case.static.get(name, float('nan')):.1f})" for name, snr in case.ours.items()
    )
    return (
        f"{case.name}: {figures}, parity {case.parity}, layers {case.layers}, {case.seconds:.0f} s, "
        f"{case.static_message}"
        + "".join(f"; {name} {code} {text[:120] if code else ''}" for name, (code, text) in case.foreign.items())
    )


if __name__ == "__main__":
    main()

"""Flags of gates: a limit that no figure could keep or break is refused before the work."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner, Result

from gdfq_export.cli.options.gates import gate_limits, gate_options


@click.command()
@gate_options
def command(**flags: object) -> None:
    click.echo(gate_limits(flags))


def invoke(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def test_only_what_was_given_is_asked_for() -> None:
    result = invoke("--max-top1-drop-pp", "0", "--require-parity", "--min-layer-snr-db", "-3")
    assert result.output.strip() == "{'require-parity': True, 'max-top1-drop-pp': 0.0, 'min-layer-snr-db': -3.0}"


@pytest.mark.parametrize(
    ("flag", "limit", "words"),
    [
        ("--min-agreement", "99", "0<=x<=1"),
        ("--min-integer-coverage", "1.5", "0<=x<=1"),
        ("--max-top1-drop-pp", "-1", "x>=0"),
        ("--max-size-ratio", "0", "x>0"),
        ("--max-p99-ms", "nan", "finite"),
        ("--min-layer-snr-db", "inf", "finite"),
    ],
)
def test_what_is_no_limit_is_refused(flag: str, limit: str, words: str) -> None:
    result = invoke(flag, limit)
    assert result.exit_code == 2 and words in result.output

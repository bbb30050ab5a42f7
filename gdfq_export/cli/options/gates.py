"""The flags that set gates, one for each row of the table of gates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import click

from gdfq_export.cli.options.shared import Command
from gdfq_export.gates import GATES, Gate


class _Limit(click.FloatRange):
    """A number that a gate may have as its limit."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(min=gate.low, max=gate.high, min_open=gate.above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no limit; give a finite number", param, ctx)
        return number


def gate_options(command: Command) -> Command:
    """`--max-top1-drop-pp` and all the others; the command receives them as keywords."""
    for gate in reversed(GATES):
        if gate.unit == "boolean":
            option = click.option(f"--{gate.name}", is_flag=True, default=None, help=gate.help)
        else:
            option = click.option(f"--{gate.name}", type=_Limit(gate), metavar="NUMBER", help=gate.help)
        command = option(command)
    return command


def gate_limits(values: Mapping[str, Any]) -> dict[str, float | bool]:
    """Those that were given, by gate name; takes them out of the command's keywords."""
    given = {gate.name: values[gate.key] for gate in GATES}
    return {name: value for name, value in given.items() if value is not None}

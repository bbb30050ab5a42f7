"""The gates by name: what each limits, in which unit, and from which side.

Data only, and quick to import: the flags of the command line, the section `gates:` of YAML and the verdicts are made of
it. Which figure of a report a gate looks at is in `verify/gates.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GATES", "Gate", "gate_help"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate: its name is its flag, `help` what is measured; `most` says that the limit is an upper one.

    `on_accuracy` says that it is about what the file answers, not about how fast or how large it is. `unit` is "pp",
    "dB", "ms", "" for a share or ratio, "yes" for what is required or not. A limit lies in `low` to `high`, with
    `above` not at `low` itself; None is no bound.
    """

    name: str
    help: str
    unit: str
    most: bool
    on_accuracy: bool = False
    low: float | None = None
    high: float | None = None
    above: bool = False

    @property
    def key(self) -> str:
        """Its name in YAML and as a keyword: `max_top1_drop_pp`."""
        return self.name.replace("-", "_")


GATES: tuple[Gate, ...] = (
    Gate(
        name="require-rules",
        help="No node of the file may break a rule of its runtime so that it is refused or computes wrong numbers.",
        unit="yes",
        most=False,
    ),
    Gate(name="require-parity", help="Every integer must be as simulated.", unit="yes", most=False),
    Gate(
        name="max-top1-drop-pp",
        help="Top-1 of float less that of the file, in percentage points, on labelled images.",
        unit="pp",
        most=True,
        on_accuracy=True,
        low=0,
    ),
    Gate(name="max-top5-drop-pp", help="The same for top-5.", unit="pp", most=True, on_accuracy=True, low=0),
    Gate(
        name="min-agreement",
        help="Share of images, 0 to 1, to which float and file give the same answer.",
        unit="",
        most=False,
        on_accuracy=True,
        low=0,
        high=1,
    ),
    Gate(
        name="min-layer-snr-db",
        help="Signal to noise of the worst layer, in dB.",
        unit="dB",
        most=False,
        on_accuracy=True,
    ),
    Gate(
        name="min-integer-coverage",
        help="Share, 0 to 1, of convolutions and matrix products that the runtime executes on integers.",
        unit="",
        most=False,
        low=0,
        high=1,
    ),
    Gate(name="max-latency-ratio", help="The file's time by float's.", unit="", most=True, low=0, above=True),
    Gate(
        name="max-p99-ms",
        help="99th percentile of the file's time, in milliseconds a run.",
        unit="ms",
        most=True,
        low=0,
        above=True,
    ),
    Gate(name="max-size-ratio", help="The file's bytes by float's.", unit="", most=True, low=0, above=True),
)


def gate_help(key: str) -> str:
    """What the gate of this key measures, for whoever lists it."""
    return next(gate.help for gate in GATES if gate.key == key)

"""The gates by name: what each limits, in which unit, and from which side.

Data only, and quick to import: the command line's flags, the section `gates:` of YAML and the gate results are made
from it. `report/gates.py` says which figure of a report each gate reads.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate: `name` is its flag, `help` the figure it limits; `most` marks an upper limit.

    `on_accuracy` marks gates on the network's outputs, as against its speed or size. `unit` is "pp", "dB", "ms",
    "" for a ratio, or "boolean". A limit lies in `low` to `high`, and above `low` if `above` is set; None is no bound.
    `tasks` are those whose networks have such a figure, none: all; `from_task` marks figures of `Report.task`.
    """

    name: str
    help: str
    unit: str
    most: bool
    on_accuracy: bool = False
    low: float | None = None
    high: float | None = None
    above: bool = False
    tasks: tuple[str, ...] = ()
    from_task: bool = False

    @property
    def key(self) -> str:
        """Its name in YAML and as a keyword: `max_top1_drop_pp`."""
        return self.name.replace("-", "_")

    @property
    def figure(self) -> str:
        """The name of what it limits: `mask_iou` of `min-mask-iou`."""
        return self.key.partition("_")[2]


GATES: tuple[Gate, ...] = (
    Gate(
        name="require-rules",
        help="No node may break a rule of the runtime so that the file is refused or computes wrong numbers.",
        unit="boolean",
        most=False,
    ),
    Gate(
        name="require-parity",
        help="The runtime must compute every integer exactly as simulated, on every CPU that --cpu names.",
        unit="boolean",
        most=False,
    ),
    Gate(
        name="require-in-domain",
        help="Real images must be of the kind that BatchNorm's statistics of the training data describe.",
        unit="boolean",
        most=False,
    ),
    Gate(
        name="max-top1-drop-pp",
        help="Top-1 accuracy drop (float - quantized) on labelled images, percentage points.",
        unit="pp",
        most=True,
        on_accuracy=True,
        tasks=("classify",),
        low=0,
    ),
    Gate(
        name="max-top5-drop-pp",
        help="Top-5 accuracy drop (float - quantized) on labelled images, percentage points.",
        unit="pp",
        most=True,
        on_accuracy=True,
        tasks=("classify",),
        low=0,
    ),
    Gate(
        name="min-agreement",
        help="Top-1 agreement: fraction of images, 0 to 1, with the same predicted class as the float network.",
        unit="",
        most=False,
        on_accuracy=True,
        tasks=("classify",),
        low=0,
        high=1,
    ),
    Gate(
        name="min-output-snr-db",
        help="Lowest signal-to-noise ratio of an output against the float network, dB.",
        unit="dB",
        most=False,
        on_accuracy=True,
        from_task=True,
    ),
    Gate(
        name="min-cosine",
        help="Lowest cosine of an output with the float network's, the mean over images, -1 to 1.",
        unit="",
        most=False,
        on_accuracy=True,
        low=-1,
        high=1,
        from_task=True,
    ),
    Gate(
        name="min-self-map",
        help="Least mAP at IoU 0.5, 0 to 1, of a detector's boxes where the float network's are the objects.",
        unit="",
        most=False,
        on_accuracy=True,
        tasks=("detect",),
        low=0,
        high=1,
        from_task=True,
    ),
    Gate(
        name="max-map-drop-pp",
        help="mAP@[.5:.95] drop (float - quantized) on labelled images, percentage points.",
        unit="pp",
        most=True,
        on_accuracy=True,
        tasks=("detect",),
        low=0,
        from_task=True,
    ),
    Gate(
        name="min-mask-iou",
        help="IoU of the quantized network's masks with the float network's, 0 to 1, the mean over classes.",
        unit="",
        most=False,
        on_accuracy=True,
        low=0,
        high=1,
        tasks=("segment",),
        from_task=True,
    ),
    Gate(
        name="max-miou-drop-pp",
        help="mIoU drop (float - quantized) on images with masks, percentage points.",
        unit="pp",
        most=True,
        on_accuracy=True,
        low=0,
        tasks=("segment",),
        from_task=True,
    ),
    Gate(
        name="min-rank1-agreement",
        help="Fraction of images, 0 to 1, whose nearest other image by embedding is the float network's.",
        unit="",
        most=False,
        on_accuracy=True,
        low=0,
        high=1,
        tasks=("embed",),
        from_task=True,
    ),
    Gate(
        name="max-verification-drop-pp",
        help="Verification accuracy drop (float - quantized) on pairs of images, percentage points.",
        unit="pp",
        most=True,
        on_accuracy=True,
        low=0,
        tasks=("embed",),
        from_task=True,
    ),
    Gate(
        name="min-layer-snr-db",
        help="Lowest signal-to-noise ratio of a layer's output against the float network, dB.",
        unit="dB",
        most=False,
        on_accuracy=True,
    ),
    Gate(
        name="min-integer-coverage",
        help="Fraction, 0 to 1, of convolutions and matrix products that the runtime executes on integers.",
        unit="",
        most=False,
        low=0,
        high=1,
    ),
    Gate(name="max-latency-ratio", help="Median latency, quantized / float.", unit="", most=True, low=0, above=True),
    Gate(name="max-p99-ms", help="99th percentile of latency, ms per batch.", unit="ms", most=True, low=0, above=True),
    Gate(name="max-size-ratio", help="File size, quantized / float.", unit="", most=True, low=0, above=True),
)


def gate_help(key: str) -> str:
    """The help text of the gate with this key."""
    return next(gate.help for gate in GATES if gate.key == key)

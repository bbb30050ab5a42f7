"""Top-1 and agreement held against those of an earlier report: by how much they became worse, with an interval.

Where both runs scored the same float network on the same images, what it gets right is the same, and the change of
top-1 is the change of the paired drop. Its interval is that of the difference of two drops, taken as independent
(Zou and Donner, Statistics in Medicine 27, 2008): two quantized forms of one network err on much the same images, which
makes it wider than need be. Else both are proportions of separate images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gdfq_export.report.gates import worst_layer
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Figure
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.proportion import Proportion, unpaired_difference_interval
from gdfq_export.support.text import counted

__all__ = ["Earlier", "against", "agreement_worse", "missing", "same_float", "top1_worse"]

Earlier = Mapping[str, Any]
"""A report as `read_baseline` returns it."""


def top1_worse(report: Report, earlier: Earlier) -> Figure | NotMeasured:
    """In percentage points; 0 for sure where it is the same file and scores the same."""
    accuracy, before = report.accuracy, earlier["accuracy"]
    if isinstance(accuracy, NotMeasured):
        return accuracy
    if before is None:
        return missing(earlier, "accuracy")
    now, then = accuracy.top1.quantized, _proportion(before["top1"]["quantized"])
    value = 100 * (then.value - now.value)
    on = (
        f"{against(value)}: {100 * now.value:.2f} % of {counted(now.images, 'image')} of {accuracy.source}, "
        f"{100 * then.value:.2f} % of {then.images:,} of {before['source']} in the baseline"
    )
    if value == 0 and _same_file(report, earlier):
        return Figure(value=0.0, low=0.0, high=0.0, on=f"{on}, the same file")
    same_images = same_float(report, earlier) and (
        (accuracy.source, accuracy.images, accuracy.top1.float_network.count)
        == (before["source"], before["images"], before["top1"]["float_network"]["count"])
    )
    if same_images:
        drop, drop_then = accuracy.top1, before["top1"]
        below = math.hypot(drop.drop_pp - drop.drop_low_pp, drop_then["drop_high_pp"] - drop_then["drop_pp"])
        above = math.hypot(drop.drop_high_pp - drop.drop_pp, drop_then["drop_pp"] - drop_then["drop_low_pp"])
        low, high = value - below, value + above
    else:
        low, high = (100 * bound for bound in unpaired_difference_interval(then, now))
    return Figure(value=value, low=low, high=high, sample=now.images, on=on, blame=worst_layer(report))


def agreement_worse(report: Report, earlier: Earlier) -> Figure | NotMeasured:
    """On labelled images where both have them, else on the others of both."""
    if not isinstance(report.accuracy, NotMeasured) and earlier["accuracy"] is not None:
        before = earlier["accuracy"]
        now, source, then = report.accuracy.agreement, report.accuracy.source, _proportion(before["agreement"])
    elif isinstance(report.agreement, NotMeasured):
        return report.agreement
    elif earlier["agreement"] is None:
        return missing(earlier, "agreement")
    else:
        before = earlier["agreement"]
        now, source, then = report.agreement.top1, report.agreement.source, _proportion(before["top1"])
    value = then.value - now.value
    on = (
        f"{against(value)}: {now.value:.4f} of {counted(now.images, 'image')} of {source}, "
        f"{then.value:.4f} of {then.images:,} of {before['source']} in the baseline"
    )
    if value == 0 and _same_file(report, earlier):
        return Figure(value=0.0, low=0.0, high=0.0, on=f"{on}, the same file")
    low, high = unpaired_difference_interval(then, now)
    return Figure(value=value, low=low, high=high, sample=now.images, on=on, blame=worst_layer(report))


def against(value: float) -> str:
    """How words go on after a figure that became worse by `value`."""
    return " worse than the baseline" if value > 0 else " against the baseline, no worse"


def missing(earlier: Earlier, section: str) -> NotMeasured:
    """Why the baseline says nothing of a section."""
    why = earlier["reasons"].get(section)
    return NotMeasured(reason=f"the baseline holds no {section}{f' ({why})' if why else ''}")


def same_float(report: Report, earlier: Earlier) -> bool:
    """Whether both runs had the same float network, to the byte."""
    return bool(report.files.float_network.sha256 == earlier["files"]["float_network"]["sha256"])


def _same_file(report: Report, earlier: Earlier) -> bool:
    same = bool(report.files.quantized.sha256 == earlier["files"]["quantized"]["sha256"])
    return same and same_float(report, earlier)


def _proportion(held: Earlier) -> Proportion:
    return Proportion(**{key: held[key] for key in ("count", "images", "value", "low", "high")})

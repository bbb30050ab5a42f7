"""The main statistics of a set of images: rows for the terminal's table and for the picture.

Each row has reference values, since a distance of 0.04 alone says little. The ranges were
measured with `calib.set_statistics` on held-out images and on noise: cifar10_resnet20 (1,280 images), the demo (899)
and imagenet_tinydarknet_224 (64; noise 24).
"""

from __future__ import annotations

import math

from calib.set_statistics import ClassBalance, SetStatistics

REAL_BNS = (0.01, 0.04)
NOISE_BNS = (0.25, 0.85)
REAL_DISTANCE = (71, 89)

Row = tuple[str, str, str]
"""A statistic's name, its value with unit, and reference values."""


def headline_rows(statistics: SetStatistics, balance: ClassBalance) -> list[Row]:
    """One row per statistic; of class scores only where the network has classes."""
    distances = [_bns_distance(statistics.bns_distance), _within_class_distance(statistics.within_class_distance)]
    if statistics.agreement is None or statistics.confidence is None or statistics.entropy is None:
        return distances
    classes, answered = len(balance.asked), [count for count in balance.answered if count]
    each = f"{_from_to(min(answered), max(answered))} image{'s' if max(answered) > 1 else ''} each"
    return [
        *distances,
        ("label agreement", f"{100 * statistics.agreement:.1f} %", f"of the images; by chance {100 / classes:.3g} %"),
        ("confidence", f"{statistics.confidence:.3f}", "real images 0.97 on CIFAR-10, 0.63 on ImageNet"),
        ("entropy", f"{statistics.entropy:.3f} nats", f"0: certain; {math.log(classes):.2f}: uniform"),
        ("classes predicted", f"{len(answered):,} of {classes:,}", each),
    ]


def _bns_distance(distance: float | None) -> Row:
    if distance is None:
        return "BNS distance", "none", "the network has no BatchNorm to compare with"
    compared = f"real images {REAL_BNS[0]} to {REAL_BNS[1]}, noise {NOISE_BNS[0]} to {NOISE_BNS[1]}"
    return "BNS distance", f"{distance:.3f}", compared


def _within_class_distance(distance: float | None) -> Row:
    if distance is None:
        return "distance within a class", "none", "no two images share a label"
    compared = f"real images {REAL_DISTANCE[0]} to {REAL_DISTANCE[1]}; less: images repeat each other"
    return "distance within a class", f"{distance:.0f} of 255", compared


def _from_to(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"

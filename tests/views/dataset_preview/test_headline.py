from __future__ import annotations

import dataclasses

from calib.set_statistics import ClassBalance, LayerDistance, SetStatistics
from gdfq_export.views.dataset_preview.headline import headline_rows

STATISTICS = SetStatistics(
    images=5,
    agreement=0.8,
    confidence=0.9531,
    confidence_counts=(0,) * 19 + (5,),
    entropy=0.125,
    within_class_distance=61.4,
    layers=(LayerDistance(layer="a", distance=0.02), LayerDistance(layer="b", distance=0.04)),
)


def values(statistics: SetStatistics, balance: ClassBalance) -> dict[str, tuple[str, str]]:
    return {name: (value, meaning) for name, value, meaning in headline_rows(statistics, balance)}


def test_every_number_has_its_unit_and_something_to_compare_with() -> None:
    rows = values(STATISTICS, ClassBalance(asked=(3, 2, 0, 0), answered=(4, 1, 0, 0)))
    assert rows["BNS distance"][0] == "0.030"
    assert rows["distance within a class"][0] == "61 of 255"
    assert rows["label agreement"] == ("80.0 %", "of the images; by chance 25 %")
    assert rows["entropy"] == ("0.125 nats", "0: certain; 1.39: uniform")
    assert rows["classes predicted"] == ("2 of 4", "1 to 4 images each")
    assert all(meaning for _, meaning in rows.values())


def test_what_was_not_measured_says_why() -> None:
    bare = dataclasses.replace(STATISTICS, layers=(), within_class_distance=None)
    rows = values(bare, ClassBalance(asked=(3, 3), answered=(3, 3)))
    assert rows["BNS distance"] == ("none", "the network has no BatchNorm to compare with")
    assert rows["distance within a class"] == ("none", "no two images share a label")
    assert rows["classes predicted"] == ("2 of 2", "3 images each")

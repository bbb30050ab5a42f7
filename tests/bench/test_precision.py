"""Rules for layers that stay float, and the table of a comparison of them."""

from __future__ import annotations

import numpy as np

from bench.precision import table
from bench.precision_rules import counts, few_channels, first_and_last
from tests import tiny_graph
from tests.planning.precision.test_programme import chain


def test_layers_are_taken_from_both_ends() -> None:
    assert first_and_last(chain(5)) == ["u0", "u4", "u1", "u3", "u2"]
    assert counts(16) == [1, 2, 4, 8, 12, 16] and counts(3) == [1, 2, 3]


def test_convolutions_of_few_channels_are_on_the_list() -> None:
    shapes = {"u0": (8, 3, 3, 3), "u1": (12, 12, 3, 3), "u2": (16, 1, 3, 3), "u3": (32, 16, 1, 1)}
    nodes: list[tiny_graph.Node] = [
        (
            "Conv",
            ["x" if place == 0 else f"t{place - 1}", f"w{place}"],
            [f"t{place}"],
            {"group": 16 if place == 2 else 1},
        )
        for place in range(4)
    ]
    proto = tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("n", 3, 12, 12)},
        outputs=["t3"],
        initializers={f"w{name[1]}": np.zeros(shape, np.float32) for name, shape in shapes.items()},
    )
    for place, node in enumerate(proto.graph.node):
        node.name = f"u{place}"
    # the first has few channels and is first; the third is depthwise with a multiple of 8 outputs
    assert few_channels(proto, chain(4)) == ["u1"]


def test_the_table_compares_at_equal_time_and_at_the_goal() -> None:
    def file(snr_db: float, ratio: float) -> dict[str, float]:
        return {"snr_db": snr_db, "latency_ratio": ratio, "float_layers": 1}

    rules = {"first": [file(20.0, 0.5), file(28.0, 0.61), file(33.0, 0.9)], "none": [file(10.0, 2.0)]}
    rows = list(table({"net": {"goal_db": 30.0, "chosen": file(31.0, 0.6), "rules": rules}}))
    assert rows[2] == "| net | auto | 31.0 dB, 0.60x, 1 | 31.0 dB, 0.60x, 1 |"
    assert rows[3] == "| net | first | 28.0 dB, 0.61x, 1 | 33.0 dB, 0.90x, 1 |"
    assert rows[4] == "| net | none | none | none |"

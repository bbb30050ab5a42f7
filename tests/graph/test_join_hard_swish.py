"""Which pairs are one HardSwish."""

from __future__ import annotations

import pytest

from gdfq_export.graph.join_hard_swish import join_hard_swish
from tests import tiny_graph


def joined(alpha: float, *product: str, outputs: tuple[str, ...] = ("y",)) -> list[str]:
    model = tiny_graph.graph(
        nodes=[
            ("Relu", ["a"], ["x"]),
            ("HardSigmoid", ["x"], ["g"], {"alpha": alpha, "beta": 0.5}),
            ("Mul", list(product), ["y"]),
            *([("Neg", ["g"], ["n"])] if "n" in outputs else []),
        ],
        inputs={"a": ("batch", 4)},
        outputs=list(outputs),
    )
    join_hard_swish(model.graph)
    return [node.op_type for node in model.graph if node.op_type in ("Mul", "HardSwish")]


@pytest.mark.parametrize("product", [("x", "g"), ("g", "x")], ids=["x-gate", "gate-x"])
def test_a_value_times_its_own_gate_is_one_operator(product: tuple[str, str]) -> None:
    assert joined(1 / 6, *product) == ["HardSwish"]


def test_other_pairs_stay_two() -> None:
    assert joined(0.2, "x", "g") == ["Mul"], "another slope"
    assert joined(1 / 6, "a", "g") == ["Mul"], "another value"
    assert joined(1 / 6, "x", "g", outputs=("y", "n")) == ["Mul"], "the gate is read elsewhere"

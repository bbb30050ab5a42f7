"""A PRelu with one slope becomes a LeakyRelu, any other stays."""

from __future__ import annotations

import numpy as np
import pytest

from gdfq_export.frontend.passes.canonical import canonicalize
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators


def canonical_operators(slope: np.ndarray) -> list[str]:
    """Operators of the canonical form of PRelu with `slope`; the answers stay, to the bit."""
    proto = tiny_graph.model(
        nodes=[("PRelu", ["x", "slope"], ["y"]), ("Exp", ["y"], ["z"])],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y", "z"],
        initializers={"slope": slope.astype(np.float32)},
    )
    model = canonicalize(proto, "test")
    assert_same_outputs(proto, model, tolerance=0)
    assert {"PRelu_y", "Exp_z"} == {node.name for node in model.graph}
    return operators(model)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1), (3, 1, 1), (3, 4, 4)])
@pytest.mark.parametrize("slope", [0.1, 0.0, 1.7])
def test_one_slope_is_a_leaky_relu(shape: tuple[int, ...], slope: float) -> None:
    assert canonical_operators(np.full(shape, slope)) == ["LeakyRelu", "Exp"]


@pytest.mark.parametrize("slopes", [[0.1, 0.2, 0.1], [-0.1], [-0.1, -0.1, -0.1]])
def test_other_slopes_stay(slopes: list[float]) -> None:
    assert canonical_operators(np.reshape(slopes, (-1, 1, 1))) == ["PRelu", "Exp"]

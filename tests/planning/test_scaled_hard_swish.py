"""Channels of unlike ranges are scaled around a HardSwish: the network stays the same, and eight bits suffice."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch

from calib.input_spec import InputSpec
from gdfq_export.frontend.float_model import FloatModel, build
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.jobs.draft_model import draft_of, write_draft
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.placement import as_planned, plan_of
from gdfq_export.planning.scaled_hard_swish import REASON, with_scaled_channels
from gdfq_export.recipe import Bits
from gdfq_export.targets import Kernel, find_target
from tests import tiny_graph

SPEC = InputSpec(shape=(3, 12, 12), scale=255.0, mean=(0.5,) * 3, std=(0.25,) * 3)
NODES: list[tiny_graph.Node] = [
    ("Conv", ["x", "w1", "b1"], ["c"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("BatchNormalization", ["c", "gain", "shift", "mean", "variance"], ["n"]),
    ("HardSwish", ["n"], ["h"]),
    ("Conv", ["h", "w2", "b2"], ["d"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "group": 16}),
    ("GlobalAveragePool", ["d"], ["p"]),
    ("Conv", ["p", "w3", "b3"], ["out"]),
]


WITH_AFFINE: list[tiny_graph.Node] = [
    *NODES[:3],
    ("Mul", ["factor", "h"], ["m"]),
    ("Add", ["m", "summand"], ["a"]),
    ("Conv", ["a", *NODES[3][1][1:]], *NODES[3][2:]),
    *NODES[4:],
]
"""HardSwish with a learnable affine block behind it."""


def network(widest: float, nodes: list[tiny_graph.Node] = NODES) -> FloatModel:
    """Channels of standard deviations 0.05 to `widest`, which a depthwise convolution makes alike."""
    random = np.random.default_rng(0)
    spread = np.geomspace(0.05, widest, 16).astype(np.float32)
    w1 = random.normal(size=(16, 3, 3, 3)).astype(np.float32)
    probe = tiny_graph.model(
        nodes=NODES[:1],
        inputs={"x": ("n", 3, 12, 12)},
        outputs=["c"],
        initializers={"w1": w1, "b1": np.zeros(16, np.float32)},
    )
    seen = run_model(probe, {"x": images(64)})["c"].transpose(1, 0, 2, 3).reshape(16, -1)
    arrays = {
        "w1": w1,
        "b1": np.zeros(16),
        "gain": spread,
        "shift": np.zeros(16),
        "mean": seen.mean(1),
        "variance": seen.var(1),
        "w2": random.normal(size=(16, 1, 3, 3)) / spread.reshape(-1, 1, 1, 1),
        "b2": np.zeros(16),
        "w3": random.normal(size=(8, 16, 1, 1)),
        "b3": np.zeros(8),
        "factor": np.array([0.5]),
        "summand": np.linspace(-0.1, 0.1, 16).reshape(1, 16, 1, 1),
    }
    proto = tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("n", 3, 12, 12)},
        outputs=["out"],
        initializers={
            name: np.asarray(array, np.float32)
            for name, array in arrays.items()
            if any(name in node[1] for node in nodes)
        },
    )
    return build(proto, name="net", source="net.onnx", sha256="0", input_spec=SPEC)


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(size=(count, 3, 12, 12)), -2, 2).astype(np.float32)


def decibels(wanted: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10(np.square(wanted).mean() / np.square(wanted - found).mean()))


@pytest.mark.parametrize(("nodes", "islands"), [(NODES, 5), (WITH_AFFINE, 7)], ids=["plain", "affine behind it"])
def test_the_scaled_network_computes_the_same_and_loses_less(nodes: list[tiny_graph.Node], islands: int) -> None:
    model, target = network(10.0, nodes), find_target("ort-cpu")
    scaled = with_scaled_channels(model, target)
    x, (name,) = images(16), [output.name for output in model.original.graph.output]
    wanted = run_model(model.original, {"x": x})[name]
    assert decibels(wanted, run_model(ir.to_proto(scaled.folded), {"x": x})[name]) > 60
    plain = draft_of(model, plan_of(model, "ort-cpu", Bits()), torch.from_numpy(x), {})
    better = write_draft(model, "ort-cpu", Bits(), torch.from_numpy(x))
    losses = [decibels(wanted, run_model(draft.file, {"x": x})[name]) for draft in (plain, better)]
    assert losses[1] > losses[0] + 6, losses
    assert parity(better.file, better.exact.run, images(8, seed=1), 4).exact
    kept = [node for node in better.plan.nodes if node.reason == REASON]
    assert len(kept) == islands and all(
        node.kernel is Kernel.CONV for node in better.plan.nodes if node.op_type == "Conv"
    )


def test_channels_that_are_alike_are_left_alone() -> None:
    model = network(0.05)
    assert with_scaled_channels(model, find_target("ort-cpu")) is model


def test_a_recipe_may_leave_channels_as_they_are() -> None:
    model, target = network(10.0), find_target("ort-cpu")
    assert as_planned(model, target, Bits(scaled_channels=False)) is model
    assert as_planned(model, target, Bits()) is not model


@pytest.mark.parametrize("target", ["openvino", "tensorrt"])
def test_where_hard_swish_is_computed_in_float_nothing_is_scaled(target: str) -> None:
    model = network(10.0)
    assert with_scaled_channels(model, find_target(target)) is model

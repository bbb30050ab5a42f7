"""Pairs: what lets a factor pass, what stops it, and which channel arrives where."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from gdfq_export.tuning.dfq.layer_pairs import LayerPair, find_pairs
from tests import tiny_graph
from tests.simulator.random_network import CLASSES, SIDE, Network
from tests.tuning.chain_network import CHANNELS, pool, shuffle, simulated


def pairs_of(between: Callable[[Network], object]) -> list[LayerPair]:
    """Pairs of Conv, what `between` adds, Conv, and a Gemm behind it that a Sigmoid keeps from being another."""
    net = Network(0)
    net.conv(CHANNELS)
    between(net)
    net.conv(CHANNELS)
    net.add("Sigmoid", [net.at])
    net.add("GlobalAveragePool", [net.at], (net.shape[0], 1, 1))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, net.shape[0])], transB=1)
    proto = tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    return find_pairs(simulated(proto)[0])


def clip(net: Network, low: float, high: float) -> None:
    net.add("Clip", [net.at, net.constant(np.float32(low)), net.constant(np.float32(high))])


def fork(net: Network) -> None:
    net.add("Add", [net.at, net.add("Relu", [net.at])])


PASSING: dict[str, tuple[Callable[[Network], object], float, bool]] = {
    "nothing": (lambda net: None, math.inf, True),
    "Relu": (lambda net: net.add("Relu", [net.at]), math.inf, True),
    "LeakyRelu": (lambda net: net.add("LeakyRelu", [net.at]), math.inf, False),
    "ReLU6": (lambda net: clip(net, 0, 6), 6.0, True),
    "MaxPool": (lambda net: pool(net, "MaxPool"), math.inf, True),
    "AveragePool": (lambda net: pool(net, "AveragePool"), math.inf, True),
    "AveragePool of padding": (
        lambda net: net.add("AveragePool", [net.at], kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1),
        math.inf,
        False,
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_lets_factors_pass(name: str) -> None:
    between, upper, shifts = PASSING[name]
    (pair,) = pairs_of(between)
    assert (pair.first.name, pair.output) == ("Conv_t0", "t0")
    assert (pair.upper, pair.shifts, pair.groups) == (upper, shifts, 1)
    assert pair.channels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "between",
    [
        fork,
        lambda net: clip(net, -1, 1),
        lambda net: net.add("Sigmoid", [net.at]),
        lambda net: net.add("Add", [net.at, net.constant(np.arange(net.shape[1], dtype=np.float32)[:, None])]),
    ],
    ids=["a fork", "a Clip below zero", "a Sigmoid", "a summand a row"],
)
def test_what_lets_none_pass(between: Callable[[Network], object]) -> None:
    assert pairs_of(between) == []


def test_a_shuffle_is_seen_through() -> None:
    (pair,) = pairs_of(shuffle)
    assert pair.channels.tolist() == [0, 2, 1, 3]


def test_a_gemm_behind_a_flatten_reads_a_channel_in_many_columns() -> None:
    net = Network(0)
    net.conv(CHANNELS)
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, CHANNELS * SIDE * SIDE)], transB=1)
    proto = tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    (pair,) = find_pairs(simulated(proto)[0])
    assert pair.channels.tolist() == np.repeat(np.arange(CHANNELS), SIDE * SIDE).tolist()

"""Files read back against the runtime: every integer and every logit, to the bit, from the file alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import helper

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources import load_model
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.constraints import Unrounded
from gdfq_export.planning.plan import Role
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import Bits
from gdfq_export.targets import Kernel, find_target
from tests import tiny_graph
from tests.fully_connected import fully_connected
from tests.qdq.read_back.drafted import drafted, noise, require_exact, require_same_points
from tests.qdq.read_back.rewritten import array, put
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network, networks, residual_networks
from tests.simulator.test_hard_sigmoid import gated_network

WIDTHS = [Bits(), Bits(weights=4, activations=4), Bits(weights=4, activations=5, first_last=6, residual=7)]
BITS = pytest.mark.parametrize(
    "bits", [Bits(), Bits(weights=4), Bits(weights=4, activations=4)], ids=["W8A8", "W4A8", "W4A4"]
)
RANDOM = settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@RANDOM
@given(proto=networks(), bits=st.sampled_from(WIDTHS), target=st.sampled_from(["ort-cpu", "ort-cpu-avx2"]))
def test_every_integer_of_a_random_network_is_that_of_the_runtime(
    proto: onnx.ModelProto, bits: Bits, target: str
) -> None:
    require_exact(quantize(proto, bits, target).file, images_for(proto, 6, seed=1))


@RANDOM
@given(
    proto=networks() | residual_networks(),
    bits=st.sampled_from(WIDTHS),
    target=st.sampled_from(["ort-cpu", "openvino"]),
)
def test_what_is_simulated_is_what_was_planned(proto: onnx.ModelProto, bits: Bits, target: str) -> None:
    quantized, images = quantize(proto, bits, target), images_for(proto, 6, seed=1)
    # a fully connected layer that stays float for OpenVINO has sums in the runtime's own order, and read_back says so
    gemms = [node.node for node in quantized.simulator.plan.nodes if node.op_type == "Gemm" and node.kernel is None]
    assume(target != "openvino" or not gemms)
    expected, found = quantized.exact.run(images), read_back(quantized.file).run(images)
    assert expected.keys() == {name for name in found if not name.endswith("_padded_q")}  # in front of OpenVINO's pools
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("target", ["ort-cpu", "openvino"])
def test_weights_have_the_bits_of_their_codes_whatever_type_holds_them(bits: int, target: str) -> None:
    file = quantize(fully_connected(64, 32), Bits(weights=bits, first_last=bits), target).file
    found = [point.bits for point in read_back(file).plan.points if point.role is Role.WEIGHT]
    assert found == [bits] * 3


@pytest.mark.parametrize("inputs", [64, 48], ids=["whole", "halved"])
def test_weights_in_blocks_are_read_and_computed_to_the_bit(inputs: int) -> None:
    proto, bits = fully_connected(inputs, 32), Bits(weights=4, blocks=32)
    quantized = quantize(proto, bits)
    simulator = require_exact(quantized.file, images_for(proto, 37, seed=2))
    blocks = {point.key: point.block for point in simulator.plan.points if point.block is not None}
    assert blocks == {"g": 32 if inputs == 64 else 16, "h": 32}
    for key in blocks:
        own, found = quantized.exact.encodings[key], simulator.encodings[key]
        assert own.codes is not None and found.codes is not None
        assert np.array_equal(found.codes, own.codes.T) and np.array_equal(found.scale, own.scale.T)


def test_native_int4_is_refused_since_it_runs_in_float() -> None:
    file = quantize(fully_connected(), Bits(weights=4, storage="native")).file
    with pytest.raises(InputError, match="codes of INT4, which no integer kernel multiplies"):
        read_back(file)


@settings(RANDOM, max_examples=10)
@given(proto=networks(), bits=st.sampled_from([Bits(), Bits(weights=4, activations=4)]))
def test_points_and_kernels_are_those_of_the_plan(proto: onnx.ModelProto, bits: Bits) -> None:
    quantized = quantize(proto, bits)
    found = read_back(quantized.file)
    require_same_points(found, quantized.plan, dict(quantized.exact.encodings))
    kernels = {node.node: node.kernel for node in found.plan.nodes if node.kernel is not None}
    assert kernels == {node.node: node.kernel for node in quantized.plan.nodes if node.kernel is not None}


def test_a_hard_sigmoid_is_found_in_the_add_it_was_written_as() -> None:
    quantized = quantize(gated_network(1 / 6, 0.5))
    found = require_exact(quantized.file, images_for(gated_network(1 / 6, 0.5), 6))
    assert Kernel.HARD_SIGMOID in {node.kernel for node in found.plan.nodes}
    require_same_points(found, quantized.plan, dict(quantized.exact.encodings))


@BITS
def test_every_integer_of_the_demo_is_that_of_the_runtime(bits: Bits) -> None:
    model = load_model(None)
    draft = drafted(model, bits)
    require_same_points(require_exact(draft.file, noise(model, 32)), draft.plan, draft.encodings)


@BITS
@pytest.mark.parametrize("network", ["cifar10_resnet20", "cifar10_mobilenetv2", "cifar10_shufflenet"])
def test_every_integer_of_a_real_network_is_that_of_the_runtime(
    network: str, bits: Bits, evaluation_data: Path
) -> None:
    model = load_model(evaluation_data / "models" / f"{network}.onnx")
    draft = drafted(model, bits)
    require_same_points(require_exact(draft.file, noise(model, 16)), draft.plan, draft.encodings)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [Bits(), Bits(weights=4, activations=4)], ids=["W8A8", "W4A4"])
@pytest.mark.parametrize(
    "network",
    [
        "mobilenetv3_large_w1",
        "mobilenetv3_small_w1",
        "efficientnet_b0",
        "shufflenetv2_w1",
        "shufflenet_g3_w1",
        "densenet121",
        "squeezenet_v1_1",
        "bninception",
        "regnetx002",
        "resnet50",
    ],
)
def test_every_integer_of_a_usual_network_is_that_of_the_runtime(network: str, bits: Bits) -> None:
    from bench.usual_networks import load_drawn

    model = load_drawn(network)
    draft = drafted(model, bits)
    require_same_points(require_exact(draft.file, noise(model, 8)), draft.plan, draft.encodings)


@settings(RANDOM, max_examples=10)
@given(proto=networks(), seed=st.integers(0, 99))
def test_a_file_that_was_changed_is_simulated_as_it_stands(proto: onnx.ModelProto, seed: int) -> None:
    quantized, images = quantize(proto), images_for(proto, 6, seed=1)
    before = quantized.exact.run(images)
    for tensor in quantized.file.graph.initializer:
        if tensor.name.endswith("_q") and tensor.data_type == onnx.TensorProto.INT8:
            codes = array(quantized.file, tensor.name)
            put(quantized.file, tensor.name, codes[::-1].copy())
            break
    found = require_exact(quantized.file, images)
    first = next(node for node in quantized.plan.nodes if node.kernel is Kernel.CONV)
    assert found.plan.nodes[0].node == first.node
    changed = found.run(images)
    assert any(not np.array_equal(before[name], changed[name]) for name in before)


def test_a_runtime_that_computes_otherwise_is_found() -> None:
    quantized, images = quantize(gated_network(1 / 6, 0.5)), images_for(gated_network(1 / 6, 0.5), 6)
    simulator = read_back(quantized.file)
    weight = next(t.name for t in quantized.file.graph.initializer if t.name.endswith("_q") and len(t.dims) == 4)
    codes = array(quantized.file, weight).copy()
    codes.flat[0] = -codes.flat[0]
    put(quantized.file, weight, codes)
    result = parity(quantized.file, simulator.run, images, 6)
    assert not result.exact
    assert result.first_differing == "t0_q"


def test_an_openvino_file_keeps_the_edge_that_its_add_accumulates() -> None:
    net = Network(0)
    net.conv(CHANNELS)
    net.add("Relu", [net.at])
    entry = net.at
    net.conv(CHANNELS)
    net.add("Add", [net.at, entry])
    net.add("GlobalAveragePool", [net.at], (CHANNELS, 1, 1))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, CHANNELS)], transB=1)
    proto = tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    quantized = quantize(proto, target="openvino")
    found = read_back(quantized.file)
    assert not find_target(found.plan.target).exact
    assert {node.op_type: node.kernel for node in found.plan.nodes}["Add"] is Kernel.ADD
    assert "t2" not in found.plan.by_tensor
    quantized.file.metadata_props.clear()
    with pytest.raises(InputError, match=r"Conv Conv_t2 runs in float \(its output is not quantized"):
        read_back(quantized.file)


def test_the_pair_that_openvino_does_not_round_is_found() -> None:
    net = Network(0)
    net.conv(CHANNELS)
    net.add("Relu", [net.at])
    entry = net.at
    for _ in range(2):
        net.conv(CHANNELS)
        net.add("Relu", [net.at])
    net.add("Add", [net.at, entry])
    net.conv(CLASSES)
    proto = tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    for target, unrounded in (("openvino", {"t5"}), ("ort-cpu", set())):
        quantized = quantize(proto, target=target)
        for plan in (quantized.plan, read_back(quantized.file).plan):
            assert {point.key for point in plan.points if isinstance(point.constraint, Unrounded)} == unrounded


@pytest.mark.parametrize("target", ["tensorrt", "portable"])
def test_a_file_whose_values_are_limited_is_refused(target: str) -> None:
    with pytest.raises(InputError, match=f"for {target}.*no exact simulation"):
        read_back(quantize(gated_network(1 / 6, 0.5), target=target).file)


def test_a_target_that_does_not_exist_is_refused() -> None:
    file = quantize(gated_network(1 / 6, 0.5)).file
    helper.set_model_props(file, {"gdfq_export.target": "abacus"})
    with pytest.raises(InputError, match="unknown target 'abacus'"):
        read_back(file)


def test_a_float_network_has_no_layer_on_integers() -> None:
    with pytest.raises(InputError, match=r"Conv Conv_t0 runs in float \(its input is not quantized\).*no exact"):
        read_back(gated_network(1 / 6, 0.5))


def test_the_file_is_not_changed() -> None:
    file = quantize(gated_network(1 / 6, 0.5)).file
    before = file.SerializeToString()
    read_back(file)
    assert file.SerializeToString() == before

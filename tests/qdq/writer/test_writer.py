"""What stands in the file: the user's names, integers as initializers, and the facts about its making."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, numpy_helper

from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.metrics.parity import parity
from gdfq_export.qdq.writer import dequantized_name, scale_name
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.onnxruntime import optimized_graph
from tests import tiny_graph
from tests.fully_connected import fully_connected
from tests.simulator.quantized import Quantized, images_for, quantize

RANDOM = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    return (RANDOM.normal(size=shape) / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 1)).astype(np.float32)


ARRAYS = {"w": weights(4, 3, 3, 3), "b": weights(4), "v": weights(4, 4, 3, 3), "a": weights(4), "g": weights(5, 4)}
ARRAYS |= {"pads": np.array([0, 1, 0, 0, 0, 1, 0, 0]), "k": weights(1, 1, 5, 5), "u": weights(4, 6, 3, 3)}


def classifier(*, ends: str = "Gemm") -> onnx.ModelProto:
    """Two layers, an absorbed Relu, a Pad on codes, a constant factor, and a head that writes `scores`."""
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["picture", "w", "b"], ["c"], {"kernel_shape": [3, 3]}),
        ("Relu", ["c"], ["r"]),
        ("Conv", ["r", "v", "a"], ["d"], {"kernel_shape": [3, 3]}),
        ("Pad", ["d", "pads"], ["e"]),
        ("Mul", ["e", "k"], ["m"]),
        ("Conv", ["m", "u"], ["h"], {"kernel_shape": [3, 3]}),
        ("GlobalAveragePool", ["h"], ["p"]),
        ("Flatten", ["p"], ["f" if ends == "Gemm" else "scores"]),
    ]
    if ends == "Gemm":
        nodes.append(("Gemm", ["f", "g"], ["scores"], {"transB": 1}))
    used = {name for node in nodes for name in node[1]}
    return tiny_graph.model(
        nodes=nodes,
        inputs={"picture": ("batch", 3, 9, 9)},
        outputs=["scores"],
        initializers={name: array for name, array in ARRAYS.items() if name in used},
    )


@pytest.fixture(scope="module")
def eight() -> Quantized:
    return quantize(classifier())


@pytest.fixture(scope="module")
def four() -> Quantized:
    return quantize(classifier(), Bits(weights=4, activations=4, first_last=8))


def initializers(file: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in file.graph.initializer}


def producer(file: onnx.ModelProto, value: str) -> onnx.NodeProto:
    return next(node for node in file.graph.node if value in node.output)


def readers(file: onnx.ModelProto, value: str) -> list[str]:
    return [node.op_type for node in file.graph.node if value in node.input]


def test_inputs_outputs_and_nodes_keep_their_names(eight: Quantized) -> None:
    original, file = classifier(), eight.file
    assert [value.name for value in file.graph.input] == ["picture"]
    assert [value.name for value in file.graph.output] == ["scores"]
    assert file.graph.input[0].type == original.graph.input[0].type
    assert file.graph.output[0].type == original.graph.output[0].type
    named = {node.name: node.op_type for node in file.graph.node if node.name}
    assert named == {node.name: node.op_type for node in original.graph.node if node.op_type != "Relu"}


def test_a_float_value_keeps_its_name_and_an_absorbed_activation_gives_its_producer_its_own(eight: Quantized) -> None:
    assert producer(eight.file, "r").name == "Conv_c"
    assert producer(eight.file, "d").name == "Conv_d"
    assert readers(eight.file, "r") == ["QuantizeLinear"]


def test_an_activation_is_quantized_once_and_read_dequantized(eight: Quantized) -> None:
    node = producer(eight.file, "r_q")
    assert node.op_type == "QuantizeLinear"
    assert list(node.input) == ["r", "r_scale", "uint8_0"]
    assert readers(eight.file, "r_q") == ["DequantizeLinear"]
    assert producer(eight.file, "d").input[0] == dequantized_name("r") == "r_dq"
    assert initializers(eight.file)["r_scale"] == eight.exact.encodings["r"].scale


def test_weights_are_int8_along_their_axis(eight: Quantized) -> None:
    stored, encoding = initializers(eight.file), eight.exact.encodings["v"]
    assert stored["v_q"].dtype == np.int8
    np.testing.assert_array_equal(stored["v_q"], encoding.codes)
    np.testing.assert_array_equal(stored[scale_name("v")], encoding.scale)
    real = producer(eight.file, "v_dq")
    assert onnx.helper.get_node_attr_value(real, "axis") == 0
    assert stored[real.input[2]].tolist() == [0] * 4
    assert "v" not in stored


def test_the_bias_has_the_product_of_both_scales(eight: Quantized) -> None:
    stored = initializers(eight.file)
    assert stored["a_q"].dtype == np.int32
    real = producer(eight.file, "a_dq")
    codes, name = real.input
    assert codes == "a_q"
    product = producer(eight.file, name)
    assert product.op_type == "Mul"
    assert list(product.input) == ["r_scale", "v_scale"]
    scale = stored["r_scale"] * stored["v_scale"]
    np.testing.assert_array_equal(scale, eight.exact.encodings["a"].scale)
    np.testing.assert_allclose(stored["a_q"] * scale, ARRAYS["a"], atol=float(scale.max()))


def test_a_constant_operand_is_stored_as_codes(eight: Quantized) -> None:
    stored = initializers(eight.file)
    assert stored["k_q"].dtype == np.uint8
    real = producer(eight.file, "k_dq")
    values = (stored["k_q"].astype(float) - stored[real.input[2]]) * stored["k_scale"]
    np.testing.assert_allclose(values, ARRAYS["k"], atol=float(stored["k_scale"]) * 0.51)


def test_a_pad_stands_on_the_codes_and_pads_with_the_code_of_zero(eight: Quantized) -> None:
    pad = next(node for node in eight.file.graph.node if node.op_type == "Pad")
    assert (pad.input[0], pad.output[0]) == ("d_q", "e_q")
    assert initializers(eight.file)[pad.input[2]] == eight.exact.encodings["d"].zero_point != 0
    assert readers(eight.file, "e_q") == ["DequantizeLinear"]


def test_logits_that_a_gemm_writes_are_float(eight: Quantized) -> None:
    assert producer(eight.file, "scores").op_type == "Gemm"
    assert readers(eight.file, "scores") == []


def test_a_quantized_graph_output_keeps_its_name() -> None:
    quantized = quantize(classifier(ends="codes"))
    (output,) = quantized.file.graph.output
    assert output.name == "scores"
    assert output.type.tensor_type.elem_type == TensorProto.FLOAT
    assert producer(quantized.file, "scores").op_type == "DequantizeLinear"
    images = images_for(classifier(), 3)
    expected = quantized.exact.run(images)["scores"]
    np.testing.assert_array_equal(run_model(quantized.file, {"picture": images})["scores"], expected)


@pytest.mark.parametrize("bits", [Bits(), Bits(weights=4, activations=4, first_last=4, residual=4, input=4)])
@pytest.mark.parametrize("ends", ["Gemm", "codes"])
def test_the_file_passes_the_full_check_of_onnx(bits: Bits, ends: str) -> None:
    onnx.checker.check_model(quantize(classifier(ends=ends), bits).file, full_check=True)


def test_weights_of_four_bits_are_stored_as_int4(four: Quantized) -> None:
    types = {tensor.name: tensor.data_type for tensor in four.file.graph.initializer}
    assert types["v_int4"] == TensorProto.INT4
    assert types["w_q"] == TensorProto.INT8
    cast = producer(four.file, "v_q")
    assert cast.op_type == "Cast"
    assert list(cast.input) == ["v_int4"]
    assert onnx.helper.get_node_attr_value(cast, "to") == TensorProto.INT8
    packed = next(tensor for tensor in four.file.graph.initializer if tensor.name == "v_int4")
    assert len(packed.raw_data) == ARRAYS["v"].size // 2


def test_weights_of_two_bits_are_stored_as_int2_where_the_runtime_reads_it() -> None:
    bits = Bits(weights=2, first_last=2)
    for target, data_type, opset, share in (
        ("ort-cpu", TensorProto.INT2, 25, 4),
        ("openvino", TensorProto.INT4, 21, 2),
    ):
        quantized = quantize(classifier(), bits, target)
        packed = next(
            tensor
            for tensor in quantized.file.graph.initializer
            if producer(quantized.file, "v_q").input[0] == tensor.name
        )
        assert packed.data_type == data_type
        assert len(packed.raw_data) == ARRAYS["v"].size // share
        assert quantized.file.opset_import[0].version == opset
        onnx.checker.check_model(quantized.file, full_check=True)


@pytest.mark.parametrize("bits", [2, 3])
def test_weights_of_two_and_three_bits_compute_what_is_simulated(bits: int) -> None:
    quantized = quantize(classifier(), Bits(weights=bits, first_last=bits))
    assert parity(quantized.file, quantized.exact.run, images_for(classifier(), 16, seed=3), 16).exact
    codes = quantized.exact.encodings["v"].codes
    assert codes is not None and np.abs(codes).max() == 2 ** (bits - 1) - 1


def test_native_weights_are_read_without_a_cast_and_compute_the_same_but_for_the_order_of_sums() -> None:
    native = quantize(classifier(), Bits(weights=4, first_last=4, storage="native"))
    packed = quantize(classifier(), Bits(weights=4, first_last=4))
    assert not [node for node in native.file.graph.node if node.op_type == "Cast"]
    types = {tensor.name: tensor.data_type for tensor in native.file.graph.initializer}
    real = producer(native.file, "v_dq")
    assert {types[real.input[0]], types[real.input[2]]} == {TensorProto.INT4}
    onnx.checker.check_model(native.file, full_check=True)
    images = images_for(classifier(), 16, seed=3)
    expected = run_model(packed.file, {"picture": images})["scores"]
    np.testing.assert_allclose(run_model(native.file, {"picture": images})["scores"], expected, atol=0.05)


@pytest.fixture(scope="module")
def blocks() -> Quantized:
    return quantize(fully_connected(), Bits(weights=4, blocks=32))


def test_weights_in_blocks_are_int4_with_a_scale_a_block(blocks: Quantized) -> None:
    onnx.checker.check_model(blocks.file, full_check=True)
    stored, types = (
        initializers(blocks.file),
        {tensor.name: tensor.data_type for tensor in blocks.file.graph.initializer},
    )
    real = producer(blocks.file, "g_dq")
    facts = {attribute.name: attribute.i for attribute in real.attribute}
    assert facts == {"axis": 0, "block_size": 32}
    assert types[real.input[0]] == TensorProto.INT4
    assert stored[real.input[0]].shape == (32, 48) and stored[real.input[1]].shape == (1, 48)
    assert producer(blocks.file, "h_dq").attribute[-1].i == 16, "48 inputs are no whole blocks of 32"
    assert producer(blocks.file, "y").op_type == "MatMul"


def test_weights_in_blocks_are_multiplied_by_the_kernel_that_unpacks_them(blocks: Quantized) -> None:
    ran = [node.op_type for node in optimized_graph(blocks.file.SerializeToString()).graph.node]
    assert ran.count("MatMulNBits") == 2
    assert not {"Gemm", "FusedGemm", "MatMul"} & set(ran)


def test_weights_in_blocks_compute_what_is_simulated_to_the_bit(blocks: Quantized) -> None:
    images = images_for(fully_connected(), 17, seed=3)
    for batch in (1, 16):
        assert parity(blocks.file, blocks.exact.run, images, batch).exact


def test_products_in_blocks_between_integer_kernels_compute_what_is_simulated_to_the_bit() -> None:
    arrays = {
        "w": weights(32, 3, 3, 3),
        "g": weights(48, 32),
        "a": weights(48),
        "h": weights(48, 32),
        "k": weights(5, 48),
    }
    proto = tiny_graph.model(
        nodes=[
            ("Conv", ["picture", "w"], ["c"], {"kernel_shape": [3, 3]}),
            ("GlobalAveragePool", ["c"], ["p"]),
            ("Flatten", ["p"], ["f"]),
            ("Gemm", ["f", "g", "a"], ["d"], {"transB": 1}),
            ("Relu", ["d"], ["r"]),
            ("Gemm", ["f", "h"], ["e"], {"transB": 1}),
            ("Add", ["r", "e"], ["s"]),
            ("Gemm", ["s", "k"], ["scores"], {"transB": 1}),
        ],
        inputs={"picture": ("batch", 3, 9, 9)},
        outputs=["scores"],
        initializers=arrays,
    )
    quantized = quantize(proto, Bits(blocks=16))
    ran = [node.op_type for node in optimized_graph(quantized.file.SerializeToString()).graph.node]
    assert (ran.count("MatMulNBits"), ran.count("QLinearAdd")) == (3, 1)
    assert parity(quantized.file, quantized.exact.run, images_for(proto, 17, seed=3), 8).exact


def test_codes_below_eight_bits_are_clipped(four: Quantized, eight: Quantized) -> None:
    clip = producer(four.file, "r_q")
    assert clip.op_type == "Clip"
    assert producer(four.file, clip.input[0]).op_type == "QuantizeLinear"
    stored = initializers(four.file)
    limits = [stored[name] for name in clip.input[1:]]
    assert [limit.item() for limit in limits] == [0, 15]
    assert {limit.dtype for limit in limits} == {np.dtype(np.uint8)}
    assert not [node for node in eight.file.graph.node if node.op_type == "Clip"]


def test_int4_and_int8_storage_of_the_same_codes_give_the_same_logits(four: Quantized) -> None:
    wide = onnx.ModelProto()
    wide.CopyFrom(four.file)
    casts = {node.output[0]: node for node in wide.graph.node if node.op_type == "Cast"}
    assert casts
    for name, cast in casts.items():
        packed = next(tensor for tensor in wide.graph.initializer if tensor.name == cast.input[0])
        packed.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(packed).astype(np.int8), name))
        wide.graph.node.remove(cast)
    onnx.checker.check_model(wide, full_check=True)
    images = images_for(classifier(), 16, seed=3)
    narrow_logits = run_model(four.file, {"picture": images})["scores"]
    np.testing.assert_array_equal(run_model(wide, {"picture": images})["scores"], narrow_logits)
    assert len(np.unique(narrow_logits)) > 16


def test_the_file_says_what_it_is(eight: Quantized) -> None:
    facts = {entry.key: entry.value for entry in eight.file.metadata_props}
    assert facts == {"gdfq_export.version": "test", "gdfq_export.target": "ort-cpu"}
    assert eight.file.producer_name == "gdfq-export"
    assert [(opset.domain, opset.version) for opset in eight.file.opset_import] == [("", 21)]


def test_the_float_graph_is_left_as_it_was(eight: Quantized) -> None:
    assert "QuantizeLinear" not in [node.op_type for node in eight.folded.graph]
    np.testing.assert_array_equal(eight.folded.graph.initializers["v"].const_value.numpy(), ARRAYS["v"])
    assert {output.dtype for node in eight.folded.graph for output in node.outputs} == {ir.DataType.FLOAT}


def test_no_initializer_is_left_over(eight: Quantized, four: Quantized) -> None:
    for quantized in (eight, four):
        read = {name for node in quantized.file.graph.node for name in node.input}
        assert {tensor.name for tensor in quantized.file.graph.initializer} <= read

"""Every operator of the table against ONNX's own backend node tests."""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from gdfq_export.errors import InputError
from gdfq_export.frontend.torch_import import OPERATORS, import_graph, lower
from tests import tiny_graph

#: What the importer refuses on purpose; the test asserts that it does refuse.
REFUSED = {
    "test_batchnorm_epsilon_training_mode": "statistics of the batch: training only",
    "test_batchnorm_example_training_mode": "statistics of the batch: training only",
    "test_dropout_default_mask": "the mask means nothing at inference",
    "test_dropout_default_mask_ratio": "the mask means nothing at inference",
    "test_maxpool_with_argmax_2d_precomputed_pads": "indices of maxima: the graph is cut there",
    "test_maxpool_with_argmax_2d_precomputed_strides": "indices of maxima: the graph is cut there",
    "test_training_dropout": "random at training only",
    "test_training_dropout_default": "random at training only",
    "test_training_dropout_default_mask": "random at training only",
    "test_training_dropout_mask": "random at training only",
    "test_training_dropout_zero_ratio": "training mode, if not random",
    "test_training_dropout_zero_ratio_mask": "training mode, if not random",
}
REFUSED |= dict.fromkeys(
    [
        "test_resize_downsample_scales_cubic_antialias",
        "test_resize_downsample_scales_linear_antialias",
        "test_resize_downsample_sizes_cubic_antialias",
        "test_resize_downsample_sizes_linear_antialias",
        "test_resize_downsample_sizes_nearest_not_larger",
        "test_resize_downsample_sizes_nearest_not_smaller",
        "test_resize_tf_crop_and_resize",
        "test_resize_tf_crop_and_resize_axes_2_3",
        "test_resize_tf_crop_and_resize_axes_3_2",
        "test_resize_tf_crop_and_resize_extrapolation_value",
        "test_resize_upsample_sizes_nearest_not_larger",
        "test_resize_upsample_sizes_nearest_not_smaller",
    ],
    "more elements than the mode reads, or a frame",
)
REFUSED |= dict.fromkeys(
    [
        "test_scatter_elements_with_reduction_max",
        "test_scatter_elements_with_reduction_min",
        "test_scatter_elements_with_reduction_mul",
        "test_scatternd_max",
        "test_scatternd_max_with_element_indices",
        "test_scatternd_min",
        "test_scatternd_min_with_element_indices",
        "test_scatternd_multiply",
    ],
    "neither replaced nor added",
)
#: Cases that this test does not run, and why.
SKIPPED = {
    "test_reduce_max_empty_set": "no elements",
    "test_reduce_max_empty_set_bool": "no elements",
    "test_reduce_min_empty_set": "no elements",
    "test_identity_opt": "an optional of a sequence, not a tensor",
    "test_identity_sequence": "a sequence, not a tensor",
    "test_resize_downsample_scales_cubic_align_corners": "ONNX Runtime rounds the length first, and so do we",
    "test_resize_downsample_scales_linear_align_corners": "ONNX Runtime rounds the length first, and so do we",
}
#: Operators that mean the same since opset 7, which the converter of versions cannot convert.
UNCHANGED = ("And", "Or", "Xor")
#: Operators without a case; `test_float_operators.py` compares them with ONNX Runtime.
WITHOUT_CASES = ("GlobalLpPool",)
SKIPPED_TYPES = "strings, bfloat16, 8-bit floats, 2-, 4- and 8-bit integers: a float classifier has none"
#: These cases state their expectation with four decimals.
ROUNDED = {"test_gridsample_bicubic": 1e-3, "test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-3}


@pytest.fixture(scope="module")
def cases() -> dict[str, list[Any]]:
    """Backend test cases of one node, by operator."""
    found: dict[str, list[Any]] = defaultdict(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            if len(case.model.graph.node) == 1 and not case.model.graph.node[0].domain:
                found[case.model.graph.node[0].op_type].append(case)
    return found


def arrays_of(values: Any) -> list[Any]:
    """Return test data as arrays; Cast gives its own as TensorProto."""
    return [numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value for value in values]


def is_skipped(case: Any, arrays: list[Any]) -> bool:
    """Tell whether `case` is in SKIPPED or of SKIPPED_TYPES."""
    types = ("float16", "float32", "float64", "int32", "int64", "bool")
    return case.name in SKIPPED or any(np.asarray(array).dtype.name not in types for array in arrays)


def graph_of_case(case: Any, inputs: list[np.ndarray]) -> ir.Model:
    """Return the case's graph with every input but the first as an initializer."""
    proto = onnx.ModelProto()
    proto.CopyFrom(case.model)
    names = [value.name for value in proto.graph.input]
    proto.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array), name) for name, array in zip(names[1:], inputs[1:], strict=True)
    )
    del proto.graph.input[1:]
    if proto.graph.node[0].op_type in UNCHANGED:
        proto.opset_import[0].version = 21
    if next(entry.version for entry in proto.opset_import if not entry.domain) < 18:
        proto = onnx.version_converter.convert_version(proto, 21)
    return ir.from_proto(proto)


@pytest.mark.parametrize("op_type", sorted(set(OPERATORS) - set(WITHOUT_CASES)))
def test_operator_passes_the_backend_node_tests(op_type: str, cases: dict[str, list[Any]]) -> None:
    ran = 0
    for case in cases[op_type]:
        for inputs, outputs in (map(arrays_of, data) for data in case.data_sets):
            if is_skipped(case, [*inputs, *outputs]):
                continue
            graph = graph_of_case(case, inputs)
            names = [value.name for value in graph.graph.outputs]
            if case.name in REFUSED:
                with pytest.raises(InputError, match=op_type):
                    import_graph(graph, until=names[0])
                continue
            x = torch.from_numpy(np.array(inputs[0]))
            before = x.clone()
            for name, expected in zip(names, outputs, strict=True):
                with torch.no_grad():
                    found = import_graph(graph, until=name)(x).numpy()
                assert (found.dtype, found.shape) == (expected.dtype, expected.shape), case.name
                rtol = ROUNDED.get(case.name, 1e-5)
                np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-6, err_msg=case.name)
            torch.testing.assert_close(x, before, rtol=0, atol=0, equal_nan=True, msg=f"{case.name} changed its input")
            ran += 1
    assert ran, f"no backend node test ran for {op_type}"


def test_lists_of_exceptions_name_existing_cases(cases: dict[str, list[Any]]) -> None:
    names = {case.name for group in cases.values() for case in group}
    assert {*REFUSED, *SKIPPED, *ROUNDED} <= names


def test_the_table_covers_what_classifiers_are_made_of() -> None:
    arithmetic = {"Add", "Sub", "Mul", "Div", "Gemm", "MatMul", "Conv", "BatchNormalization"}
    activations = {
        "Relu",
        "Clip",
        "LeakyRelu",
        "PRelu",
        "Gelu",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "Softmax",
        "LogSoftmax",
    }
    pools = {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean"}
    moves = {"Concat", "Split", "Slice", "Pad", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Gather"}
    assert set(OPERATORS) >= arithmetic | activations | pools | moves | {"Identity", "Dropout", "Shape", "Cast"}


def test_an_unknown_operator_is_refused_with_what_is_supported() -> None:
    model = tiny_graph.graph(nodes=[("Hardmax", ["x"], ["y"])], inputs={"x": ("batch", 3)}, outputs=["y"])
    with pytest.raises(InputError, match=r"Operator Hardmax of node 'Hardmax_y' .* supported are Abs, .*Xor"):
        lower(next(iter(model.graph)))


def test_a_custom_domain_is_refused_even_under_a_known_name() -> None:
    node = ir.Node("com.example", "Relu", [ir.Value(name="x")], name="mine")
    with pytest.raises(InputError, match=r"com\.example\.Relu of node 'mine'"):
        lower(node)


def test_lowered_functions_work_outside_a_graph() -> None:
    model = tiny_graph.graph(
        nodes=[("Clip", ["x", "low", "high"], ["y"])],
        inputs={"x": ("batch", 3)},
        outputs=["y"],
        initializers={"low": np.float32(0), "high": np.float32(6)},
    )
    op = lower(next(iter(model.graph)))
    assert [value.name for value in op.inputs if value] == ["x"]
    assert op.kwargs == {"low": 0.0, "high": 6.0}
    assert op.function(torch.tensor([-1.0, 3.0, 9.0]), **op.kwargs).tolist() == [0.0, 3.0, 6.0]


def test_batch_normalization_outside_a_graph_equals_the_module() -> None:
    random = np.random.default_rng(0)
    numbers = {name: random.uniform(0.01, 1, size=4).astype(np.float32) for name in ("scale", "bias", "mean", "var")}
    model = tiny_graph.graph(
        nodes=[("BatchNormalization", ["x", *numbers], ["y"], {"epsilon": 0.1})],
        inputs={"x": ("batch", 4, 3, 3)},
        outputs=["y"],
        initializers=numbers,
    )
    x = torch.randn(2, 4, 3, 3)
    op = lower(next(iter(model.graph)))
    found = op.function(x, *(torch.from_numpy(array) for array in numbers.values()), **op.kwargs)
    torch.testing.assert_close(found, import_graph(model)(x))

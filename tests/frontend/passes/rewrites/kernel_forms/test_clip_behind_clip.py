"""A Relu or Clip behind another becomes one, which kernels absorb."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest

from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.rewrites.kernel_forms.clip_behind_clip import clip_bounds
from gdfq_export.lint import check
from gdfq_export.targets import TARGETS
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs
from tests.simulator.quantized import quantize

RELU = (0.0, math.inf)
Bounds = tuple[float, float]


def chain(*activations: Bounds) -> onnx.ModelProto:
    """Conv, Add, the activations, a pool and a Gemm."""
    random = np.random.default_rng(0)
    initializers = {
        "w": (random.normal(size=(4, 3, 3, 3)) / 2).astype(np.float32),
        "v": (random.normal(size=(5, 4)) / 2).astype(np.float32),
    }
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [("Conv", ["x", "w"], ["a"], pads), ("Conv", ["x", "w"], ["b"], pads), ("Add", ["a", "b"], ["s"])]
    at = "s"
    for index, (low, high) in enumerate(activations):
        names = ["", ""]
        for place, bound in enumerate((low, high)):
            if math.isfinite(bound):
                names[place] = f"bound_{index}_{place}"
                initializers[names[place]] = np.asarray(bound, np.float32)
        inputs = [at] if (low, high) == RELU else [at, *names]
        nodes.append(("Relu" if (low, high) == RELU else "Clip", inputs, [f"r{index}"]))
        at = f"r{index}"
    nodes += [("GlobalAveragePool", [at], ["g"]), ("Flatten", ["g"], ["f"]), ("Gemm", ["f", "v"], ["y"], {"transB": 1})]
    return tiny_graph.model(nodes=nodes, inputs={"x": ("batch", 3, 6, 6)}, outputs=["y"], initializers=initializers)


@pytest.mark.parametrize(
    ("activations", "found"),
    [
        ([RELU, (-1.0, 0.5)], [("r1", (0.0, 0.5))]),
        ([(-1.0, 0.5), RELU], [("r1", (0.0, 0.5))]),
        ([RELU, RELU, RELU], [("r2", RELU)]),
        ([(-0.25, math.inf), (-math.inf, 0.5)], [("r1", (-0.25, 0.5))]),
        ([(0.5, 1.0), (-1.0, 0.25)], [("r0", (0.5, 1.0)), ("r1", (-1.0, 0.25))]),
        ([RELU, (2.0, 1.0)], [("r0", RELU), ("r1", (2.0, 1.0))]),
    ],
)
def test_those_whose_ranges_overlap_become_one(activations: list[Bounds], found: list[tuple[str, Bounds]]) -> None:
    proto = chain(*activations)
    model = canonicalize(proto, "test")
    assert_same_outputs(proto, model, tolerance=1e-6)
    clips = [node for node in model.graph if node.op_type in ("Relu", "Clip")]
    assert [(node.outputs[0].name, clip_bounds(node)) for node in clips] == found


def test_one_that_another_reads_too_stays() -> None:
    proto = chain(RELU, (0.0, 0.5))
    proto.graph.node.append(onnx.helper.make_node("ReduceMean", ["r0"], ["z"], keepdims=0))
    proto.graph.output.append(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, []))
    names = [node.outputs[0].name for node in canonicalize(proto, "test").graph]
    assert {"r0", "r1"} <= set(names)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_an_add_absorbs_both_where_the_pool_reads_codes(target: str) -> None:
    file = quantize(chain(RELU, (0.0, 0.5)), target=target).file
    readers = {node.op_type: list(node.input) for node in file.graph.node}
    assert ("Clip" in readers) == ("GlobalAveragePool" not in TARGETS[target].rules)
    assert readers.get("Relu", []) != ["s"]
    assert [each for each in check(file, TARGETS[target]) if each.rule != "no integer kernel"] == []

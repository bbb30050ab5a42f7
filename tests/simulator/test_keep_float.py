"""Nodes that a recipe keeps float: any of them, alone or together, in random networks."""

from __future__ import annotations

import glob
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.fold_batch_norm import fold_batch_norm
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.placement.float_reasons import KEPT
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.base import Backend
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.runtimes.openvino import OpenVino
from tests.simulator.quantized import Quantized, images_for, quantize
from tests.simulator.random_network import networks

MOVED = {"MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Resize", "Tile"}
MOVED |= {"DepthToSpace", "Expand", "Gather", "Pad", "SpaceToDepth", "ReduceMax", "Relu", "Clip", "Sum", "Identity"}
WIDTHS = [Bits(), Bits(weights=4, activations=4), Bits(weights=3, activations=5, first_last=6, residual=7)]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def names_of(proto: onnx.ModelProto) -> list[str]:
    return [str(node.name) for node in fold_batch_norm(canonicalize(proto, "test")).model.graph]


@st.composite
def kept_parts(draw: Any) -> tuple[onnx.ModelProto, Bits]:
    """A network, and bits that keep some of its nodes float: single ones, or a stretch."""
    proto, bits = draw(networks()), draw(st.sampled_from(WIDTHS))
    names = names_of(proto)
    if draw(st.booleans()):
        kept = draw(st.sets(st.sampled_from(names), min_size=1))
    else:
        first, last = sorted((draw(st.integers(0, len(names) - 1)), draw(st.integers(0, len(names) - 1))))
        kept = names[first : last + 1]
    return proto, bits.model_copy(update={"keep_float": tuple(map(glob.escape, sorted(kept)))})


@settings(max_examples=60, suppress_health_check=SLOW)
@given(drawn=kept_parts())
def test_kept_nodes_are_float_in_the_runtime_and_everything_is_exact(drawn: tuple[onnx.ModelProto, Bits]) -> None:
    proto, bits = drawn
    quantized = quantize(proto, bits)
    kept = {planned.node for planned in quantized.plan.nodes if planned.reason == KEPT}
    assert {glob.escape(name) for name in kept} >= set(bits.keep_float)
    images = images_for(proto, 6, seed=1)
    result = parity(quantized.file, quantized.exact.run, images, 6)
    assert result.exact, f"{result.first_differing}: {result.differing} integers differ, unchecked {result.unchecked}"
    if quantized.plan.points:  # a file without codes is a float network, of which there is no simulation
        assert parity(quantized.file, read_back(quantized.file).run, images, 6).exact
    _require_float(quantized, kept)


def _require_float(quantized: Quantized, kept: set[str]) -> None:
    """What computes is in the optimised graph under its name or fused with float nodes, never as an integer kernel."""
    computing = {planned.node for planned in quantized.plan.nodes if planned.op_type not in MOVED} & kept
    integer = sum(planned.kernel is not None and planned.op_type not in MOVED for planned in quantized.plan.nodes)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath, options.log_severity_level = str(path), 3
        onnxruntime.InferenceSession(quantized.file.SerializeToString(), options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(path).graph.node
    fused = [node for node in nodes if node.op_type.startswith(("QLinear", "QGemm", "MatMulInteger"))]
    assert not computing & {node.name for node in fused}
    assert len(fused) <= integer, f"{len(fused)} integer kernels, {integer} planned"


@pytest.mark.parametrize("target", ["tensorrt", "portable", "openvino"])
@settings(max_examples=10, derandomize=True, suppress_health_check=SLOW)
@given(drawn=kept_parts())
def test_other_targets_answer_as_simulated(target: str, drawn: tuple[onnx.ModelProto, Bits]) -> None:
    """To the last bits of floats, which each runtime adds in its own order; now and then they move a code."""
    proto, kept = drawn
    quantized = quantize(proto, Bits(keep_float=kept.keep_float), target)
    assume("MatMul" not in [node.op_type for node in quantized.file.graph.node])
    images = images_for(proto, 6, seed=1)
    simulated = quantized.exact.run(images)[quantized.file.graph.output[0].name]
    if target == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed (pip install 'gdfq-export[openvino]')")
    backend: Backend = OpenVino() if target == "openvino" else OnnxRuntime(as_written=True)
    found = backend.load(quantized.file.SerializeToString(), 1).run(images)
    assert np.median(np.abs(found - simulated)) <= 0.01 * (float(np.abs(simulated).max()) or 1.0)


@settings(max_examples=15, suppress_health_check=SLOW)
@given(proto=networks())
def test_a_network_that_is_kept_whole_gives_the_float_networks_outputs(proto: onnx.ModelProto) -> None:
    quantized = quantize(proto, Bits(keep_float=("re:.*",)))
    assert not quantized.plan.points
    images = images_for(proto, 6, seed=1)
    found, expected = (
        onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, {"x": images}
        )[0]
        for each in (quantized.file, proto)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * max(1.0, float(np.abs(expected).max())))
    assert parity(quantized.file, quantized.exact.run, images, 6).exact

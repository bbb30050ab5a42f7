"""What TensorRT refuses, misreads or runs in float: one file breaks each rule, and the builder is the judge."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.lint.tensorrt_rules import tensorrt_findings
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.tensorrt import build_engine
from tests import tiny_graph
from tests.lint.tensorrt_files import (
    ACROSS,
    ARRAYS,
    BEHIND_A_CAST,
    BROKEN,
    BUILDS,
    FINE,
    LAYERS,
    RANDOM,
    REFUSED,
    REFUSED_FILES,
    conv,
    dq,
    file,
    q,
)
from tests.simulator.quantized import quantize
from tests.simulator.random_network import networks


def float_layers(model: onnx.ModelProto) -> set[str]:
    """Layers that run in float in an engine; every layer must be in it."""
    graph = build_engine(model.SerializeToString()).graph
    assert graph is not None
    kinds = {node.name: node.kind for node in graph.nodes if node.kind.endswith("compute")}
    assert set(kinds) == LAYERS
    return {name for name, kind in kinds.items() if kind == "float compute"}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_names_the_nodes_and_what_becomes_of_them(name: str) -> None:
    broken = BROKEN[name]
    findings = tensorrt_findings(broken.file())
    assert [finding.node for finding in findings if finding.rule == broken.rule] == broken.nodes
    assert {finding.consequence for finding in findings} == {broken.consequence}
    assert all(finding.node in finding.message for finding in findings)


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_the_builder_refuses_what_is_said_to_be_refused(name: str) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install 'gdfq-export[tensorrt-rtx]'")
    with pytest.raises(InputError, match=r"refuses it|cannot build it|crashed"):
        build_engine(REFUSED_FILES[name].SerializeToString())


@pytest.mark.parametrize("name", BUILDS)
def test_the_builder_runs_in_float_what_is_said_to_run_in_float(name: str) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install 'gdfq-export[tensorrt-rtx]'")
    assert float_layers(BROKEN[name].file()) == BROKEN[name].floats


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_found_in_a_good_file(name: str) -> None:
    assert tensorrt_findings(FINE[name]) == []


@pytest.mark.parametrize("name", FINE)
def test_the_builder_runs_a_good_file_on_integers(name: str) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install 'gdfq-export[tensorrt-rtx]'")
    assert float_layers(FINE[name]) == set()


def test_a_product_of_two_activations_may_run_in_float() -> None:
    product = [("Tanh", ["r_dq"], ["t"]), ("MatMul", ["t", "r_dq"], ["m"]), q("m"), dq("m"), conv("m_dq", "v_dq", "d")]
    assert tensorrt_findings(file({"d": product}, m_scale=ARRAYS["r_scale"], m_zero=ARRAYS["r_zero"])) == []


def test_uint8_from_0_is_built_and_misread() -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install 'gdfq-export[tensorrt-rtx]'")
    engine = build_engine(BROKEN["uint8 from 0"].file().SerializeToString())
    assert any("Defaulting to INT8" in warning for warning in engine.warnings)


def test_int4_weights_behind_a_cast_are_refused() -> None:
    assert {finding.consequence for finding in tensorrt_findings(BEHIND_A_CAST)} == {REFUSED}


def test_an_opset_that_tensorrt_11_does_not_know_is_found() -> None:
    """RTX 1.7 parses opset 26; TensorRT's documents end at 25."""
    model = file()
    for version, found in ((25, []), (26, [("the file", REFUSED)])):
        model.opset_import[0].version = version
        assert [(finding.node, finding.consequence) for finding in tensorrt_findings(model)] == found


def test_a_node_without_a_name_is_called_by_its_output() -> None:
    model = BROKEN["weights only"].file()
    for node in model.graph.node:
        node.name = ""
    assert [finding.node for finding in tensorrt_findings(model)] == ["d"]


def test_every_broken_rule_is_found_at_once() -> None:
    model = file({"r_q": [q("r", axis=1)], "r_dq": [dq("r", axis=1)]}, **ACROSS, x_zero=np.asarray(3, np.int8))
    found = [(finding.rule, finding.node) for finding in tensorrt_findings(model)]
    pairs = {"zero point": "x", "activation scale": "r"}
    assert found == [
        (rule, f"{op}Linear_{name}_{suffix}")
        for rule, name in pairs.items()
        for op, suffix in (("Quantize", "q"), ("Dequantize", "dq"))
    ]


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(proto=networks(), bits=st.sampled_from([Bits(), Bits(weights=4, activations=4)]))
def test_nothing_is_found_in_a_file_of_ours(proto: onnx.ModelProto, bits: Bits) -> None:
    assert tensorrt_findings(quantize(proto, bits, "tensorrt").file) == []


def test_a_file_for_onnx_runtime_is_refused() -> None:
    network = tiny_graph.model(
        nodes=[conv("x", "w", "c", "b"), ("GlobalAveragePool", ["c"], ["p"]), ("Flatten", ["p"], ["y"])],
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={"w": RANDOM.normal(size=(8, 4, 3, 3)).astype(np.float32), "b": ARRAYS["b"]},
    )
    rules = {finding.rule for finding in tensorrt_findings(quantize(network, target="ort-cpu").file)}
    assert {"zero point", "bias"} <= rules

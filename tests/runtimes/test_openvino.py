from __future__ import annotations

import sys

import pytest

from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes import BACKENDS
from tests.jobs.verify.quantized_classifier import classifier


def test_the_description_says_what_runs_as_integer() -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed (pip install 'gdfq-export[openvino]')")
    network, backend = classifier(), BACKENDS["openvino"]
    quantized, floating = (
        backend.load(proto.SerializeToString(), 1).describe()
        for proto in (network.quantized(), network.float_network())
    )
    assert {node.kind for node in quantized.nodes if node.op_type == "Convolution"} == {"integer compute"}
    assert {node.kind for node in floating.nodes if node.op_type == "Convolution"} == {"float compute"}
    assert quantized.runtime == "OpenVINO" and len(quantized.inputs) == len(quantized.outputs) == 1


def test_without_openvino_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendUnavailable, match=r"gdfq-export\[openvino\]"):
        BACKENDS["openvino"].require()

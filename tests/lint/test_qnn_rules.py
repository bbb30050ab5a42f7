"""What the QNN provider does not take, refuses or computes wrongly: one file breaks each rule, and is run."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from gdfq_export.errors import InputError
from gdfq_export.lint.qnn_rules import qnn_findings
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import code_limits
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.runtimes.qnn import Qnn, QnnSession
from gdfq_export.support.finding import Consequence
from tests.lint.qnn_files import BROKEN, FINE
from tests.qdq.qdq_files import image

NO_QNN = "pip install 'gdfq-export[qnn]'"


def loaded(model: onnx.ModelProto) -> QnnSession:
    return Qnn().load(model.SerializeToString(), 1)


def difference(model: onnx.ModelProto) -> float:
    """Largest difference between the provider's outputs and the file's, as a share of the range of its last tensor."""
    (found,), (written,) = (
        session.run_all(image())
        for session in (loaded(model), OnnxRuntime(as_written=True).load(model.SerializeToString(), 1))
    )
    last = QdqModel.of(model).dequantize[-1]
    limits = code_limits(last.dtype)
    assert last.step is not None and limits is not None
    return float(np.abs(found - written).max() / last.step / (limits[1] - limits[0]))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_names_the_node_and_what_becomes_of_it(name: str) -> None:
    broken = BROKEN[name]
    findings = qnn_findings(QdqModel.of(broken.file))
    assert (broken.rule, broken.node, broken.consequence) in {
        (each.rule, each.node, each.consequence) for each in findings
    }
    assert {each.rule for each in findings} == {broken.rule} | broken.also
    assert all(each.node in each.message or each.node == "the file" for each in findings)


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_found_in_a_good_file(name: str) -> None:
    assert qnn_findings(QdqModel.of(FINE[name])) == []


@pytest.mark.parametrize("name", FINE)
def test_the_processor_computes_a_good_file_as_it_is_written(name: str) -> None:
    pytest.importorskip("onnxruntime_qnn", reason=NO_QNN)
    assert loaded(FINE[name]).on_cpu == set()
    assert difference(FINE[name]) < 0.02


@pytest.mark.parametrize("name", [name for name, each in BROKEN.items() if each.consequence is Consequence.REFUSED])
def test_the_provider_refuses_what_is_said_to_be_refused(name: str) -> None:
    pytest.importorskip("onnxruntime_qnn", reason=NO_QNN)
    with pytest.raises(InputError, match="does not load it"):
        loaded(BROKEN[name].file)


@pytest.mark.parametrize("name", [name for name, each in BROKEN.items() if each.elsewhere])
def test_the_processor_does_not_take_what_is_said_to_run_elsewhere(name: str) -> None:
    pytest.importorskip("onnxruntime_qnn", reason=NO_QNN)
    assert BROKEN[name].elsewhere <= loaded(BROKEN[name].file).on_cpu


@pytest.mark.parametrize("name", [name for name, each in BROKEN.items() if each.consequence is Consequence.WRONG])
def test_the_processor_computes_wrongly_what_is_said_to_be_wrong(name: str) -> None:
    pytest.importorskip("onnxruntime_qnn", reason=NO_QNN)
    assert difference(BROKEN[name].file) > 0.04

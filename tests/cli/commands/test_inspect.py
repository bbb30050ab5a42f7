"""gdfq-export inspect: what is in a file, what is wrong with it, and exit codes that a pipeline can use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from gdfq_export.cli.main import cli
from gdfq_export.targets import TARGETS
from tests.lint.peer_files import network
from tests.qdq.qdq_files import ARRAYS, conv, file
from tests.simulator.quantized import quantize


def made_for(target: str, model: onnx.ModelProto) -> onnx.ModelProto:
    model.metadata_props.add(key="gdfq_export.target", value=target)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file of ours that says so, one of another tool, one with a fault, and a float one."""
    onnx.save(quantize(network()).file, tmp_path / "ours.onnx")
    onnx.save(file(), tmp_path / "other.onnx")
    onnx.save(file(h_scale=ARRAYS["h_scale"] * np.float32(1.5)), tmp_path / "fault.onnx")
    onnx.save(network(), tmp_path / "float.onnx")
    return tmp_path


def invoke(folder: Path, model: str, *options: str) -> Result:
    return CliRunner().invoke(cli, ["inspect", str(folder / model), *options])


def test_a_file_of_ours_is_held_to_the_target_that_it_names(folder: Path) -> None:
    result = invoke(folder, "ours.onnx", "--strict")
    assert result.exit_code == 0, result.output
    assert "gdfq_export.target" in result.stdout and "4 of 4" in result.stdout
    assert result.stdout.splitlines()[-1] == "ort-cpu: nothing found"
    assert "W8A8" in result.stdout and "8 along axis 0" in result.stdout


def test_a_file_of_another_tool_is_held_to_all(folder: Path) -> None:
    result = invoke(folder, "other.onnx")
    assert result.exit_code == 0
    assert "ort-cpu: nothing found" in result.stdout
    assert all(target in result.stdout for target in TARGETS)
    assert "int32" in result.stdout  # of which TensorRT knows nothing


def test_findings_are_an_error_where_it_is_strict(folder: Path) -> None:
    options = ("fault.onnx", "--target", "ort-cpu")
    assert invoke(folder, *options).exit_code == 0
    result = invoke(folder, *options, "--strict")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"Error: {folder / 'fault.onnx'}: 1 finding for ort-cpu")
    assert "Gemm Gemm_y: the scale of its bias is 3e-05" in result.stderr


def test_strict_needs_to_know_for_what(folder: Path) -> None:
    result = invoke(folder, "other.onnx", "--strict")
    assert result.exit_code == 2
    assert "--strict needs --target" in result.stderr


def test_several_targets_can_be_asked_about(folder: Path) -> None:
    result = invoke(folder, "fault.onnx", "--target", "openvino", "--target", "ort-cpu")
    assert "probably a mistake" in result.stdout and "wrong numbers" in result.stdout
    assert "tensorrt" not in result.stdout


def test_many_nodes_are_cut_short(folder: Path) -> None:
    nodes = {f"n{index}": [conv("r_dq", "v_dq", "d_dq", f"n{index}")] for index in range(12)}
    extra = [node for each in nodes.values() for node in each]
    model = file({"e": [conv("r_dq", "v_dq", "d_dq", "e"), *extra]}, d_scale=ARRAYS["d_scale"] * np.float32(2))
    onnx.save(model, folder / "many.onnx")
    result = invoke(folder, "many.onnx", "--target", "ort-cpu", "--json", str(folder / "many.json"))
    words = " ".join(result.stdout.split())
    assert "5 more" in words and "Conv_n11" not in words.split("finding")[0].rsplit("bias scale", 1)[-1]
    found = json.loads((folder / "many.json").read_text())["findings"]["ort-cpu"]
    assert len([each for each in found if each["rule"] == "bias scale"]) == 13


def test_a_float_file_is_said_to_be_one(folder: Path) -> None:
    result = invoke(folder, "float.onnx", "--target", "ort-cpu", "--strict")
    assert result.exit_code == 0
    assert "it holds no QuantizeLinear" in result.stdout
    assert "0 of 4" in result.stdout
    assert "taken: 4 of 4 layers on integers for ort-cpu" in result.stdout


def test_a_float_file_that_quantize_refuses_says_why(folder: Path) -> None:
    model = onnx.load(folder / "float.onnx")
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    onnx.save(model, folder / "strange.onnx")
    out = folder / "strange.json"
    assert invoke(folder, "strange.onnx", "--json", str(out)).exit_code == 0
    said = json.loads(out.read_text())["quantize"]
    assert said.startswith("not taken: ") and "strange.onnx uses the operator com.example.Conv" in said


def test_json_holds_all_of_it(folder: Path) -> None:
    out = folder / "facts.json"
    result = invoke(folder, "fault.onnx", "--json", str(out))
    assert result.exit_code == 0 and result.stdout.endswith(f"wrote {out}\n")
    facts = json.loads(out.read_text())
    assert facts["file"] == "fault.onnx" and facts["made_for"] is None and facts["schema_version"] == 1
    assert facts["bytes"] == (folder / "fault.onnx").stat().st_size
    assert [layer["numbers"] for layer in facts["layers"]] == ["W8A8"] * 3
    assert len(facts["tensors"]) == 11 and set(facts["findings"]) == set(TARGETS)
    (finding,) = facts["findings"]["ort-cpu"]
    assert (finding["rule"], finding["node"], finding["consequence"]) == ("bias scale", "Gemm_y", "wrong numbers")


def test_a_target_of_a_later_version_is_warned_of(folder: Path) -> None:
    onnx.save(made_for("npu", file()), folder / "later.onnx")
    result = invoke(folder, "later.onnx")
    assert result.exit_code == 0
    assert "made for npu, which this version does not know" in result.stderr


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("absent.onnx", [], "absent.onnx"),
        ("ours.onnx", ["--target", "npu"], "unknown target 'npu'"),
        ("ours.onnx", ["--json", "absent/facts.json"], "does not exist"),
        ("text.onnx", [], "no ONNX model"),
        ("torn.onnx", [], "torn.onnx: the graph is not what ONNX allows"),
    ],
    ids=["no file", "no target", "no folder", "no model", "no graph"],
)
def test_a_mistake_is_one_sentence(folder: Path, model: str, options: list[str], said: str) -> None:
    (folder / "text.onnx").write_text("no model")
    torn = file()
    torn.graph.node[0].input[0] = "nothing"
    onnx.save(torn, folder / "torn.onnx")
    result = invoke(folder, model, *options)
    assert result.exit_code == 2
    assert said in result.stderr and result.stderr.count("\n") == 1


def test_the_json_may_not_replace_the_model(folder: Path) -> None:
    before = (folder / "ours.onnx").read_bytes()
    assert invoke(folder, "ours.onnx", "--json", str(folder / "ours.onnx")).exit_code == 2
    assert (folder / "ours.onnx").read_bytes() == before

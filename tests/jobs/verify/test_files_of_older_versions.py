"""Files of older versions, which other CPUs compute otherwise: a rule finds them, and so does `verify --cpu`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import gdfq_export as gq
from calib.synthetic_set import SyntheticSet
from gdfq_export.lint import check
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.runtimes.emulation import Emulator
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import ORT_CPU
from tests import tiny_graph
from tests.simulator.quantized import images_for, quantize

CORES = ("cortex-a53", "cortex-a76")


def inverted_residual() -> onnx.ModelProto:
    """A block of MobileNetV2: expansion, depthwise 3x3, projection, and an Add of its input."""
    random = np.random.default_rng(0)
    shapes = {"e": (16, 8, 1, 1), "d": (16, 1, 3, 3), "p": (8, 16, 1, 1), "g": (8, 4)}
    nodes: list[tiny_graph.Node] = [
        ("Conv", ["x", "e"], ["c1"]),
        ("Relu", ["c1"], ["r1"]),
        ("Conv", ["r1", "d"], ["c2"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "group": 16}),
        ("Relu", ["c2"], ["r2"]),
        ("Conv", ["r2", "p"], ["c3"]),
        ("Add", ["c3", "x"], ["a"]),
        ("GlobalAveragePool", ["a"], ["m"]),
        ("Flatten", ["m"], ["f"]),
        ("Gemm", ["f", "g"], ["y"]),
    ]
    return tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", 8, 8, 8)},
        outputs=["y"],
        initializers={name: (random.normal(size=shape) * 0.3).astype(np.float32) for name, shape in shapes.items()},
    )


def as_older_versions_wrote(file: onnx.ModelProto, *, weights: bool = False, scales: bool = False) -> onnx.ModelProto:
    """The file with weights of -128, or with a sum whose scale is twice a summand's."""
    file = onnx.ModelProto.FromString(file.SerializeToString())
    stored = {tensor.name: tensor for tensor in file.graph.initializer}
    for tensor in stored.values():
        codes = numpy_helper.to_array(tensor)
        if weights and codes.dtype == np.int8 and codes.ndim == 4:
            changed = np.where(codes < 0, np.int8(-128), codes)
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
    if scales:
        doubled = 2 * numpy_helper.to_array(stored["x_scale"])
        stored["a_scale"].CopyFrom(numpy_helper.from_array(doubled, "a_scale"))
    return file


KINDS = {
    "today": ({}, set(), (True, True)),
    "weights of -128": ({"weights": True}, {"weights of -128"}, (False, False)),
    "a scale that suits one family": ({"scales": True}, {"sums differ"}, (False, False)),
}


@pytest.fixture(scope="module")
def made() -> onnx.ModelProto:
    return quantize(inverted_residual()).file


@pytest.mark.parametrize("kind", KINDS)
def test_the_rules_name_them(made: onnx.ModelProto, kind: str) -> None:
    changes, rules, _ = KINDS[kind]
    found = check(as_older_versions_wrote(made, **changes), ORT_CPU)
    assert {each.rule for each in found if each.consequence is Consequence.OTHER_CPU} == rules


@pytest.mark.parametrize("kind", KINDS)
def test_verify_on_these_cpus_finds_them(made: onnx.ModelProto, kind: str, tmp_path: Path, emulator: Emulator) -> None:
    changes, _, exact = KINDS[kind]
    proto, file = inverted_residual(), tmp_path / "q.onnx"
    onnx.save(proto, tmp_path / "net.onnx")
    onnx.save(as_older_versions_wrote(made, **changes), file)
    images, none = images_for(proto, 8), np.zeros(8, np.int64)
    report = gq.verify(
        file,
        gq.load(tmp_path / "net.onnx", task="regress"),
        images=SyntheticSet(
            images=images, labels=none, logits=np.zeros((8, 0), np.float32), input_name="x", provenance={}
        ),
        cpus=("native", *CORES),
        gates={"require-parity": True},
        options=gq.VerifyOptions(timing=gq.Timing(seconds=0), cpu_images=8),
    )
    parities = [figures.parity for figures in report.cpus]
    assert [isinstance(each, ParityResult) and each.exact for each in parities] == [True, *exact]
    assert report.passed == all(exact)

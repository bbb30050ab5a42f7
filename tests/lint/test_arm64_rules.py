"""What ARM64 cores compute otherwise is named, and only that: the rules beside what the emulated cores compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import pytest

from gdfq_export.lint import check
from gdfq_export.runtimes.emulation import Emulator
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import find_target
from tests import tiny_graph
from tests.qdq.qdq_files import ARRAYS, file, pair
from tests.simulator.quantized import quantize

CHANNELS, SIZE = 32, 9
NO_DOT, EVERY = "cores without dot product", "every ARM64 core"
CORES = ("cortex-a53", "cortex-a76")


def found(model: onnx.ModelProto, target: str = "ort-cpu") -> list[tuple[str, str, str]]:
    findings = [each for each in check(model, find_target(target)) if each.consequence is Consequence.OTHER_CPU]
    return [(each.rule, each.node, each.message) for each in findings]


def on_cores(emulator: Emulator, model: onnx.ModelProto, x: np.ndarray) -> dict[str, np.ndarray]:
    """The first output on x86-64 and on emulated ARM64 cores."""
    data = model.SerializeToString()
    there = {cpu: emulator.run(cpu, data, {"x": x})[0] for cpu in CORES}
    return {"x86-64": OnnxRuntime().load(data, 1).run(x), **there}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer with `least` weights of -128 in each channel, None: one in each and in the first nothing else.

    `cores` compute it otherwise.
    """

    shape: tuple[int, ...] = (CHANNELS, CHANNELS, 1, 1)
    group: int = 1
    signed: bool = False
    least: int | None = None
    cores: str = ""
    op_type: str = "Conv"

    def file(self) -> onnx.ModelProto:
        random = np.random.default_rng(0)
        codes = random.integers(-127, 128, self.shape).astype(np.int8)
        channels = codes.reshape(len(codes), -1)
        channels[0, : self.least] = channels[1:, : 1 if self.least is None else self.least] = -128
        zero = np.asarray(*((0, np.int8) if self.signed else (128, np.uint8)))
        spatial = len(self.shape) - 2
        attributes: dict[str, Any] = {"transB": 1}
        if self.op_type == "Conv":
            attributes = {
                "group": self.group,
                "kernel_shape": [*self.shape[2:]],
                "pads": [size // 2 for size in self.shape[2:]] * 2,
            }
        nodes: list[tiny_graph.Node] = [
            *pair("x"),
            ("DequantizeLinear", ["w_q", "w_scale", "w_zero"], ["w_dq"], {"axis": 0}),
            (self.op_type, ["x_dq", "w_dq"], ["y"], attributes),
            *pair("y"),
        ]
        shape = (self.shape[1] * self.group, *[SIZE] * spatial)
        return tiny_graph.model(
            nodes=nodes,
            inputs={"x": ("batch", *shape)},
            outputs=["y_dq"],
            initializers={
                "w_q": codes,
                "w_scale": np.full(len(codes), 0.01, np.float32),
                "w_zero": np.zeros(len(codes), np.int8),
                **{f"{name}_zero": zero for name in "xy"},
                "x_scale": np.asarray(0.01, np.float32),
                "y_scale": np.asarray(0.5, np.float32),
            },
        )

    def images(self) -> np.ndarray:
        """Three quarters of the codes are the smallest there is."""
        random = np.random.default_rng(1)
        shape = (1, self.shape[1] * self.group, *[SIZE] * (len(self.shape) - 2))
        return np.where(random.random(shape) < 0.75, -1.28, random.uniform(-1.28, 1.27, shape)).astype(np.float32)


LAYERS = {
    "pointwise": Layer(cores=NO_DOT),
    "3x3": Layer(shape=(16, 8, 3, 3), cores=NO_DOT),
    "grouped": Layer(shape=(16, 8, 3, 3), group=2, cores=NO_DOT),
    "signal": Layer(shape=(16, 8, 3), cores=NO_DOT),
    "Gemm": Layer(shape=(16, 24), op_type="Gemm", cores=NO_DOT),
    "two outputs a channel": Layer(shape=(32, 1, 3, 3), group=16, cores=NO_DOT),
    "depthwise 3x3": Layer(shape=(CHANNELS, 1, 3, 3), group=CHANNELS, cores=EVERY),
    "depthwise 5x5": Layer(shape=(CHANNELS, 1, 5, 5), group=CHANNELS, cores=EVERY),
    "depthwise 2x2": Layer(shape=(CHANNELS, 1, 2, 2), group=CHANNELS, cores=EVERY),
    "depthwise signal": Layer(shape=(CHANNELS, 1, 3), group=CHANNELS, cores=EVERY),
    "depthwise of int8": Layer(shape=(CHANNELS, 1, 3, 3), group=CHANNELS, signed=True, cores=EVERY),
    "pointwise of int8": Layer(signed=True),
    "one -128": Layer(least=1),
    "depthwise, one -128": Layer(shape=(CHANNELS, 1, 3, 3), group=CHANNELS, least=1),
    "no -128": Layer(least=0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_two_weights_of_the_smallest_code_in_a_channel_are_named_with_the_cores(name: str) -> None:
    layer = LAYERS[name]
    named = found(layer.file())
    if not layer.cores:
        assert named == []
        return
    ((rule, node, message),) = named
    assert (rule, node) == ("weights of -128", f"{layer.op_type}_y")
    assert layer.cores in message and f"in 1 of {layer.shape[0]} channels" in message


@pytest.mark.parametrize("name", LAYERS)
def test_the_named_cores_and_no_others_compute_other_numbers(emulator: Emulator, name: str) -> None:
    layer = LAYERS[name]
    outputs = on_cores(emulator, layer.file(), layer.images())
    other = {cpu for cpu in CORES if not np.array_equal(outputs[cpu], outputs["x86-64"])}
    assert other == {"": set(), NO_DOT: {"cortex-a53"}, EVERY: set(CORES)}[layer.cores]


def test_activations_that_never_are_the_smallest_code_wrap_nothing() -> None:
    clipped = file(
        {
            "r_q": [
                ("QuantizeLinear", ["r", "r_scale", "r_zero"], ["r_wide"]),
                ("Clip", ["r_wide", "low", "high"], ["r_q"]),
            ]
        },
        low=np.asarray(1, np.uint8),
        high=np.asarray(255, np.uint8),
        r_zero=np.asarray(1, np.uint8),
        v_q=np.full_like(ARRAYS["v_q"], -128),
    )
    assert [node for _, node, _ in found(clipped)] == []
    assert [node for _, node, _ in found(file(v_q=np.full_like(ARRAYS["v_q"], -128)))] == ["Conv_e"]


def sum_file(a: float, b: float, result: float, *, constant: bool = False) -> onnx.ModelProto:
    """An Add of the two planes of x, or of x and a constant, with these scales."""
    summands: list[tiny_graph.Node] = [
        ("Split", ["x"], ["a", "b"], {"axis": 1, "num_outputs": 2}),
        *pair("a"),
        *pair("b"),
    ]
    if constant:
        summands = [("Identity", ["x"], ["a"]), *pair("a"), pair("b")[1]]
    nodes = [*summands, ("Add", ["a_dq", "b_dq"], ["y"]), *pair("y")]
    numbers = {"a": a, "b": b, "y": result}
    return tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", 1 if constant else 2, 256, 256)},
        outputs=["y_dq"],
        initializers={
            **{f"{name}_scale": np.asarray(scale, np.float32) for name, scale in numbers.items()},
            **{f"{name}_zero": np.asarray(128, np.uint8) for name in numbers},
            **({"b_q": np.asarray([200], np.uint8)} if constant else {}),
        },
    )


def test_sums_that_differ_are_counted_as_the_cores_compute_them(emulator: Emulator) -> None:
    model = sum_file(0.02, 0.03, 0.04)
    ((rule, node, message),) = found(model)
    assert (rule, node) == ("sums differ", "Add_y")
    codes = np.arange(256, dtype=np.float32) - 128
    planes = np.meshgrid(codes * np.float32(0.02), codes * np.float32(0.03), indexing="ij")
    outputs = on_cores(emulator, model, np.stack(planes)[None].astype(np.float32))
    for cpu in CORES:
        assert f"{int((outputs[cpu] != outputs['x86-64']).sum()):,} of 65,536 pairs" in message


def test_sums_with_a_scale_that_suits_both_are_fine() -> None:
    assert found(sum_file(0.02, 0.03, 0.0407)) == []


def test_of_a_constant_only_its_own_codes_count() -> None:
    ((_, _, message),) = found(sum_file(0.02, 0.02, 0.04, constant=True))
    assert " of 256 pairs" in message


@pytest.mark.parametrize("target", ["openvino", "tensorrt", "portable"])
def test_targets_for_other_runtimes_have_no_such_rule(target: str) -> None:
    assert found(LAYERS["depthwise 3x3"].file(), target) == [] == found(sum_file(0.02, 0.03, 0.04), target)


def test_a_file_of_ours_breaks_neither() -> None:
    model = tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w"], ["c"], {"kernel_shape": [3, 3], "pads": [1] * 4, "group": 4}),
            ("Add", ["c", "x"], ["a"]),
            ("GlobalAveragePool", ["a"], ["p"]),
            ("Flatten", ["p"], ["y"]),
        ],
        inputs={"x": ("batch", 4, 8, 8)},
        outputs=["y"],
        initializers={"w": np.full((4, 1, 3, 3), -1.0, np.float32)},
    )
    assert found(quantize(model).file) == []

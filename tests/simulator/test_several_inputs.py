"""Law: two inputs that a graph concatenates are one input of the concatenation; the same codes, to the bit."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.input_spec import InputSpec
from calib.joined_inputs import JoinedInputs
from gdfq_export.frontend.float_model import FloatModel, build
from gdfq_export.jobs.draft_model import write_draft
from gdfq_export.metrics.parity import parity
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.emulation.session import EmulatedOnnxRuntime
from tests import tiny_graph
from tests.runtimes.emulation.same_machine import SameMachine

OUT = 5


def spec(width: int) -> InputSpec:
    return InputSpec(shape=(width,), scale=255.0, mean=(0.5,) * width, std=(0.25,) * width)


def network(widths: tuple[int, ...], weight: np.ndarray, bias: np.ndarray) -> FloatModel:
    """A fully connected layer on the concatenation of the inputs."""
    names = [f"x{index}" for index in range(len(widths))]
    joined = [("Concat", names, ["x"], {"axis": 1})] if len(widths) > 1 else []
    proto = tiny_graph.model(
        nodes=[*joined, ("Gemm", ["x" if joined else "x0", "w", "b"], ["c"], {"transB": 1}), ("Relu", ["c"], ["y"])],
        inputs={name: ("batch", width) for name, width in zip(names, widths, strict=True)},
        outputs=["y"],
        initializers={"w": weight, "b": bias},
    )
    specs = {name: spec(width) for name, width in zip(names, widths, strict=True)}
    own = JoinedInputs.of(specs) if joined else specs["x0"]
    return build(proto, name="net", source="net", sha256="0", input_spec=own)


@settings(max_examples=15)
@given(widths=st.tuples(st.integers(1, 6), st.integers(1, 6)), seed=st.integers(0, 99))
def test_two_inputs_are_one_of_their_concatenation(widths: tuple[int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    weight = random.normal(size=(OUT, sum(widths))).astype(np.float32)
    bias = random.normal(size=OUT).astype(np.float32)
    images = random.uniform(-2, 2, (6, sum(widths))).astype(np.float32)
    images[0], images[1] = -2, 2  # every input has the whole range, so that all have one scale
    codes = []
    for sizes in (widths, (sum(widths),)):
        draft = write_draft(network(sizes, weight, bias), "ort-cpu", Bits(), torch.from_numpy(images))
        found = draft.exact.run(images)
        assert parity(draft.file, draft.exact.run, images, 4).exact
        assert [value.name for value in draft.file.graph.input] == [f"x{index}" for index in range(len(sizes))]
        codes.append(found)
    two, one = codes
    assert np.array_equal(two["y"], one["y"])
    assert np.array_equal(np.concatenate([two["x0_q"], two["x1_q"]], axis=1), one["x0_q"])


def test_another_process_is_fed_input_by_input() -> None:
    random = np.random.default_rng(0)
    weight, bias = random.normal(size=(OUT, 7)).astype(np.float32), random.normal(size=OUT).astype(np.float32)
    images = random.uniform(-2, 2, (6, 7)).astype(np.float32)
    draft = write_draft(network((4, 3), weight, bias), "ort-cpu", Bits(), torch.from_numpy(images))
    elsewhere = EmulatedOnnxRuntime(SameMachine(), "cortex-a53")
    assert parity(draft.file, draft.exact.run, images, 4, backend=elsewhere).exact


def test_inputs_that_are_added_have_scales_of_their_own() -> None:
    proto: onnx.ModelProto = tiny_graph.model(
        nodes=[("Conv", ["image", "w"], ["c"], {"pads": [1] * 4}), ("Add", ["c", "mask"], ["y"])],
        inputs={"image": ("batch", 3, 6, 6), "mask": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={"w": np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)},
    )
    narrow = InputSpec(shape=(4, 6, 6), scale=255.0, mean=(0.0,) * 4, std=(1.0,) * 4)
    wide = InputSpec(shape=(3, 6, 6), scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    joined = JoinedInputs.of({"image": wide, "mask": narrow})
    model = build(proto, name="net", source="net", sha256="0", input_spec=joined)
    images = joined.from_noise(torch.randn(6, *joined.shape))
    draft = write_draft(model, "ort-cpu", Bits(), images)
    assert {point.tensor: point.high for point in draft.plan.points if point.role.value == "input"} == {
        "image": 255.0,
        "mask": 1.0,
    }
    assert parity(draft.file, draft.exact.run, images.numpy(), 4).exact

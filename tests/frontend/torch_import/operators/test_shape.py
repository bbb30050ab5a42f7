"""Shape operators against ONNX Runtime where ONNX and torch differ: negative steps, padding from the input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests import tiny_graph
from tests.frontend.torch_import.runtime import assert_same_as_runtime

X = np.random.default_rng(0).normal(size=(2, 6, 5, 7)).astype(np.float32)


def check(op_type: str, constants: list[np.ndarray], **attributes: object) -> None:
    names = [f"c{index}" for index in range(len(constants))]
    proto = tiny_graph.model(
        nodes=[(op_type, ["x", *names], ["y"], attributes)],
        inputs={"x": ("batch", *X.shape[1:])},
        outputs=["y"],
        initializers=dict(zip(names, constants, strict=True)),
    )
    assert_same_as_runtime(proto, X)


@settings(max_examples=60, deadline=None)
@given(
    axis=st.integers(-3, 3),
    start=st.integers(-9, 9),
    end=st.one_of(st.integers(-9, 9), st.sampled_from([2**63 - 1, -(2**63)])),
    step=st.sampled_from([-3, -2, -1, 1, 2, 3]),
)
def test_slice_equals_onnx_runtime(axis: int, start: int, end: int, step: int) -> None:
    # ONNX clamps this end to the last element; ONNX Runtime reads it as "to the beginning".
    assume(not (step < 0 and end == 2**63 - 1))
    check("Slice", [np.array([value]) for value in (start, end, axis, step)])


def test_slice_of_two_axes_as_in_option_a_shortcuts() -> None:
    check("Slice", [np.array([0, 1]), np.array([2**31 - 1, 5]), np.array([2, 3]), np.array([2, 2])])


@settings(max_examples=40, deadline=None)
@given(
    mode=st.sampled_from(["constant", "reflect", "edge", "wrap"]),
    begins=st.lists(st.integers(-1, 3), min_size=2, max_size=2),
    ends=st.lists(st.integers(-1, 3), min_size=2, max_size=2),
)
def test_pad_of_chosen_axes_equals_onnx_runtime(mode: str, begins: list[int], ends: list[int]) -> None:
    check("Pad", [np.array(begins + ends), np.float32(-1.5), np.array([3, 1])], mode=mode)


def test_pad_of_channels_as_in_option_a_shortcuts() -> None:
    check("Pad", [np.array([0, 3, 0, 0, 0, 3, 0, 0])])


@pytest.mark.parametrize("target", [[0, -1], [0, 0, -1], [-1, 6, 35], [0, 2, 3, 5, 7]])
def test_reshape_equals_onnx_runtime(target: list[int]) -> None:
    check("Reshape", [np.array(target)])


def test_channel_shuffle_equals_onnx_runtime() -> None:
    proto = tiny_graph.model(
        nodes=[
            ("Reshape", ["x", "groups"], ["a"]),
            ("Transpose", ["a"], ["b"], {"perm": [0, 2, 1, 3, 4]}),
            ("Reshape", ["b", "joined"], ["y"]),
        ],
        inputs={"x": ("batch", *X.shape[1:])},
        outputs=["y"],
        initializers={"groups": np.array([0, 3, 2, 5, 7]), "joined": np.array([0, -1, 5, 7])},
    )
    assert_same_as_runtime(proto, X)


@pytest.mark.parametrize("axis", [-4, -1, 0, 1, 2, 3, 4])
def test_flatten_equals_onnx_runtime(axis: int) -> None:
    check("Flatten", [], axis=axis)


@pytest.mark.parametrize("indices", [np.array(-1), np.array([4, -2]), np.array([[0, 1], [2, 0]])])
def test_gather_equals_onnx_runtime(indices: np.ndarray) -> None:
    check("Gather", [indices], axis=2)

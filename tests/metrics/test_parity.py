from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdfq_export.errors import InputError, InternalError
from gdfq_export.metrics.parity import parity, parity_by_level
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from tests.jobs.verify.quantized_classifier import classifier, images


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), count=st.integers(1, 40), batch=st.integers(1, 16))
def test_numpy_integers_equal_the_runtime_to_the_bit(seed: int, count: int, batch: int) -> None:
    network = classifier(seed)
    result = parity(network.quantized(), network.integers, images(count, seed), batch)
    assert result.exact
    assert result.images == count
    assert result.elements == count * (18 + 5 + 5 + 4)
    assert [tensor.name for tensor in result.tensors] == [
        "image_quantized",
        "hidden_quantized",
        "flat_quantized",
        "logits",
    ]


@pytest.mark.parametrize(("tensor", "step"), [("image_quantized", 1), ("hidden_quantized", 3)])
def test_one_planted_integer_in_the_last_batch_is_caught(tensor: str, step: int) -> None:
    network = classifier()
    seen = 0

    def planted(part: np.ndarray) -> dict[str, np.ndarray]:
        nonlocal seen
        seen += len(part)
        tensors = network.integers(part)
        if seen == 21:
            value = int(tensors[tensor].flat[-1])
            tensors[tensor].flat[-1] = value + step if value < 128 else value - step
        return tensors

    result = parity(network.quantized(), planted, images(21), batch=8, source="noise")
    assert not result.exact
    assert (result.differing, result.outputs_differing, result.first_differing) == (1, 0, tensor)
    assert {count.name: count.max_step for count in result.tensors if count.differing} == {tensor: step}


def test_a_logit_one_bit_off_is_caught() -> None:
    network = classifier()

    def planted(part: np.ndarray) -> dict[str, np.ndarray]:
        tensors = network.integers(part)
        tensors["logits"][0, 0] = np.nextafter(tensors["logits"][0, 0], np.float32(np.inf))
        return tensors

    result = parity(network.quantized(), planted, images(4), batch=4)
    assert (result.exact, result.outputs_differing, result.first_differing) == (False, 1, "logits")


def test_a_quantized_tensor_that_nobody_simulated_is_not_exact() -> None:
    network = classifier()

    def forgetful(part: np.ndarray) -> dict[str, np.ndarray]:
        return {name: value for name, value in network.integers(part).items() if name != "hidden_quantized"}

    result = parity(network.quantized(), forgetful, images(4), batch=4)
    assert (result.exact, result.differing, result.unchecked) == (False, 0, ("hidden_quantized",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: tensors | {"ghost_quantized": tensors["image_quantized"]},
            "names ghost_quantized, which the file",
        ),
        (
            lambda tensors: tensors | {"image_quantized": tensors["image_quantized"][:, :1]},
            "'image_quantized' is uint8",
        ),
        (
            lambda tensors: tensors | {"image_quantized": tensors["image_quantized"].astype(np.int8)},
            "int8.* in the simul",
        ),
        (lambda tensors: {"image_quantized": tensors["image_quantized"]}, "does not return the file's output 'logits'"),
    ],
)
def test_a_simulation_of_another_file_is_refused(change, message: str) -> None:
    network = classifier()
    with pytest.raises(InternalError, match=message):
        parity(network.quantized(), lambda part: change(network.integers(part)), images(3), batch=3)


def test_progress_reaches_the_end() -> None:
    network, steps = classifier(), []
    parity(
        network.quantized(),
        network.integers,
        images(10),
        batch=4,
        on_step=lambda done, total, facts: steps.append((done, total)),
    )
    assert steps == [(4, 10), (8, 10), (10, 10)]


def test_every_level_of_optimisation_is_run_and_compared() -> None:
    network = classifier()
    levels = parity_by_level(network.quantized(), network.integers, images(21), OnnxRuntime())
    assert [each.level for each in levels] == ["disabled", "basic", "extended", "all"]
    assert [each.exact for each in levels[2:]] == [True, True]
    assert {each.images for each in levels} == {16} and len({each.elements for each in levels}) == 1

    def planted(part: np.ndarray) -> dict[str, np.ndarray]:
        return {**network.integers(part), "logits": np.zeros_like(network.integers(part)["logits"])}

    found = parity_by_level(network.quantized(), planted, images(4), OnnxRuntime())
    assert not any(each.exact for each in found) and all(each.differing and each.max_step > 0 for each in found)
    assert parity_by_level(network.quantized(), network.integers, images(4), OnnxRuntime(as_written=True)) == ()


def test_a_level_that_does_not_take_the_file_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    network, load = classifier(), OnnxRuntime.load

    def refuse(runtime: OnnxRuntime, *arguments: Any, **options: Any) -> Any:
        if runtime._level == "disabled":
            raise InputError("it does not load")
        return load(runtime, *arguments, **options)

    monkeypatch.setattr(OnnxRuntime, "load", refuse)
    levels = parity_by_level(network.quantized(), network.integers, images(4), OnnxRuntime())
    assert [each.level for each in levels] == ["basic", "extended", "all"]

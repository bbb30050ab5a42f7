"""Tables are what recipes and runtimes can name."""

from __future__ import annotations

import numpy as np
import pytest

from gdfq_export.errors import InputError
from gdfq_export.recipe import Recipe
from gdfq_export.runtimes import BACKENDS
from gdfq_export.targets import TARGETS, find_target


@pytest.mark.parametrize("name", TARGETS)
def test_recipes_can_name_every_target(name: str) -> None:
    assert Recipe(name="x", target=name).target == name


def test_the_schema_lists_the_targets() -> None:
    assert Recipe.model_json_schema()["properties"]["target"]["enum"] == list(TARGETS)


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_every_target_has_a_runtime(target) -> None:
    assert BACKENDS[target.backend].name == target.backend
    if target.stand_in is not None:
        assert BACKENDS[target.stand_in].name == target.stand_in


def test_without_vnni_two_products_fit_into_16_bits() -> None:
    target = find_target("ort-cpu-avx2")
    assert not target.activation.signed and target.weight.signed
    largest = 2 * (2**8 - 1) * 2 ** (target.weight.most_bits - 1)
    assert largest <= np.iinfo(np.int16).max
    assert 2 * largest > np.iinfo(np.int16).max, "one bit more would not fit"


@pytest.mark.parametrize("name", ["ort-cpu", "ort-cpu-avx2"])
def test_two_weights_beside_the_code_0_fit_into_16_bits_on_arm64(name: str) -> None:
    """There uint8 codes are int8 ones less 128, so that 0 is -128."""
    weight = find_target(name).weight
    assert weight.lowest > -128 and 2 * -128 * weight.lowest <= np.iinfo(np.int16).max
    assert np.iinfo(np.int16).max < 2 * -128 * -128


def test_an_unknown_target_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        InputError, match="unknown target 'tpu'; choose one of: openvino, ort-cpu, ort-cpu-avx2, portable"
    ):
        find_target("tpu")


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("trt", "tensorrt"),
        ("ORT", "ort-cpu"),
        ("onnxruntime", "ort-cpu"),
        ("ov", "openvino"),
        ("ort-arm64", "ort-cpu"),
        ("ort-every-cpu", "ort-cpu-avx2"),
    ],
)
def test_other_names_of_a_runtime(name: str, target: str) -> None:
    assert find_target(name).name == target

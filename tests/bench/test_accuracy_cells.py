from __future__ import annotations

import pytest

from bench.accuracy_cells import (
    GRIDS,
    LIMITS,
    METHODS,
    NETWORKS,
    TABLE_BITS,
    Cell,
    budget_of,
    reason_against,
    recipe_of,
    words_for,
)
from gdfq_export.errors import InputError
from gdfq_export.recipe import load_recipe

SHAPE = (3, 32, 32)


def cell(network: str = "cifar10_resnet20", bits: str = "w4a4", method: str = "ours", seed: int = 0) -> Cell:
    return Cell(network=network, bits=bits, method=method, seed=seed)


@pytest.mark.parametrize("bits", GRIDS)
def test_all_methods_fill_the_same_grid(bits: str) -> None:
    for method in METHODS:
        assert recipe_of(cell(bits=bits, method=method), SHAPE).bits == GRIDS[bits]


@pytest.mark.parametrize("bits", TABLE_BITS)
def test_our_recipes_have_the_grids_of_the_table(bits: str) -> None:
    assert load_recipe(f"{bits}-ort-cpu").bits == GRIDS[bits]


def test_real_images_get_our_recipe() -> None:
    assert recipe_of(cell(method="real"), SHAPE) == recipe_of(cell(method="ours"), SHAPE)


def test_gdfq_has_its_settings_for_large_images() -> None:
    assert recipe_of(cell(method="gdfq"), SHAPE).name == "paper/gdfq"
    assert recipe_of(cell(method="gdfq"), (3, 224, 224)).name == "paper/gdfq-imagenet"


def test_limits_set_the_budget() -> None:
    assert budget_of("cifar10_resnet18", "w4a4") == 15 * 60
    assert budget_of("cifar100_resnet20_cy", "w4a4") == 10 * 60
    assert budget_of("pytorchcv:resnet18", "w4a4-first-last") == 30 * 60
    assert all(limit.network in NETWORKS and limit.bits in GRIDS and limit.aim < limit.must for limit in LIMITS)


def test_real_images_are_not_those_that_are_scored() -> None:
    assert reason_against(cell(method="real")) is None
    assert reason_against(cell("demo", method="real")) is None
    assert reason_against(cell("imagenet_tinydarknet_224", method="real")) is None, "the half that is not scored"
    assert reason_against(cell("pytorchcv:resnet18", method="real")) is not None
    assert reason_against(cell("imagenet_tinydarknet_224")) is None


def test_unknown_names_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match="w3a3"):
        recipe_of(cell(bits="w1a1"), SHAPE)
    with pytest.raises(InputError, match="zeroq"):
        recipe_of(cell(method="magic"), SHAPE)


def test_a_name_is_a_file_name() -> None:
    assert cell("pytorchcv:resnet18").name == "pytorchcv_resnet18-w4a4-ours-seed0"
    assert words_for("w4a4-first-last") == "W4A4 first and last"

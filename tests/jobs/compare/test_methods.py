"""Every method runs at the same bit widths, and each has the recipe that it is known by."""

from __future__ import annotations

import pytest

from gdfq_export.errors import InputError
from gdfq_export.jobs.compare.methods import (
    AS_PUBLISHED,
    BIT_WIDTHS,
    METHODS,
    MIXED,
    BudgetUse,
    bits_title,
    recipe_for,
    require_known,
)
from gdfq_export.recipe import load_recipe

SHAPE = (3, 32, 32)


@pytest.mark.parametrize("bits", BIT_WIDTHS)
def test_all_methods_fill_the_same_grid(bits: str) -> None:
    assert all(recipe_for(method, bits, SHAPE).bits == BIT_WIDTHS[bits] for method in METHODS)


@pytest.mark.parametrize("bits", [name for name in BIT_WIDTHS if not name.endswith((AS_PUBLISHED, MIXED))])
def test_our_recipes_have_the_grids_they_are_named_by_mixed_where_there_is_such_a_grid(bits: str) -> None:
    assert load_recipe(f"{bits}-ort-cpu").bits == BIT_WIDTHS.get(f"{bits}{MIXED}", BIT_WIDTHS[bits])
    assert recipe_for("ours", bits, SHAPE).name == f"{bits}-ort-cpu"


def test_mixed_bits_are_our_recipe_s_as_it_is() -> None:
    mixed, own = recipe_for("ours", "w4a8-mixed", SHAPE), load_recipe("w4a8-ort-cpu")
    assert mixed.bits == own.bits and own.bits.mixed is not None
    assert mixed.name == "w4a8-ort-cpu"


def test_real_images_get_our_recipe() -> None:
    assert recipe_for("real", "w4a4", SHAPE) == recipe_for("ours", "w4a4", SHAPE)


def test_the_published_methods_get_their_own() -> None:
    assert [recipe_for(method, "w4a4", SHAPE).name for method in ("noise", "dfq", "zeroq", "gdfq")] == [
        "paper/noise", "paper/dfq", "paper/zeroq", "paper/gdfq",
    ]  # fmt: skip
    assert recipe_for("gdfq", "w4a4", (3, 224, 224)).name == "paper/gdfq-imagenet"
    assert recipe_for("zeroq", "w4a4", (3, 224, 224)).name == "paper/zeroq"


def test_what_is_trained_by_published_steps_is_cut_to_a_budget() -> None:
    cut = {name for name, method in METHODS.items() if method.budget is BudgetUse.CUT}
    assert cut == {"zeroq", "gdfq"}
    assert {name for name, method in METHODS.items() if method.real} == {"real"}


def test_a_target_takes_the_place_of_the_recipe_s() -> None:
    assert recipe_for("ours", "w4a4", SHAPE).target == load_recipe("w4a4-ort-cpu").target
    assert recipe_for("ours", "w4a4", SHAPE, target="openvino").target == "openvino"
    with pytest.raises(InputError, match="unknown target"):
        recipe_for("ours", "w4a4", SHAPE, target="tpu")


def test_unknown_names_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"no bits 'w1a1'.*w3a3"):
        recipe_for("ours", "w1a1", SHAPE)
    with pytest.raises(InputError, match=r"no method 'zero' \(did you mean zeroq\?\).*gdfq"):
        require_known(["ours", "zero"])


def test_bit_widths_have_a_title() -> None:
    assert bits_title("w8a8") == "W8A8"
    assert bits_title("w4a8-mixed") == "W4A8 mixed"
    assert bits_title("w4a4-first-last") == "W4A4 first and last"

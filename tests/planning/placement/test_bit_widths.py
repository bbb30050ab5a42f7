"""How many bits each tensor gets."""

from __future__ import annotations

import pytest

from gdfq_export.errors import InputError
from gdfq_export.planning.plan import QuantPlan, Role
from gdfq_export.recipe import Bits, LayerBits
from tests.planning.placement.planned import Nodes, conv, head, planned, weights

LOW = Bits(weights=4, activations=3, first_last=7, residual=5, input=6)


def deep() -> QuantPlan:
    """Input, first layer, middle layer, residual Add, last layer."""
    nodes = [
        conv("x", "w", "c"),
        ("Relu", ["c"], ["r"]),
        conv("r", "v", "d"),
        conv("d", "u", "e"),
        ("Add", ["r", "e"], ["a"]),
        *head("a"),
    ]
    kernels_ = {name: weights(4, 4, 3, 3) for name in "wvu"}
    return planned(nodes, output="y", bits=LOW, g=weights(5, 4), **kernels_)


def bits_of(tensor: str) -> int:
    return deep().by_tensor[tensor].bits


def test_first_and_last_layer_have_their_own_bits() -> None:
    assert (bits_of("w"), bits_of("v"), bits_of("u"), bits_of("g")) == (7, 4, 4, 7)
    assert bits_of("x") == 7  # read by the first layer, and more than the input asks for
    assert bits_of("f") == bits_of("p") == 7  # read by the last layer; the pooling's output has the same codes


def test_residual_edges_have_their_own_bits() -> None:
    assert bits_of("e") == 5
    assert bits_of("r") == 5  # a layer's output, with its Relu, that the Add reads as well
    assert bits_of("d") == 3
    assert bits_of("a") == 3


@pytest.mark.parametrize("activation", [False, True])
def test_a_sum_that_goes_into_the_next_sum_is_a_residual_edge(activation: bool) -> None:
    between: Nodes = [("Relu", ["a"], ["t"])] if activation else []
    sum_ = "t" if activation else "a"
    nodes: Nodes = [conv("x", "w", "c"), conv("c", "v", "d"), ("Add", ["c", "d"], ["a"]), *between]
    nodes += [conv(sum_, "u", "e"), ("Add", [sum_, "e"], ["b"]), *head("b")]
    kernels_ = {name: weights(4, 4, 3, 3) for name in "wvu"}
    plan = planned(nodes, output="y", bits=LOW, g=weights(5, 4), **kernels_)
    assert plan.by_tensor[sum_].bits == (3 if activation else 5)
    assert plan.by_tensor["b"].bits == 3


def test_what_an_activation_functions_table_reads_has_the_bits_of_a_residual_edge() -> None:
    silu: Nodes = [("Sigmoid", ["d"], ["s"]), ("Mul", ["d", "s"], ["m"])]
    nodes = [conv("x", "w", "c"), ("LeakyRelu", ["c"], ["l"]), conv("l", "v", "d"), *silu, conv("m", "u", "e")]
    kernels_ = {name: weights(4, 4, 3, 3) for name in "wvu"}
    plan = planned([*nodes, *head("e")], output="y", bits=LOW, g=weights(5, 4), **kernels_)
    bits = {name: plan.by_tensor[name].bits for name in "cldsm"}
    assert bits == {"c": 5, "l": 3, "d": 5, "s": 3, "m": 3}


def test_the_input_has_at_least_the_inputs_bits() -> None:
    nodes: Nodes = [("Sigmoid", ["x"], ["s"]), conv("s", "w", "c"), *head("c")]
    plan = planned(nodes, output="y", bits=LOW, w=weights(4, 4, 3, 3), g=weights(5, 4))
    assert plan.by_tensor["x"].bits == 6


def test_the_ends_and_residual_edges_are_never_narrower_than_the_rest() -> None:
    nodes = [conv("x", "w", "c"), conv("c", "v", "d"), ("Add", ["c", "d"], ["a"]), *head("a")]
    arrays = {"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "g": weights(5, 4)}
    plan = planned(nodes, output="y", bits=Bits(first_last=2, residual=3), **arrays)
    assert {point.bits for point in plan.points if point.role is not Role.BIAS} == {8}


def three_layers(activation: str) -> Nodes:
    """x -> c, Relu r -> d, activation e -> h, activation l."""
    first: Nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"])]
    second: Nodes = [conv("r", "v", "d"), (activation, ["d"], ["e"])]
    return [*first, *second, conv("e", "u", "h"), (activation, ["h"], ["l"])]


def test_what_lies_behind_the_last_layer_keeps_its_bits() -> None:
    nodes = [*three_layers("LeakyRelu"), ("GlobalAveragePool", ["l"], ["p"]), ("Flatten", ["p"], ["y"])]
    arrays = {name: weights(4, 4, 3, 3) for name in "wvu"}
    plan = planned(nodes, output="y", bits=Bits(weights=4, activations=4), **arrays)
    found = {name: plan.by_tensor[name].bits for name in ("r", "d", "e", "h", "l", "p")}
    assert found == {"r": 4, "d": 8, "e": 8, "h": 8, "l": 8, "p": 8}, "d is read by a table, e by the last layer"


def test_what_no_layer_reads_has_bits_of_its_own() -> None:
    tail: Nodes = [("Add", ["c", "d"], ["a"]), ("Sigmoid", ["a"], ["s"]), *head("s")]
    nodes = [conv("x", "w", "c"), conv("c", "v", "d"), *tail]
    arrays = {"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "g": weights(5, 4)}
    few = Bits(weights=4, activations=4, first_last=4, residual=4, input=4)
    plans = [planned(nodes, output="y", bits=few.model_copy(update={"others": each}), **arrays) for each in (None, 8)]
    before, after = ({name: plan.by_tensor[name].bits for name in "xcdaspf"} for plan in plans)
    assert before == dict.fromkeys("xcdaspf", 4)
    assert after == {"x": 4, "c": 4, "d": 8, "a": 8, "s": 8, "p": 4, "f": 4}  # a layer reads f: the codes of p


def test_layers_that_the_recipe_names_have_bits_of_their_own() -> None:
    nodes = [*three_layers("Relu"), *head("l")]
    arrays = {**{name: weights(4, 4, 3, 3) for name in "wvu"}, "g": weights(5, 4)}
    layers = {"Conv_?": LayerBits(weights=6), "Conv_h": LayerBits(weights=3, activations=5)}
    plan = planned(nodes, output="y", bits=Bits(weights=4, activations=4, layers=layers), **arrays)
    assert {name: plan.by_tensor[name].bits for name in "wvug"} == {"w": 6, "v": 6, "u": 3, "g": 8}
    assert {name: plan.by_tensor[name].bits for name in "rel"} == {"r": 4, "e": 5, "l": 4}


def test_of_several_patterns_the_last_that_says_it_holds_and_a_weights_name_will_do() -> None:
    nodes = [*three_layers("Relu"), *head("l")]
    arrays = {**{name: weights(4, 4, 3, 3) for name in "wvu"}, "g": weights(5, 4)}
    layers = {"Conv_d": LayerBits(weights=6), "*": LayerBits(activations=8), "u": LayerBits(weights=3)}
    plan = planned(nodes, output="y", bits=Bits(weights=4, activations=4, layers=layers), **arrays)
    assert {name: plan.by_tensor[name].bits for name in "vu"} == {"v": 6, "u": 3}
    assert {name: plan.by_tensor[name].bits for name in "re"} == {"r": 8, "e": 8}


def test_no_weight_has_more_bits_than_the_target_uses() -> None:
    nodes = [*three_layers("Relu"), *head("l")]
    arrays = {**{name: weights(4, 4, 3, 3) for name in "wvu"}, "g": weights(5, 4)}
    layers = {"u": LayerBits(weights=8), "v": LayerBits(weights=4)}
    plan = planned(nodes, output="y", target="ort-cpu-avx2", bits=Bits(layers=layers), **arrays)
    assert {name: plan.by_tensor[name].bits for name in "wvug"} == {"w": 7, "v": 4, "u": 7, "g": 7}
    assert {name: plan.by_tensor[name].bits for name in "xrel"} == {"x": 8, "r": 8, "e": 8, "l": 8}


def test_a_name_is_taken_as_it_is_before_it_is_a_pattern() -> None:
    nodes = [conv("x", "w", "c[0]"), *head("c[0]")]
    bits = Bits(layers={"Conv_c[0]": LayerBits(weights=3)})
    plan = planned(nodes, output="y", bits=bits, w=weights(4, 4, 3, 3), g=weights(5, 4))
    assert plan.by_tensor["w"].bits == 3


def test_a_name_that_is_no_layers_is_refused_with_the_nearest() -> None:
    nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"]), *head("r")]
    bits = Bits(layers={"Conv_d": LayerBits(weights=4)})
    with pytest.raises(InputError, match=r"no quantized layer or weight is called 'Conv_d' \(did you mean Conv_c\?\)"):
        planned(nodes, output="y", bits=bits, w=weights(4, 4, 3, 3), g=weights(5, 4))

from gdfq_export.jobs.search.cells import fewer_bits, make_cells, structures, targets_here, usual_recipes
from gdfq_export.recipe import Bits, LayerBits, MixedBits, load_recipe
from tests.jobs.search.stand_ins import CELLS


def test_the_usual_grid_has_24_cells_of_20_structures() -> None:
    assert len(CELLS) == 24
    assert len(structures(CELLS)) == 20, "fine-tuning changes no graph"


def test_most_bits_and_least_tuning_come_first_and_later_seeds_last() -> None:
    cells = make_cells(usual_recipes(), ["ort-cpu"], [5, 1])
    assert [cell.recipe.name for cell in cells[:2]] == ["w8a8-ort-cpu", "w8a8-finetuned-ort-cpu"]
    assert cells[5].recipe.name == "w4a4-ort-cpu"
    assert [cell.seed for cell in cells] == [5] * 6 + [1] * 6


def test_bits_are_compared_kind_by_kind() -> None:
    assert fewer_bits(Bits(weights=4), Bits()) and not fewer_bits(Bits(), Bits(weights=4))
    assert not fewer_bits(Bits(weights=4), Bits(activations=4)), "each has fewer of one kind"
    assert not fewer_bits(Bits(weights=4, mixed=MixedBits()), Bits(weights=6)), "mixed may raise all"
    assert not fewer_bits(Bits(weights=4, layers={"conv": LayerBits(weights=8)}), Bits())
    assert not fewer_bits(Bits(weights=4, precision="auto"), Bits())


def test_a_recipe_named_twice_is_one_cell() -> None:
    assert len(make_cells([load_recipe("w8a8"), load_recipe("w8a8-ort-cpu")], ["ort", "ort-cpu"], [0, 0])) == 1


def test_onnx_runtime_works_here() -> None:
    assert "ort-cpu" in targets_here()

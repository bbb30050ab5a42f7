from __future__ import annotations

from bench.accuracy_cells import (
    BIT_WIDTHS,
    LIMITS,
    METHODS,
    NETWORKS,
    TABLE_BITS,
    Cell,
    budget_of,
    reason_against,
    recipe_of,
)
from gdfq_export.jobs.compare.methods import recipe_for


def cell(network: str = "cifar10_resnet20", bits: str = "w4a4", method: str = "ours", seed: int = 0) -> Cell:
    return Cell(network=network, bits=bits, method=method, seed=seed)


def test_limits_set_the_budget() -> None:
    assert budget_of("cifar10_resnet18", "w4a4") == 15 * 60
    assert budget_of("cifar100_resnet20_cy", "w4a4") == 10 * 60
    assert budget_of("pytorchcv:resnet18", "w4a4-first-last") == 30 * 60
    assert all(limit.network in NETWORKS and limit.bits in BIT_WIDTHS and limit.aim < limit.must for limit in LIMITS)


def test_real_images_are_not_those_that_are_scored() -> None:
    assert reason_against(cell(method="real")) is None
    assert reason_against(cell("demo", method="real")) is None
    assert reason_against(cell("imagenet_tinydarknet_224", method="real")) is None, "the half that is not scored"
    assert reason_against(cell("pytorchcv:resnet18", method="real")) is not None
    assert reason_against(cell("imagenet_tinydarknet_224")) is None


def test_a_cell_has_the_ladder_s_recipe() -> None:
    assert recipe_of(cell(method="gdfq"), (3, 224, 224)) == recipe_for("gdfq", "w4a4", (3, 224, 224))
    assert set(TABLE_BITS) < set(BIT_WIDTHS) and METHODS["real"] == "real images"


def test_a_name_is_a_file_name() -> None:
    assert cell("pytorchcv:resnet18").name == "pytorchcv_resnet18-w4a4-ours-seed0"

"""Gates as goals of a choice of precision."""

from __future__ import annotations

import pytest

from gdfq_export.errors import InputError
from gdfq_export.planning.precision.goals import goals_of, require_goals
from gdfq_export.recipe import Gates, MixedBits, load_recipe


def test_a_point_of_accuracy_is_one_class_in_a_hundred() -> None:
    goals = goals_of(Gates(max_top1_drop_pp=1.0, min_agreement=0.9, min_output_snr_db=30))
    assert goals.agreement == pytest.approx(0.99) and goals.snr_db == 30
    assert str(goals) == "30 dB of every output, 99.00% of the images with float's class"


def test_auto_without_a_goal_is_refused() -> None:
    recipe = load_recipe("w8a8").with_precision("auto")
    with pytest.raises(InputError, match="no goal is set; give one of --min-output-snr-db"):
        require_goals(recipe)
    require_goals(recipe.model_copy(update={"gates": Gates(max_latency_ratio=0.8)}))
    require_goals(load_recipe("w8a8"))


def test_auto_does_not_go_with_mixed_bits() -> None:
    recipe = load_recipe("w8a8").with_precision("auto").model_copy(update={"gates": Gates(min_output_snr_db=30)})
    mixed = recipe.model_copy(update={"bits": recipe.bits.model_copy(update={"mixed": MixedBits()})})
    with pytest.raises(InputError, match=r"bits\.mixed"):
        require_goals(mixed)

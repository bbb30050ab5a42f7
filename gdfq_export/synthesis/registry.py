"""The table of methods that make images, by their name in a recipe (`data.method`)."""

from __future__ import annotations

from collections.abc import Callable

from calib.statistics import has_batch_norm
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe, Tuning
from gdfq_export.synthesis.generator import GDFQ
from gdfq_export.synthesis.given import REAL
from gdfq_export.synthesis.method import Cut, Method, SynthesisInputs
from gdfq_export.synthesis.noise import NOISE
from gdfq_export.synthesis.published import PUBLISHED
from gdfq_export.synthesis.refined import GDFQ_REFINED, REFINED
from gdfq_export.synthesis.zeroq import ZEROQ

METHODS: dict[str, Method] = {
    "gdfq": GDFQ,
    "gdfq-refined": GDFQ_REFINED,
    "refined": REFINED,
    "noise": NOISE,
    "zeroq": ZEROQ,
    "published": PUBLISHED,
    "real": REAL,
}


def require_consistent(model: FloatModel, recipe: Recipe, *, given: bool) -> None:
    """Refuse a recipe whose data and tuning do not go together, or not with this network.

    `given` says that images are given, and none are made.

    Raises:
        InputError: they do not.
    """
    method, where = METHODS[recipe.data.method], f"the recipe {recipe.name}"
    if method.make is None and not given:
        raise InputError(
            f"{where} works with real images: give them to gdfq-export quantize as --calibration, an .npz with images "
            "and labels or a folder with images and a labels.csv"
        )
    if method.ranks and not given and len(model.input_spec.shape) not in method.ranks:
        what = "several inputs" if model.input_spec.by_name else f"inputs {list(model.input_spec.shape)}"
        raise InputError(
            f"{where} makes images by data.method {recipe.data.method} and {model.source} takes {what}; take a recipe "
            "with data.method refined or noise"
        )
    if method.needs_batch_norm and not given and not has_batch_norm(model.teacher):
        raise InputError(
            f"{where} makes images from BatchNormalization statistics alone, and {model.source} has none left; export "
            "the network again with BatchNormalization kept, or take a recipe with data.method gdfq or noise"
        )
    if recipe.tuning.published is None:
        return
    if recipe.bits.mixed is not None:
        raise InputError(
            f"bits.mixed in {where} measures layers on images, and tuning.published makes them only while it tunes; "
            "leave one of them out"
        )
    if method.tune is None or given:
        raise InputError(
            f"tuning.published in {where} trains its generator while it tunes: set data.method to published and leave "
            "out --calibration"
        )
    if recipe.tuning.model_copy(update={"published": None}) != Tuning(rounding=False, bias_correction="none"):
        raise InputError(
            f"tuning.published in {where} replaces all other tuning; set rounding: false and bias_correction: none, "
            "and leave out the rest"
        )


def cut_to_budget(
    recipe: Recipe, model: FloatModel, left: Callable[[], float], device: str = "cpu"
) -> tuple[Recipe, Cut | None]:
    """The recipe with as many steps of its published schedule as fit into the seconds that `left` gives.

    GDFQ and ZeroQ as published have a fixed number of steps that take hours or days on a CPU. A few steps are timed on
    the network and settings of the run. Learning rates fall at shares of the steps, so a shorter run keeps its shape.

    Returns:
        The recipe and how it was shortened; the recipe itself and None for methods without a published schedule.

    Raises:
        InputError: the method cannot work with this network.
    """
    cut = METHODS[recipe.data.method].cut
    if cut is None:
        return recipe, None
    require_consistent(model, recipe, given=False)
    return cut(SynthesisInputs(model=model, recipe=recipe, device=device), left)

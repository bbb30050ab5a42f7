"""The ladder: methods from noise to real images, and grids of bits, so that all methods of a grid are compared alike.

A grid says the bits of each tensor and replaces the bits of whatever recipe a method has. Cells are scored on one set
of images, the same for all, so their recipes spend little on measuring.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from gdfq_export.errors import InputError
from gdfq_export.recipe import DEFAULT_RECIPE, Bits, MixedBits, Recipe, Verify, load_recipe
from gdfq_export.recipe.explain import hint
from gdfq_export.targets import find_target

__all__ = [
    "AS_PUBLISHED",
    "GRIDS",
    "METHODS",
    "MIXED",
    "BudgetUse",
    "Method",
    "recipe_for",
    "require_known",
    "words_for",
]


class BudgetUse(Enum):
    """What a method does with a budget in seconds."""

    IGNORED = "takes what it takes"
    CUT = "its published steps, fewer where the budget ends before"
    SPENT = "as many images and steps as fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One rung.

    Attributes:
        title: as people write it.
        images: what it calibrates and tunes on, in a few words.
        recipe: its recipe; None takes ours for the bits.
        large_recipe: in its place for images of at least `LARGE` pixels a side.
        budget: what it does with one.
        real: works on real images that are given.
    """

    title: str
    images: str
    recipe: str | None = None
    large_recipe: str | None = None
    budget: BudgetUse
    real: bool = False


METHODS = {
    "noise": Method(title="noise", images="Gaussian noise", recipe="paper/noise", budget=BudgetUse.IGNORED),
    "dfq": Method(title="DFQ", images="none", recipe="paper/dfq", budget=BudgetUse.IGNORED),
    "zeroq": Method(title="ZeroQ", images="distilled", recipe="paper/zeroq", budget=BudgetUse.CUT),
    "gdfq": Method(
        title="GDFQ",
        images="a generator trained beside the network",
        recipe="paper/gdfq",
        large_recipe="paper/gdfq-imagenet",
        budget=BudgetUse.CUT,
    ),
    "ours": Method(title="ours", images="made from the network", budget=BudgetUse.SPENT),
    "real": Method(title="real images", images="real, given", budget=BudgetUse.SPENT, real=True),
}
GRIDS = {
    "w8a8": Bits(),
    "w6a6": Bits(weights=6, activations=6),
    "w6a6-first-last": Bits(weights=6, activations=6, first_last=6),
    "w5a5": Bits(weights=5, activations=5),
    "w4a8": Bits(weights=4),
    "w4a8-mixed": Bits(weights=4, first_last=4, mixed=MixedBits(growth=0.1, size_ratio=0.15)),
    "w4a4": Bits(weights=4, activations=4),
    "w4a4-first-last": Bits(weights=4, activations=4, first_last=4),
    "w4a4-everywhere": Bits(weights=4, activations=4, first_last=4, residual=4, input=4),
    "w3a3": Bits(weights=3, activations=3),
}
AS_PUBLISHED = "-first-last"  # first and last layer have the bits of all others, as in the papers' own figures
MIXED = "-mixed"  # the layers that need it have 8 bits, wherever they stand, as our recipe for these bits has it
LARGE = 64  # pixels a side from which GDFQ runs with its settings for ImageNet

_RUNTIME = DEFAULT_RECIPE.partition("-")[2]  # our recipes are named by bits and runtime
_VERIFY = Verify(agreement_images=8, parity_images=32, latency_seconds=0)


def require_known(methods: Iterable[str] = (), bits: Iterable[str] = ()) -> None:
    """Refuse names that are none of the ladder's.

    Raises:
        InputError: no method or grid has that name.
    """
    for kind, known, given in (("method", METHODS, methods), ("bits", GRIDS, bits)):
        for name in given:
            if name not in known:
                raise InputError(f"there is no {kind} {name!r}{hint(name, known)}; give some of {', '.join(known)}")


def words_for(bits: str) -> str:
    """A grid's key as people write it: w4a4-everywhere -> W4A4 everywhere."""
    width, _, where = bits.partition("-")
    return f"{width.upper()} {where.replace('-', ' and ')}".rstrip()


def recipe_for(method: str, bits: str, shape: tuple[int, int, int], *, target: str | None = None) -> Recipe:
    """The method's recipe on the grid, for images of `shape` (C, H, W); `target` takes the place of the recipe's.

    Raises:
        InputError: no method, grid or target has that name.
    """
    require_known([method], [bits])
    rung = METHODS[method]
    name = rung.recipe or f"{bits.removesuffix(AS_PUBLISHED).removesuffix(MIXED)}-{_RUNTIME}"
    if rung.large_recipe is not None and min(shape[1:]) >= LARGE:
        name = rung.large_recipe
    recipe = load_recipe(name).model_copy(update={"bits": GRIDS[bits], "verify": _VERIFY})
    return recipe if target is None else recipe.model_copy(update={"target": find_target(target).name})
